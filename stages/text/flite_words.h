#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stages/text/decision_tree.h"
#include "stages/text/flite_voice.h"
#include "stages/text/grow_only_cache.h"

namespace flowtts {

struct PhoneInWord {
  Phone phone;
  bool stressed;  ///< Whether its syllable is.

  bool operator==(const PhoneInWord&) const = default;
};
using Pronunciation = std::vector<PhoneInWord>;

/// How a word's phones depend on the phones beside it.
enum class Liaison : std::uint8_t { kNone, kOfS, kOfContraction, kOfThe };

/// A word as flite's lexicon and letter-to-sound rules say it.
struct FliteWord {
  std::string key;  ///< Its spelling.
  Symbol name = Symbols::kOther;
  Symbol guessed_part_of_speech = Symbols::kOther;  ///< flite's "gpos".
  Liaison liaison = Liaison::kNone;
  /// One, or one for each of the parts of speech that `FliteWords` was made with.
  std::vector<Pronunciation> pronunciations;

  bool may_stay() const { return true; }
  std::size_t bytes() const;
};

/// flite's pronunciations, each looked up once as long as there is room. Threads may share it.
class FliteWords {
 public:
  /// `parts_of_speech` are those between which the lexicon may tell a word's pronunciations apart.
  FliteWords(cst_voice* voice, const Symbols& symbols, std::vector<std::string> parts_of_speech);

  Found<FliteWord> find(std::string_view word, Kept& kept) const;

 private:
  std::unique_ptr<const FliteWord> look_up(std::string_view word) const;

  cst_voice* voice_;
  const cst_lexicon* lexicon_;
  const Symbols& symbols_;
  std::vector<std::string> parts_of_speech_;
  mutable GrowOnlyCache<FliteWord> cache_;
};

}  // namespace flowtts
