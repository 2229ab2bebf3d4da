#include <flowtts/diagnostics.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "core/utf8.h"

namespace flowtts {
namespace {

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other: the restricted
/// Damerau-Levenshtein distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

/// Line ends and other control characters, which a terminal would obey, and bytes that are not
/// UTF-8, as an argument can have them, written out.
std::string on_one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  std::size_t valid = valid_utf8_prefix(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || i == valid) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += text[i];
    }
    if (i == valid) valid = i + 1 + valid_utf8_prefix(text.substr(i + 1));
  }
  return line;
}

}  // namespace

std::string Diagnostic::text() const {
  const std::string_view kind = severity == Severity::kError ? "error" : "warning";
  const std::string place =
      where.line == 0 ? where.file : fmt::format("{}:{}:{}", where.file, where.line, where.column);
  return on_one_line(fmt::format("{}: {}[{}]: {}", place, kind, code, message));
}

void Diagnostics::error(SourcePosition where, std::string code, std::string message) {
  all_.push_back({Severity::kError, std::move(where), std::move(code), std::move(message)});
}

void Diagnostics::warning(SourcePosition where, std::string code, std::string message) {
  all_.push_back({Severity::kWarning, std::move(where), std::move(code), std::move(message)});
}

bool Diagnostics::has_errors() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) <
           std::tie(b.where.file, b.where.line, b.where.column);
  });
  return sorted;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongestWord = 64;  // nobody mistypes a longer one, and distance is O(n·m)
  if (word.size() > kLongestWord) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? std::string() : fmt::format("; did you mean '{}'?", best);
}

std::string list_words(std::span<const std::string> words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += words[i];
  }
  return list;
}

}  // namespace flowtts
