#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

#include "stages/text/decision_tree.h"
#include "stages/text/flite_tokens.h"
#include "stages/text/flite_voice.h"
#include "stages/text/flite_words.h"

namespace flowtts {

/// flite's analysis of a text up to where durations begin, in the tokens of the model, without
/// flite's utterance.
///
/// flite itself says how a token is read and how a word is pronounced, once for each of them as
/// long as there is room (67 MiB in all). What combines them is done here on numbers: flite's
/// decision trees for parts of speech and phrases, the pauses, and the few rules between words.
/// The trees for intonation are left out, since no token depends on them. The tokens are those of
/// flite's own steps; a test holds the two against each other.
///
/// Immutable but for its caches: any number of threads may call `tokens` at once.
class FliteAnalysis {
 public:
  /// The Error "flite" where this flite's voice is missing or its trees are not as expected.
  static Result<std::shared_ptr<const FliteAnalysis>> create();

  /// The model's tokens for ASCII text from `text_for_flite`; a pause alone where it has no sound.
  std::vector<std::int64_t> tokens(std::string_view text) const;

 private:
  struct Trees {
    DecisionTree part_of_speech;
    DecisionTree phrase;
  };

  /// What the rules between words ask of a phone.
  struct PhoneClass {
    bool vowel = false;
    bool consonant = false;
    bool voiceless = false;
    bool hissing = false;  ///< 's is said with a vowel behind it.
  };

  struct PlacedToken {
    const FliteToken* token;
    const Expansion* expansion;
    Symbol punctuation;
    std::int64_t pause;  ///< The pause behind it.
  };

  struct PlacedWord {
    const FliteWord* word;
    std::size_t token;
    bool last_of_token;
    bool before_break;
  };

  struct Sound {
    Phone phone;
    bool stressed;
    bool starts_word;
    Liaison liaison;
    std::int64_t pause;  ///< The pause that would follow.
  };

  struct Sentence {
    std::vector<PlacedToken> tokens;
    std::vector<PlacedWord> words;
    std::vector<Sound> sounds;
  };

  FliteAnalysis(cst_voice* voice, Trees trees, Symbols symbols);

  void read_tokens(std::string_view text, Sentence& sentence, Kept& kept) const;
  void read_words(Sentence& sentence) const;
  void say_words(Sentence& sentence) const;
  void say_word(const Sentence& sentence, const PlacedWord& word, const Pronunciation& phones,
                std::vector<Sound>& sounds) const;
  void open_the(std::vector<Sound>& sounds) const;
  const Pronunciation& pronunciation(const Sentence& sentence, std::size_t at) const;
  bool ends_phrase(const Sentence& sentence, std::size_t at) const;
  std::int64_t token_of(const Sound& sound, const Sound* before) const;

  Symbols symbols_;
  Symbol missing_;  ///< flite's "0", for what is not there.
  Symbol yes_;
  Trees trees_;
  std::vector<std::size_t> readings_;  ///< For each answer of the tree for parts of speech.
  std::size_t phrase_end_;             ///< The answer "BB" of the tree for phrases.
  std::array<PhoneClass, kLastPhone + 1> classes_;
  FliteWords words_;
  FliteTokens tokens_;
};

}  // namespace flowtts
