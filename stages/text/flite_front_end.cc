#include "stages/text/flite_front_end.h"

#include <flite/flite.h>

#include <array>
#include <cstring>
#include <string>

#include "stages/text/flite_text.h"
#include "stages/text/latin_text.h"

// flite's voices declare themselves in no header.
extern "C" cst_voice* register_cmu_us_slt(const char* folder);

namespace flowtts {
namespace {

// What the model was trained on; see the token table of the voice's recipe.
constexpr std::array<std::string_view, 50> kPhones = {
    "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b",   "ch", "d",   "dh", "dx",
    "eh", "el", "em", "en", "er", "ey", "f",   "g",  "hh",  "hv", "ih",  "iy", "jh",
    "k",  "l",  "m",  "n",  "nx", "ng", "ow",  "oy", "p",   "r",  "s",   "sh", "t",
    "th", "uh", "uw", "v",  "w",  "y",  "z",   "zh", "pau", "h#", "brth"};
constexpr std::int64_t kPause = 48;
constexpr std::int64_t kPauseAtStart = 51;
constexpr std::int64_t kPauseComma = 52;
constexpr std::int64_t kPauseFullStop = 53;
constexpr std::int64_t kPauseQuestion = 54;
constexpr std::int64_t kPauseExclamation = 55;
constexpr std::int64_t kStress = 1 << 6;
constexpr std::int64_t kWordStart = 1 << 7;

// Of the letters and numbers, what may be missing: one letter of another script in a long sentence
// of English, but no word.
constexpr double kMaxLeftOut = 0.05;

/// flite's steps up to where durations begin: what the model was trained on, and all it needs.
const cst_synth_module* analysis() {
  static const cst_synth_module kModules[] = {{"tokenizer_func", default_tokenization},
                                              {"textanalysis_func", default_textanalysis},
                                              {"pos_tagger_func", default_pos_tagger},
                                              {"phrasing_func", default_phrasing},
                                              {"lexical_insertion_func", default_lexical_insertion},
                                              {"pause_insertion_func", default_pause_insertion},
                                              {"intonation_func", cart_intonation},
                                              {"postlex_func", nullptr},
                                              {nullptr, nullptr}};
  return kModules;
}

/// The voice whose lexicon and rules are used, registered once for the life of the program: flite
/// keeps voices in globals without a lock. Reading it from many threads is safe.
cst_voice* shared_voice() {
  static cst_voice* const kVoice = [] {
    flite_init();
    return register_cmu_us_slt(nullptr);
  }();
  return kVoice;
}

struct DeleteUtterance {
  void operator()(cst_utterance* utterance) const { delete_utterance(utterance); }
};
using Utterance = std::unique_ptr<cst_utterance, DeleteUtterance>;

bool is_feature(const cst_item* item, const char* path, const char* value) {
  return std::strcmp(ffeature_string(item, path), value) == 0;
}

std::int64_t phone_id(std::string_view name) {
  for (std::size_t i = 0; i < kPhones.size(); ++i) {
    if (kPhones[i] == name) return static_cast<std::int64_t>(i) + 1;
  }
  return kPause;
}

std::int64_t pause_id(const cst_item* segment) {
  if (item_prev(segment) == nullptr) return kPauseAtStart;
  const std::string_view marks =
      ffeature_string(segment, "p.R:SylStructure.parent.parent.R:Token.parent.punc");
  const auto has = [marks](std::string_view set) {
    return marks.find_first_of(set) != std::string_view::npos;
  };
  if (has("?")) return kPauseQuestion;
  if (has("!")) return kPauseExclamation;
  if (has(".")) return kPauseFullStop;
  return has(",;:-") ? kPauseComma : kPause;
}

bool starts_word(const cst_item* segment) {
  const cst_item* const in_syllable = item_as(segment, "SylStructure");
  if (in_syllable == nullptr || item_prev(in_syllable) != nullptr) return false;
  const cst_item* const syllable = item_parent(in_syllable);
  return syllable != nullptr && item_prev(syllable) == nullptr;
}

std::int64_t token_of(const cst_item* segment) {
  const std::int64_t phone = phone_id(item_feat_string(segment, "name"));
  if (phone == kPause) return pause_id(segment);
  std::int64_t token = phone;
  if (is_feature(segment, "ph_vc", "+") &&
      is_feature(segment, "R:SylStructure.parent.stress", "1")) {
    token |= kStress;
  }
  if (starts_word(segment)) token |= kWordStart;
  return token;
}

bool is_pause(std::int64_t token) { return token >= kPause && token <= kPauseExclamation; }

class FliteFrontEnd final : public FrontEnd {
 public:
  explicit FliteFrontEnd(cst_voice* voice) : voice_(voice) {}

  Result<std::vector<std::int64_t>> tokens(std::string_view text) const override {
    if (text.size() > kLongestFliteText) {
      return Error{"text_too_long", "the text has " + std::to_string(text.size()) +
                                        " bytes; flite_us takes " +
                                        std::to_string(kLongestFliteText) + " at once"};
    }
    const LatinText latin = spell_in_ascii(text);
    const double letters = static_cast<double>(latin.spoken + latin.left_out);
    if (latin.spoken == 0 || static_cast<double>(latin.left_out) > kMaxLeftOut * letters) {
      return Filtered{"unspeakable"};
    }
    return analyse(text_for_flite(latin.ascii));
  }

 private:
  Result<std::vector<std::int64_t>> analyse(const std::string& text) const {
    const Utterance utterance(new_utterance());
    utt_set_input_text(utterance.get(), text.c_str());
    utt_init(utterance.get(), voice_);
    if (apply_synth_method(utterance.get(), analysis()) == nullptr) {
      return Error{"flite", "flite could not analyse the text"};
    }
    std::vector<std::int64_t> tokens;
    bool speaks = false;
    for (const cst_item* segment = relation_head(utt_relation(utterance.get(), "Segment"));
         segment != nullptr; segment = item_next(segment)) {
      tokens.push_back(token_of(segment));
      speaks |= !is_pause(tokens.back());
    }
    if (!speaks) return Filtered{"unspeakable"};
    return tokens;
  }

  cst_voice* voice_;
};

}  // namespace

Result<std::shared_ptr<const FrontEnd>> make_flite_us() {
  cst_voice* const voice = shared_voice();
  if (voice == nullptr) return Error{"flite", "flite's voice cmu_us_slt could not be registered"};
  return std::shared_ptr<const FrontEnd>(std::make_shared<FliteFrontEnd>(voice));
}

}  // namespace flowtts
