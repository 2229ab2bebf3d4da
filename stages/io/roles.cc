#include "stages/io/roles.h"

#include <array>

namespace flowtts {
namespace {

struct Meaning {
  std::string_view label;
  std::string_view role;
};

constexpr std::array<Meaning, 14> kMeanings{{{"human", "human"},
                                             {"gpt", "gpt"},
                                             {"user", "human"},
                                             {"assistant", "gpt"},
                                             {"system", "system"},
                                             {"tool", "tool"},
                                             {"function", "tool"},
                                             {"observation", "tool"},
                                             {"function_response", "tool"},
                                             {"tool_response", "tool"},
                                             {"model", "gpt"},
                                             {"bot", "gpt"},
                                             {"chatgpt", "gpt"},
                                             {"developer", "system"}}};

std::string_view trimmed(std::string_view label) {
  const std::size_t begin = label.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return label.substr(begin, label.find_last_not_of(" \t\r\n:") + 1 - begin);
}

}  // namespace

std::string normalise_role(std::string_view label) {
  std::string role(trimmed(label));
  for (char& c : role) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const Meaning& meaning : kMeanings) {
    if (role == meaning.label) return std::string(meaning.role);
  }
  return role;
}

}  // namespace flowtts
