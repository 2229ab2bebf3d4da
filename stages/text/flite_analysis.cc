#include "stages/text/flite_analysis.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace flowtts {
namespace {

constexpr std::int64_t kPause = kPausePhone;
constexpr std::int64_t kPauseAtStart = 51;
constexpr std::int64_t kPauseComma = 52;
constexpr std::int64_t kPauseFullStop = 53;
constexpr std::int64_t kPauseQuestion = 54;
constexpr std::int64_t kPauseExclamation = 55;
constexpr std::int64_t kStress = 1 << 6;
constexpr std::int64_t kWordStart = 1 << 7;

// The features of a word that the trees ask for, in the order in which they are given to them.
constexpr auto kPartOfSpeechFeatures =
    std::to_array<std::string_view>({"gpos", "p.gpos", "p.p.gpos", "n.gpos", "n.n.gpos", "name",
                                     "p.name", "p.p.name", "n.name", "n.n.name"});
constexpr auto kPhraseFeatures = std::to_array<std::string_view>(
    {"R:Token.parent.n.name", "R:Token.n.name", "R:Token.parent.punc", "R:Token.parent.break",
     "break", "n.name"});

/// For each answer of the tree the number of its initial among the initials: the lexicon looks at
/// no more of a part of speech.
std::vector<std::size_t> readings_of(const DecisionTree& tree) {
  std::vector<std::size_t> readings;
  std::string initials;
  for (const std::string& answer : tree.answers()) {
    const char initial = answer.empty() ? '\0' : answer.front();
    const std::size_t known = initials.find(initial);
    readings.push_back(known == std::string::npos ? initials.size() : known);
    if (known == std::string::npos) initials.push_back(initial);
  }
  return readings;
}

/// One answer for each reading.
std::vector<std::string> parts_of_speech(const DecisionTree& tree) {
  std::vector<std::string> parts;
  const std::vector<std::size_t> readings = readings_of(tree);
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (readings[i] == parts.size()) parts.push_back(tree.answers()[i]);
  }
  return parts;
}

std::int64_t pause_behind(std::string_view punctuation) {
  const auto has = [punctuation](std::string_view set) {
    return punctuation.find_first_of(set) != std::string_view::npos;
  };
  if (punctuation.empty()) return kPause;
  if (has("?")) return kPauseQuestion;
  if (has("!")) return kPauseExclamation;
  if (has(".")) return kPauseFullStop;
  return has(",;:-") ? kPauseComma : kPause;
}

}  // namespace

Result<std::shared_ptr<const FliteAnalysis>> FliteAnalysis::create() {
  cst_voice* const voice = flite_voice();
  if (voice == nullptr) return Error{"flite", "flite's voice cmu_us_slt could not be registered"};
  Symbols symbols;
  const auto read = [&](const char* name, std::span<const std::string_view> features) {
    const cst_val* const cart = feat_val(voice->features, name);
    if (cart == nullptr) {
      return Result<DecisionTree>(Error{"flite", "flite's voice has no " + std::string(name)});
    }
    return DecisionTree::read(*val_cart(cart), features, symbols);
  };
  Result<DecisionTree> part_of_speech = read("pos_tagger_cart", kPartOfSpeechFeatures);
  if (!part_of_speech.ok()) return part_of_speech.error();
  Result<DecisionTree> phrase = read("phrasing_cart", kPhraseFeatures);
  if (!phrase.ok()) return phrase.error();
  return std::shared_ptr<const FliteAnalysis>(new FliteAnalysis(
      voice, {std::move(part_of_speech).value(), std::move(phrase).value()}, std::move(symbols)));
}

