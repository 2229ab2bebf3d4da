#include "stages/text/flite_words.h"

#include <algorithm>
#include <utility>

namespace flowtts {
namespace {

constexpr std::size_t kSlots = std::size_t{1} << 17;
constexpr std::size_t kMostBytes = std::size_t{24} << 20;

Liaison liaison_of(std::string_view word) {
  if (word == "'s") return Liaison::kOfS;
  if (word == "'ve" || word == "'ll" || word == "'d") return Liaison::kOfContraction;
  return word == "the" ? Liaison::kOfThe : Liaison::kNone;
}

Pronunciation read_phones(const cst_item* word) {
  Pronunciation phones;
  for (const cst_item* syllable = item_daughter(item_as(word, "SylStructure")); syllable != nullptr;
       syllable = item_next(syllable)) {
    const bool stressed = std::string_view(item_feat_string(syllable, "stress")) == "1";
    for (const cst_item* phone = item_daughter(syllable); phone != nullptr;
         phone = item_next(phone)) {
      phones.push_back({phone_of(item_feat_string(phone, "name")), stressed});
    }
  }
  return phones;
}

}  // namespace

std::size_t FliteWord::bytes() const {
  std::size_t bytes = sizeof *this + key.capacity() + pronunciations.capacity() * sizeof key;
  for (const Pronunciation& phones : pronunciations) bytes += phones.capacity() * sizeof phones[0];
  return bytes;
}

FliteWords::FliteWords(cst_voice* voice, const Symbols& symbols,
                       std::vector<std::string> parts_of_speech)
    : voice_(voice),
      lexicon_(val_lexicon(feat_val(voice->features, "lexicon"))),
      symbols_(symbols),
      parts_of_speech_(std::move(parts_of_speech)),
      cache_(kSlots, kMostBytes) {}

Found<FliteWord> FliteWords::find(std::string_view word, Kept& kept) const {
  return cache_.get(word, kept, [this](std::string_view name) { return look_up(name); });
}

std::unique_ptr<const FliteWord> FliteWords::look_up(std::string_view word) const {
  auto found = std::make_unique<FliteWord>();
  found->key = word;
  found->name = symbols_.of(word);
  found->liaison = liaison_of(word);

  // flite's own step does the look-up, on a text in which the word stands once for each part of
  // speech. Letter-to-sound rules are the same for all.
  const bool in_lexicon = in_lex(lexicon_, found->key.c_str(), nullptr, voice_->features) != 0;
  const std::size_t readings = in_lexicon ? parts_of_speech_.size() : 1;
  const Utterance utterance(new_utterance());
  utt_init(utterance.get(), voice_);
  cst_item* const token = relation_append(utt_relation_create(utterance.get(), "Token"), nullptr);
  cst_relation* const words = utt_relation_create(utterance.get(), "Word");
  for (std::size_t i = 0; i < readings; ++i) {
    cst_item* const item = item_add_daughter(token, nullptr);
    item_set_string(item, "name", found->key.c_str());
    item_set_string(item, "pos", parts_of_speech_[i].c_str());
    relation_append(words, item);
  }
  default_lexical_insertion(utterance.get());
  const cst_item* const first = relation_head(words);
  found->guessed_part_of_speech = symbols_.of(ffeature_string(first, "gpos"));
  for (const cst_item* item = first; item != nullptr; item = item_next(item)) {
    found->pronunciations.push_back(read_phones(item));
  }
  auto& all = found->pronunciations;
  const bool same = std::all_of(all.begin(), all.end(),
                                [&](const Pronunciation& phones) { return phones == all.front(); });
  if (same) all.resize(1);
  all.shrink_to_fit();
  return found;
}

}  // namespace flowtts
