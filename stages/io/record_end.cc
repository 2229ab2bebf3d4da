#include "stages/io/record_end.h"

#include <algorithm>

namespace flowtts {
namespace {

// Brackets deeper than this are taken for text: nothing that nests so deep is a conversation.
constexpr std::size_t kMaxOpen = 100'000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

std::size_t RecordEnd::feed(std::string_view bytes, bool last) {
  const std::size_t ahead = last ? 0 : kLookAhead;
  std::size_t at = 0;
  for (; at + ahead < bytes.size(); ++at) {
    next_found_ = !first_ && ends_at(bytes.substr(at));
    if (next_found_) break;
    first_ = false;
    track(bytes[at]);
  }
  return at;
}

RecordEnd::Found RecordEnd::found() const {
  if (next_found_) return Found::kNext;
  const bool ended = start_.in_array ? after_ == After::kClosed : open_.empty() && !in_string_;
  return ended ? Found::kEnd : Found::kNothing;
}

bool RecordEnd::ends_at(std::string_view rest) const {
  return start_.in_array ? ends_array_record(rest) : ends_line_record(rest.front());
}

bool RecordEnd::ends_line_record(char c) const {
  if (!line_start_) return false;
  if (start_.indent != 0 || !start_.is_object) return true;
  return indent_ == 0 && !is_space(c) && c != '}' && c != ']';
}

bool RecordEnd::ends_array_record(std::string_view rest) const {
  const char c = rest.front();
  if (c == '{' && last_ == ',' && !start_.opening.empty() && rest.starts_with(start_.opening)) {
    return true;
  }
  if (!start_.is_object) return !in_string_ && open_.empty() && (c == ',' || c == ']');
  if (c != '{') return false;
  if (line_start_ && start_.starts_line && indent_ == start_.indent) return true;
  return !in_string_ && last_ == ',' && (open_.size() == 1 || after_ == After::kComma);
}

void RecordEnd::track(char c) {
  if (c == '\n') {
    in_string_ = escaped_ = false;
    line_start_ = true;
    indent_ = 0;
    return;
  }
  if (line_start_ && is_space(c)) {
    ++indent_;
    return;
  }
  line_start_ = false;
  if (!is_space(c)) last_ = c;
  if (in_string_) {
    in_string_ = escaped_ || c != '"';
    escaped_ = !escaped_ && c == '\\';
    return;
  }
  if (!is_space(c)) track_bracket(c);
}

void RecordEnd::track_bracket(char c) {
  const bool outside = open_.empty();
  after_ = After::kInside;
  switch (c) {
    case '"':
      in_string_ = true;
      break;
    case '{':
    case '[':
      if (open_.size() < kMaxOpen) open_.push_back(c);
      break;
    case '}':
      close('{');
      break;
    case ']':
      if (outside) after_ = After::kClosed;
      close('[');
      break;
    case ',':
      if (outside) after_ = After::kComma;
      break;
    default:
      break;
  }
}

void RecordEnd::close(char open) {
  const auto partner = std::find(open_.rbegin(), open_.rend(), open);
  if (partner != open_.rend()) open_.erase(partner.base() - 1, open_.end());
}

}  // namespace flowtts
