#pragma once

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowtts::testing {

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// Puts bytes for `{{EF BB}}`.
inline std::string with_bytes(std::string_view text) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t open = text.find("{{", at);
    out += text.substr(at, open - at);
    if (open == std::string_view::npos) return out;
    const std::size_t close = text.find("}}", open);
    for (std::size_t hex = open + 2; hex < close; hex += 3) {
      out += static_cast<char>(std::stoi(std::string(text.substr(hex, 2)), nullptr, 16));
    }
    at = close + 2;
  }
}

/// One case of a data file: `== a sentence`, then sections `-- name` with lines of text, and
/// `-- end`. What stands outside cases is a comment.
struct Case {
  std::string name;
  std::vector<std::pair<std::string, std::string>> sections;

  bool has(std::string_view wanted) const {
    for (const auto& [section, text] : sections) {
      if (section == wanted) return true;
    }
    return false;
  }

  /// Each line with its line break.
  std::string section(std::string_view wanted) const {
    for (const auto& [section, text] : sections) {
      if (section == wanted) return text;
    }
    throw std::runtime_error("case '" + name + "' has no section " + std::string(wanted));
  }

  /// The same without the last line break, and with bytes for {{EF BB}}.
  std::string file() const {
    std::string text = section("file");
    if (!text.empty()) text.pop_back();
    return with_bytes(text);
  }
};

/// Reads a data file; `path` counts from the source folder.
inline std::vector<Case> read_cases(const std::string& path) {
  const char* source = std::getenv("FLOWTTS_SOURCE_DIR");
  std::ifstream file((source != nullptr ? std::string(source) : std::string(".")) + "/" + path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  std::vector<Case> cases;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("== ")) {
      cases.push_back({line.substr(3), {}});
    } else if (line == "-- end") {
      inside = false;
    } else if (line.starts_with("-- ")) {
      cases.back().sections.emplace_back(line.substr(3), "");
      inside = true;
    } else if (inside) {
      cases.back().sections.back().second += line + "\n";
    }
  }
  return cases;
}

}  // namespace flowtts::testing
