#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stages/text/decision_tree.h"
#include "stages/text/flite_voice.h"
#include "stages/text/flite_words.h"
#include "stages/text/grow_only_cache.h"

namespace flowtts {

/// What a token is read as.
struct Expansion {
  struct Word {
    const FliteWord* word;
    bool before_break;  ///< flite reads the parts of a telephone number apart.
  };

  std::vector<Word> words;
  std::string punctuation;  ///< Behind it; reading takes away the full stop of "Mr.", for example.
  bool cached = true;       ///< All its words are.
};

/// A token: what stands between spaces.
struct FliteToken {
  std::string key;          ///< The text, and one letter for where it stands.
  std::string name;         ///< Without the punctuation at its ends.
  std::string punctuation;  ///< Behind it.
  Symbol name_symbol = Symbols::kOther;
  bool depends_on_others = false;  ///< Its reading is that of its place: `FliteTokens::in_place`.
  Expansion expansion;             ///< Where it does not depend on others.

  bool may_stay() const { return expansion.cached; }
  std::size_t bytes() const;
};

struct FliteTokenInPlace {
  std::string key;
  Expansion expansion;

  bool may_stay() const { return expansion.cached; }
  std::size_t bytes() const;
};

/// A token among those around it.
struct TokenPlace {
  struct Neighbour {
    std::string_view name;  ///< Empty where there is none.
    std::string_view punctuation;
  };
  static constexpr std::size_t kSelf = 2;

  std::array<Neighbour, 5> tokens;  ///< Two before it, itself, two behind it.
};

/// flite's tokens and their words, each found once as long as there is room. Threads may share it.
///
/// Whether the reading of a token depends on those around it is not guessed from its letters: while
/// it is expanded, flite's feature functions tell whether they were asked about another token.
class FliteTokens {
 public:
  FliteTokens(cst_voice* voice, const Symbols& symbols, const FliteWords& words);

  /// Whether nothing of it is left for flite: opening quotes and brackets alone.
  bool is_empty(std::string_view text) const {
    return text.find_first_not_of(opening_punctuation_) == std::string_view::npos;
  }

  /// `text` is not empty and has no white space.
  const FliteToken& find(std::string_view text, bool first, bool last, Kept& kept) const;

  const Expansion& in_place(const TokenPlace& place, Kept& kept) const;

 private:
  std::unique_ptr<const FliteToken> look_up(std::string_view key, Kept& kept) const;
  Expansion expand(const TokenPlace& place, bool* asked_others, Kept& kept) const;

  cst_voice* voice_;
  const Symbols& symbols_;
  const FliteWords& words_;
  std::string_view opening_punctuation_;
  mutable GrowOnlyCache<FliteToken> tokens_;
  mutable GrowOnlyCache<FliteTokenInPlace> places_;
};

}  // namespace flowtts
