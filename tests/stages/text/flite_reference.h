#pragma once

#include <doctest/doctest.h>
#include <flite/flite.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stages/text/flite_text.h"
#include "stages/text/flite_voice.h"
#include "stages/text/latin_text.h"

namespace flowtts {

/// What flite itself makes of a text: its own steps, one after the other, and tokens read from its
/// utterance by feature paths. Slow, and the measure of flite_us.
class FliteReference {
 public:
  /// The tokens of a text that flite_us may say or not; a text without sound has pauses only.
  static std::vector<std::int64_t> tokens(std::string_view text) {
    return tokens_of(text_for_flite(spell_in_ascii(text).ascii));
  }

 private:
  static const cst_synth_module* steps() {
    static const cst_synth_module kSteps[] = {{"tokenizer_func", default_tokenization},
                                              {"textanalysis_func", default_textanalysis},
                                              {"pos_tagger_func", default_pos_tagger},
                                              {"phrasing_func", default_phrasing},
                                              {"lexical_insertion_func", default_lexical_insertion},
                                              {"pause_insertion_func", default_pause_insertion},
                                              {"intonation_func", cart_intonation},
                                              {"postlex_func", nullptr},
                                              {nullptr, nullptr}};
    return kSteps;
  }

  static std::vector<std::int64_t> tokens_of(const std::string& ascii) {
    const Utterance utterance(new_utterance());
    utt_set_input_text(utterance.get(), ascii.c_str());
    utt_init(utterance.get(), flite_voice());
    REQUIRE(apply_synth_method(utterance.get(), steps()) != nullptr);
    std::vector<std::int64_t> tokens;
    for (const cst_item* segment = relation_head(utt_relation(utterance.get(), "Segment"));
         segment != nullptr; segment = item_next(segment)) {
      tokens.push_back(token_of(segment));
    }
    return tokens;
  }

  static bool is_feature(const cst_item* item, const char* path, const char* value) {
    return std::strcmp(ffeature_string(item, path), value) == 0;
  }

  static std::int64_t pause_of(const cst_item* segment) {
    if (item_prev(segment) == nullptr) return 51;
    const std::string_view marks =
        ffeature_string(segment, "p.R:SylStructure.parent.parent.R:Token.parent.punc");
    if (marks.find('?') != std::string_view::npos) return 54;
    if (marks.find('!') != std::string_view::npos) return 55;
    if (marks.find('.') != std::string_view::npos) return 53;
    return marks.find_first_of(",;:-") != std::string_view::npos ? 52 : 48;
  }

  static bool starts_word(const cst_item* segment) {
    const cst_item* const in_syllable = item_as(segment, "SylStructure");
    if (in_syllable == nullptr || item_prev(in_syllable) != nullptr) return false;
    const cst_item* const syllable = item_parent(in_syllable);
    return syllable != nullptr && item_prev(syllable) == nullptr;
  }

  static std::int64_t token_of(const cst_item* segment) {
    const std::int64_t phone = phone_of(item_feat_string(segment, "name"));
    if (phone == kPausePhone) return pause_of(segment);
    const bool stressed = is_feature(segment, "ph_vc", "+") &&
                          is_feature(segment, "R:SylStructure.parent.stress", "1");
    return phone + (stressed ? 64 : 0) + (starts_word(segment) ? 128 : 0);
  }
};

}  // namespace flowtts
