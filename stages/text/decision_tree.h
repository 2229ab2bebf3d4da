#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <flowtts/result.h>

struct cst_cart_struct;

namespace flowtts {

/// A word of a decision tree's tests as a number; 0 is every word that no test names.
using Symbol = std::uint16_t;

/// The words that decision trees test for. Grows while trees are read; afterwards any number of
/// threads may ask it.
class Symbols {
 public:
  static constexpr Symbol kOther = 0;

  Symbol add(std::string_view word);
  Symbol of(std::string_view word) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>{}(word);
    }
  };
  std::unordered_map<std::string, Symbol, Hash, std::equal_to<>> numbers_;
};

/// One of flite's decision trees over words, read into numbers: flite parses a feature's path and
/// compares strings at every node, which is most of what its analysis of a sentence costs.
///
/// Immutable once read. Its tests are "feature is word" only, as in the trees for parts of speech
/// and phrases; the feature functions behind the paths are the caller's.
class DecisionTree {
 public:
  /// Reads a tree whose features are among `features`, which are numbered in that order. A feature
  /// that is not, or a test of another kind, is the Error "flite": another release of flite, for
  /// which the caller's feature functions have to be looked through.
  static Result<DecisionTree> read(const cst_cart_struct& cart,
                                   std::span<const std::string_view> features, Symbols& symbols);

  /// The number of the answer. `features` has the values in the order that `read` was given.
  std::size_t decide(std::span<const Symbol> features) const {
    const Node* node = nodes_.data();
    while (node->feature != kAnswer) {
      node = features[node->feature] == node->value ? node + 1 : nodes_.data() + node->otherwise;
    }
    return node->value;
  }

  const std::vector<std::string>& answers() const { return answers_; }

 private:
  static constexpr std::uint16_t kAnswer = 0xFFFF;

  struct Node {
    std::uint16_t feature = kAnswer;
    Symbol value = 0;             ///< What is tested for, or the answer's number.
    std::uint16_t otherwise = 0;  ///< The node after a no; that after a yes is the next one.
  };

  std::uint16_t answer(std::string_view text);

  std::vector<Node> nodes_;
  std::vector<std::string> answers_;
};

}  // namespace flowtts