FliteAnalysis::FliteAnalysis(cst_voice* voice, Trees trees, Symbols symbols)
    : symbols_(std::move(symbols)),
      missing_(symbols_.add("0")),
      yes_(symbols_.add("1")),
      trees_(std::move(trees)),
      readings_(readings_of(trees_.part_of_speech)),
      words_(voice, symbols_, parts_of_speech(trees_.part_of_speech)),
      tokens_(voice, symbols_, words_) {
  const auto& ends = trees_.phrase.answers();
  phrase_end_ = static_cast<std::size_t>(std::find(ends.begin(), ends.end(), "BB") - ends.begin());
  const cst_phoneset* const phones = val_phoneset(feat_val(voice->features, "phoneset"));
  for (Phone phone = 1; phone <= kLastPhone; ++phone) {
    const auto feature = [&](const char* name) {
      return phone_feature_string(phones, phone_name(phone), name);
    };
    const bool fricative_or_affricate = std::strchr("fa", *feature("ctype")) != nullptr;
    const bool dental_or_labial = std::strchr("dbg", *feature("cplace")) != nullptr;
    const std::string_view vowel = feature("vc");
    classes_[phone] = {vowel == "+", vowel == "-", std::string_view(feature("cvox")) == "-",
                       fricative_or_affricate && !dental_or_labial};
  }
}

std::vector<std::int64_t> FliteAnalysis::tokens(std::string_view text) const {
  Kept kept;
  Sentence sentence;
  read_tokens(text, sentence, kept);
  read_words(sentence);
  say_words(sentence);
  open_the(sentence.sounds);
  std::vector<std::int64_t> tokens;
  tokens.reserve(sentence.sounds.size());
  const Sound* before = nullptr;
  for (const Sound& sound : sentence.sounds) {
    tokens.push_back(token_of(sound, before));
    before = &sound;
  }
  return tokens;
}

void FliteAnalysis::read_tokens(std::string_view text, Sentence& sentence, Kept& kept) const {
  std::vector<std::string_view> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view piece = text.substr(begin, end - begin);
    if (!tokens_.is_empty(piece)) pieces.push_back(piece);
    begin = end + 1;
  }
  auto& tokens = sentence.tokens;
  tokens.reserve(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const FliteToken& token = tokens_.find(pieces[i], i == 0, i + 1 == pieces.size(), kept);
    tokens.push_back({&token, &token.expansion, Symbols::kOther, kPause});
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].token->depends_on_others) {
      TokenPlace place;
      for (std::size_t k = 0; k < place.tokens.size(); ++k) {
        const std::size_t at = i + k - TokenPlace::kSelf;  // Wraps before the first.
        if (at >= tokens.size()) continue;
        // Those before it have been read; of those behind it, flite knows what was written.
        place.tokens[k] = {tokens[at].token->name, at < i ? tokens[at].expansion->punctuation
                                                          : tokens[at].token->punctuation};
      }
      tokens[i].expansion = &tokens_.in_place(place, kept);
    }
    tokens[i].punctuation = symbols_.of(tokens[i].expansion->punctuation);
    tokens[i].pause = pause_behind(tokens[i].expansion->punctuation);
  }
}

void FliteAnalysis::read_words(Sentence& sentence) const {
  sentence.words.reserve(sentence.tokens.size() + 8);
  for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
    for (const Expansion::Word& word : sentence.tokens[i].expansion->words) {
      sentence.words.push_back({word.word, i, false, word.before_break});
    }
    if (!sentence.tokens[i].expansion->words.empty()) sentence.words.back().last_of_token = true;
  }
}

void FliteAnalysis::say_words(Sentence& sentence) const {
  auto& sounds = sentence.sounds;
  sounds.reserve(6 * sentence.words.size() + 8);
  sounds.push_back({kPausePhone, false, false, Liaison::kNone, kPause});
  std::size_t phrase = sounds.size();
  for (std::size_t i = 0; i < sentence.words.size(); ++i) {
    say_word(sentence, sentence.words[i], pronunciation(sentence, i), sounds);
    const bool ends = i + 1 == sentence.words.size() || ends_phrase(sentence, i);
    if (ends && sounds.size() > phrase) {
      sounds.push_back({kPausePhone, false, false, Liaison::kNone, kPause});
      phrase = sounds.size();
    }
  }
}

