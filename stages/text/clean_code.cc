#include <unordered_map>
#include <vector>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

struct Fence {
  char mark = '\0';  ///< NUL where the line opens no fence.
  std::size_t length = 0;
};

std::size_t run_length(std::string_view text, std::size_t from) {
  std::size_t end = from;
  while (end < text.size() && text[end] == text[from]) ++end;
  return end - from;
}

Fence opening_fence(std::string_view line) {
  const std::string_view text = scan::trim(line);
  if (text.empty() || (text[0] != '`' && text[0] != '~')) return {};
  const std::size_t length = run_length(text, 0);
  if (length < 3) return {};
  // With a further backtick the line is inline code ("```x```").
  if (text[0] == '`' && text.find('`', length) != scan::kNone) return {};
  return {text[0], length};
}

/// A model's answer often closes a block at the end of its last line of code.
bool closes(std::string_view line, Fence fence) {
  const std::string_view text = scan::trim(line);
  std::size_t length = 0;
  while (length < text.size() && text[text.size() - 1 - length] == fence.mark) ++length;
  return length >= fence.length;
}

/// The words of a piece of code: what joins or surrounds them becomes space.
void append_words_of_code(std::string& out, std::string_view code) {
  for (const char c : code) {
    const bool kept = !scan::is_ascii(c) || scan::is_alnum(c) || scan::is_one_of(c, ".,'-+=%/:");
    out.push_back(kept || c == '\n' ? c : ' ');
  }
}

}  // namespace

std::string remove_code_blocks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Fence open;
  bool first = true;
  scan::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    const bool inside = open.mark != '\0';
    if (inside) {
      if (closes(line, open)) open = {};
      continue;
    }
    open = opening_fence(line);
    if (!first) out.push_back('\n');
    first = false;
    if (open.mark == '\0') {
      out.append(line);
    } else {
      out.push_back('\n');  // The block was a paragraph of its own.
    }
  }
  return out;
}

std::string speak_inline_code(std::string_view text) {
  // The runs of backticks by their length, so that the run that closes one is found at once.
  std::unordered_map<std::size_t, std::vector<std::size_t>> runs;
  for (std::size_t i = text.find('`'); i != scan::kNone; i = text.find('`', i)) {
    const std::size_t length = run_length(text, i);
    runs[length].push_back(i);
    i += length;
  }
  std::unordered_map<std::size_t, std::size_t> used;  // By length: the runs that lie behind.
  scan::Finder paragraph_end(text, "\n\n");

  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '`') {
      out.push_back(text[i++]);
      continue;
    }
    const std::size_t length = run_length(text, i);
    const std::vector<std::size_t>& same = runs[length];
    std::size_t& index = used[length];
    while (index < same.size() && same[index] <= i) ++index;
    const std::size_t begin = i + length;
    i = begin;
    if (index < same.size() && same[index] < paragraph_end.next(begin)) {
      append_words_of_code(out, text.substr(begin, same[index] - begin));
      i = same[index] + length;
    }
  }
  return out;
}

}  // namespace flowtts::clean
