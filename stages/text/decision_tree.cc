#include "stages/text/decision_tree.h"

#include <flite/flite.h>

#include <algorithm>

namespace flowtts {
namespace {

bool is_string(const cst_val* value) {
  return value != nullptr && CST_VAL_TYPE(value) == CST_VAL_TYPE_STRING;
}

Error unknown_tree(const std::string& what) {
  return Error{"flite", "a decision tree of this flite has " + what +
                            "; flite_us knows the trees of flite 2.2"};
}

}  // namespace

Symbol Symbols::add(std::string_view word) {
  return numbers_.try_emplace(std::string(word), static_cast<Symbol>(numbers_.size() + 1))
      .first->second;
}

Symbol Symbols::of(std::string_view word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? kOther : found->second;
}

std::uint16_t DecisionTree::answer(std::string_view text) {
  const auto found = std::find(answers_.begin(), answers_.end(), text);
  const auto number = static_cast<std::uint16_t>(found - answers_.begin());
  if (found == answers_.end()) answers_.emplace_back(text);
  return number;
}

Result<DecisionTree> DecisionTree::read(const cst_cart_struct& cart,
                                        std::span<const std::string_view> features,
                                        Symbols& symbols) {
  DecisionTree tree;
  std::vector<bool> seen;
  std::vector<std::size_t> ahead = {0};
  while (!ahead.empty()) {
    const std::size_t at = ahead.back();
    ahead.pop_back();
    if (at >= seen.size()) {
      seen.resize(at + 1);
      tree.nodes_.resize(at + 1);
    }
    if (seen[at]) continue;
    seen[at] = true;
    const cst_cart_node& node = cart.rule_table[at];
    if (!is_string(node.val)) return unknown_tree("a value that is no word");
    if (node.op == CST_CART_OP_LEAF) {
      tree.nodes_[at].value = tree.answer(val_string(node.val));
      continue;
    }
    const std::string_view path = cart.feat_table[node.feat];
    const auto feature = std::find(features.begin(), features.end(), path);
    if (node.op != CST_CART_OP_IS) return unknown_tree("a test that is not for equality");
    if (feature == features.end()) return unknown_tree("the feature '" + std::string(path) + "'");
    tree.nodes_[at] = {static_cast<std::uint16_t>(feature - features.begin()),
                       symbols.add(val_string(node.val)), node.no_node};
    ahead.push_back(at + 1);
    ahead.push_back(node.no_node);
  }
  return tree;
}

}  // namespace flowtts