/// Says the word behind `sounds`, with the rules for 's, 've, 'll and 'd: a vowel or a voiceless
/// consonant, as what is before asks for it.
void FliteAnalysis::say_word(const Sentence& sentence, const PlacedWord& word,
                             const Pronunciation& phones, std::vector<Sound>& sounds) const {
  static const Phone kSchwa = phone_of("ax");
  static const Phone kVoicelessS = phone_of("s");
  const Liaison liaison = word.word->liaison;
  const std::int64_t pause = sentence.tokens[word.token].pause;
  bool starts = true;
  for (const PhoneInWord& said : phones) {
    const PhoneClass& before = classes_[sounds.back().phone];
    Phone phone = said.phone;
    if ((liaison == Liaison::kOfS && before.hissing) ||
        (liaison == Liaison::kOfContraction && before.consonant)) {
      sounds.push_back({kSchwa, said.stressed, starts, liaison, pause});
      starts = false;
    } else if (liaison == Liaison::kOfS && before.voiceless) {
      phone = kVoicelessS;
    }
    sounds.push_back({phone, said.stressed, starts, liaison, pause});
    starts = false;
  }
}

/// "the" before a vowel.
void FliteAnalysis::open_the(std::vector<Sound>& sounds) const {
  static const Phone kSchwa = phone_of("ax");
  static const Phone kOpen = phone_of("iy");
  for (std::size_t i = 0; i + 1 < sounds.size(); ++i) {
    if (sounds[i].liaison == Liaison::kOfThe && sounds[i].phone == kSchwa &&
        classes_[sounds[i + 1].phone].vowel) {
      sounds[i].phone = kOpen;
    }
  }
}

const Pronunciation& FliteAnalysis::pronunciation(const Sentence& sentence, std::size_t at) const {
  const std::vector<PlacedWord>& words = sentence.words;
  const auto& pronunciations = words[at].word->pronunciations;
  if (pronunciations.size() == 1) return pronunciations.front();
  const auto guess = [&](std::size_t i) {  // A place before the first word wraps.
    return i < words.size() ? words[i].word->guessed_part_of_speech : missing_;
  };
  const auto name = [&](std::size_t i) {
    return i < words.size() ? words[i].word->name : missing_;
  };
  const std::array<Symbol, kPartOfSpeechFeatures.size()> features = {
      guess(at), guess(at - 1), guess(at - 2), guess(at + 1), guess(at + 2),
      name(at),  name(at - 1),  name(at - 2),  name(at + 1),  name(at + 2)};
  return pronunciations[readings_[trees_.part_of_speech.decide(features)]];
}

bool FliteAnalysis::ends_phrase(const Sentence& sentence, std::size_t at) const {
  const PlacedWord& word = sentence.words[at];
  const Symbol next_word =
      at + 1 < sentence.words.size() ? sentence.words[at + 1].word->name : missing_;
  const std::size_t next_token = word.token + 1;
  const std::array<Symbol, kPhraseFeatures.size()> features = {
      next_token < sentence.tokens.size() ? sentence.tokens[next_token].token->name_symbol
                                          : missing_,
      word.last_of_token ? missing_ : next_word,
      sentence.tokens[word.token].punctuation,
      missing_,
      word.before_break ? yes_ : missing_,
      next_word};
  return trees_.phrase.decide(features) == phrase_end_;
}

std::int64_t FliteAnalysis::token_of(const Sound& sound, const Sound* before) const {
  if (sound.phone == kPausePhone) return before == nullptr ? kPauseAtStart : before->pause;
  std::int64_t token = sound.phone;
  if (sound.stressed && classes_[sound.phone].vowel) token |= kStress;
  if (sound.starts_word) token |= kWordStart;
  return token;
}

}  // namespace flowtts
