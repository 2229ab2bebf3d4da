#include "stages/io/record_walk.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "stages/io/hash.h"
#include "stages/io/raw_json.h"
#include "stages/io/record_outline.h"
#include "stages/io/roles.h"
#include "stages/io/text.h"

// A namespace of its own, since the vector instructions change RapidJSON's inline functions, which
// other files may compile without them.
#define RAPIDJSON_NAMESPACE flowtts::sax_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN namespace flowtts::sax_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#if defined(__SSE2__)
#define RAPIDJSON_SSE2
#elif defined(__ARM_NEON)
#define RAPIDJSON_NEON
#endif
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

namespace flowtts {
namespace {

namespace rj = sax_rapidjson;

constexpr unsigned kParseFlags = rj::kParseIterativeFlag | rj::kParseStopWhenDoneFlag |
                                 rj::kParseNumbersAsStringsFlag | rj::kParseTrailingCommasFlag;

// No token that RapidJSON reports by its start is longer than a surrogate pair's two escapes.
constexpr std::size_t kLongestEscape = 12;

constexpr std::size_t kLargeRecord = 4 * 1024 * 1024;

using Verdict = RecordOutline::Verdict;

/// Hands RapidJSON's events to the outline.
class Events : public rj::BaseReaderHandler<rj::UTF8<>, Events> {
 public:
  Events(RecordOutline& outline, const rj::StringStream& stream)
      : outline_(outline), stream_(stream) {}

  Verdict verdict() const { return verdict_; }

  bool Null() { return go_on(outline_.scalar(JsonKind::kNull, "null")); }
  bool Bool(bool flag) { return go_on(outline_.scalar(JsonKind::kBool, flag ? "true" : "false")); }
  bool RawNumber(const char* text, rj::SizeType length, bool) {
    return go_on(outline_.scalar(JsonKind::kNumber, {text, length}));
  }
  bool String(const char* text, rj::SizeType length, bool) {
    return go_on(outline_.scalar(JsonKind::kString, {text, length}));
  }
  bool StartObject() { return go_on(outline_.begin(JsonKind::kObject)); }
  bool StartArray() { return go_on(outline_.begin(JsonKind::kArray)); }
  bool EndObject(rj::SizeType) { return end(); }
  bool EndArray(rj::SizeType) { return end(); }
  // RapidJSON reads a string on a copy of its stream, so the stream still stands at the key's
  // quote.
  bool Key(const char* text, rj::SizeType length, bool) {
    outline_.key({text, length}, position());
    return true;
  }

 private:
  std::uint32_t position() const { return static_cast<std::uint32_t>(stream_.Tell()); }
  bool go_on(Verdict verdict) {
    verdict_ = verdict;
    return verdict == Verdict::kGoOn;
  }
  bool end() {
    outline_.end(position());
    return true;
  }

  RecordOutline& outline_;
  const rj::StringStream& stream_;
  Verdict verdict_ = Verdict::kGoOn;
};

bool holds_control_character(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  return ((word - kOnes * 0x20) & ~word & (kOnes * 0x80)) != 0;
}

bool is_forbidden(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 && c != '\n' && c != '\r' && c != '\t';
}

// RapidJSON's vector code lets 0x1a to 0x1f pass inside strings where they happen to lie well.
// `json` is followed by ByteWindow::kPadding bytes, which are read but do not count.
std::size_t find_forbidden(std::string_view json) {
  for (std::size_t at = 0; at < json.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, json.data() + at, sizeof word);
    if (!holds_control_character(word)) continue;
    for (std::size_t i = at; i < std::min(at + 8, json.size()); ++i) {
      if (is_forbidden(json[i])) return i;
    }
  }
  return std::string_view::npos;
}

std::string_view without_key(std::string_view member) {
  return member.substr(skip_json_string(member, 0) + 1);
}

}  // namespace

class RecordWalk::Impl {
 public:
  explicit Impl(RecordLimits limits) : limits_(limits), outline_(limits.depth, limits.turns) {}

  RecordWalk::End walk(char* json, std::size_t size, bool last);
  std::optional<Error> objection() const;
  bool has_id() const;
  std::string id() const;
  std::uint64_t content_hash() const;
  Conversation build(std::string id) const;

  std::size_t length = 0;
  Error error;
  std::size_t error_offset = 0;

 private:
  using Slot = RecordOutline::Slot;
  using Name = RecordOutline::Name;

  rj::ParseResult parse(const char* json);
  RecordWalk::End complete();
  RecordWalk::End fail(std::string code, std::string message, std::size_t offset);
  RecordWalk::End fail_at_control(std::size_t offset);
  RecordWalk::End fail_to_parse(const rj::ParseResult& result, std::string_view json, bool last);

  static Name preferred(const RecordOutline::Turn& turn, Name first, Name second);
  const RecordOutline::TurnList& turns() const;
  std::string_view raw(const RecordOutline::Member& member) const {
    return record_.substr(member.begin, member.end - member.begin);
  }
  Turn build_turn(const RecordOutline::Turn& outline) const;
  ConversationShape shape() const;
  std::string build_extra() const;

  RecordLimits limits_;
  RecordOutline outline_;
  rj::Reader reader_;
  Verdict verdict_ = Verdict::kGoOn;
  std::string_view record_;
  bool complete_ = false;
};

rj::ParseResult RecordWalk::Impl::parse(const char* json) {
  outline_.clear();
  complete_ = false;
  rj::StringStream stream(json);
  Events events(outline_, stream);
  const rj::ParseResult result = reader_.Parse<kParseFlags>(stream, events);
  verdict_ = events.verdict();
  length = stream.Tell();
  record_ = std::string_view(json, length);
  return result;
}

RecordWalk::End RecordWalk::Impl::walk(char* json, std::size_t size, bool last) {
  for (;;) {
    const rj::ParseResult result = parse(json);
    if (!result.IsError()) return complete();
    if (verdict_ == Verdict::kTooDeep) {
      return fail("too_deep",
                  "the record is nested more than " + std::to_string(limits_.depth) + " deep",
                  result.Offset());
    }
    if (verdict_ == Verdict::kTooManyTurns) {
      return fail("too_many_turns",
                  "the record has more than " + std::to_string(limits_.turns) + " turns",
                  result.Offset());
    }
    if (!last && result.Offset() + kLongestEscape >= size) return RecordWalk::End::kIncomplete;
    if (result.Code() != rj::kParseErrorStringUnicodeSurrogateInvalid) {
      return fail_to_parse(result, {json, size}, last);
    }
    // Only what RapidJSON refuses is repaired, so that a record's hash does not depend on whether a
    // neighbour needed repair.
    const bool low =
        std::string_view("CDEFcdef").find(json[result.Offset() + 3]) != std::string_view::npos;
    repair_lone_surrogates(std::span(json, size).subspan(result.Offset()), low, last);
  }
}

RecordWalk::End RecordWalk::Impl::complete() {
  const std::size_t forbidden = find_forbidden(record_);
  complete_ = forbidden == std::string_view::npos;
  if (complete_) return RecordWalk::End::kComplete;
  return fail_at_control(forbidden);
}

RecordWalk::End RecordWalk::Impl::fail_at_control(std::size_t offset) {
  return fail("bad_json",
              "A line break or control character in a string, which must be written as an escape",
              offset);
}

RecordWalk::End RecordWalk::Impl::fail_to_parse(const rj::ParseResult& result,
                                                std::string_view json, bool last) {
  const std::size_t offset = result.Offset();
  const bool escape = result.Code() == rj::kParseErrorStringUnicodeEscapeInvalidHex ||
                      result.Code() == rj::kParseErrorStringEscapeInvalid;
  if (last && offset + (escape ? kLongestEscape / 2 : 0) >= json.size()) {
    return fail("truncated", "the file ends inside this record", json.size());
  }
  if (escape && json[offset] != '\\') return fail_at_control(offset);
  std::string message = rj::GetParseError_En(result.Code());
  if (message.ends_with('.')) message.pop_back();
  return fail("bad_json", std::move(message), offset);
}

RecordWalk::End RecordWalk::Impl::fail(std::string code, std::string message, std::size_t offset) {
  error = Error{std::move(code), std::move(message)};
  error_offset = offset;
  return RecordWalk::End::kFailed;
}

const RecordOutline::TurnList& RecordWalk::Impl::turns() const {
  const bool use_messages = outline_.conversations().kind != JsonKind::kArray &&
                            outline_.messages().kind == JsonKind::kArray;
  return use_messages ? outline_.messages() : outline_.conversations();
}

std::optional<Error> RecordWalk::Impl::objection() const {
  const RecordOutline::TurnList& list = turns();
  if (list.kind == JsonKind::kArray) {
    if (list.odd_kind == JsonKind::kAbsent) return std::nullopt;
    return Error{"bad_turn", "turn " + std::to_string(list.odd_index) + " is " +
                                 std::string(describe_kind(list.odd_kind)) +
                                 "; an object such as {\"from\": ..., \"value\": ...} or "
                                 "{\"role\": ..., \"content\": ...} is expected"};
  }
  std::string found;
  for (const RecordOutline::Member& member : outline_.members()) {
    const std::string_view text = raw(member);
    if (found.size() > 200) break;
    if (!found.empty()) found += ", ";
    found += valid_text(text.substr(0, skip_json_string(text, 0)));
  }
  std::string message = "the record has no list \"conversations\" or \"messages\"; ";
  if (list.kind != JsonKind::kAbsent) {
    message += "its \"conversations\" is " + std::string(describe_kind(list.kind));
  } else {
    message += found.empty() ? "it is empty" : "its members are " + found;
  }
  return Error{"no_turns", message};
}

bool RecordWalk::Impl::has_id() const {
  const Slot& slot = outline_.id();
  if (slot.kind == JsonKind::kAbsent || slot.kind == JsonKind::kNull) return false;
  return slot.kind != JsonKind::kString || slot.begin != slot.end;
}

std::string RecordWalk::Impl::id() const {
  const Slot& slot = outline_.id();
  if (slot.kind != JsonKind::kArray && slot.kind != JsonKind::kObject) {
    return valid_text(outline_.text(slot));
  }
  std::string text;
  if (!complete_) return text;
  for (const RecordOutline::Member& member : outline_.members()) {
    if (member.name == RecordOutline::kId) text = compact_json(without_key(raw(member)));
  }
  return text;
}

RecordOutline::Name RecordWalk::Impl::preferred(const RecordOutline::Turn& turn, Name first,
                                                Name second) {
  const JsonKind kind = turn.slots[first].kind;
  if (kind != JsonKind::kAbsent && kind != JsonKind::kNull) return first;
  return turn.slots[second].kind == JsonKind::kAbsent && kind == JsonKind::kNull ? first : second;
}

std::uint64_t RecordWalk::Impl::content_hash() const {
  std::uint64_t hash = 0;
  for (const RecordOutline::Turn& turn : turns().turns) {
    const Name label = preferred(turn, RecordOutline::kFrom, RecordOutline::kRole);
    const Name text = preferred(turn, RecordOutline::kValue, RecordOutline::kContent);
    hash = hash64(normalise_role(outline_.text(turn.slots[label])), hash);
    hash = hash64(outline_.text(turn.slots[text]), hash);
  }
  return hash;
}

Turn RecordWalk::Impl::build_turn(const RecordOutline::Turn& outline) const {
  const Name label = preferred(outline, RecordOutline::kFrom, RecordOutline::kRole);
  const Name text = preferred(outline, RecordOutline::kValue, RecordOutline::kContent);
  const bool is_string = outline.slots[text].kind == JsonKind::kString;
  Turn turn;
  turn.label = valid_text(outline_.text(outline.slots[label]));
  turn.role = normalise_role(turn.label);
  turn.text = valid_text(outline_.text(outline.slots[text]));
  turn.spoken = turn.text;
  for (std::uint32_t i = outline.first_member; i < outline.last_member; ++i) {
    const RecordOutline::Member& member = outline_.turn_members()[i];
    if (member.name == label) continue;
    if (member.name == text) {
      if (!is_string) turn.raw_value = compact_json(without_key(raw(member)));
      continue;
    }
    if (!turn.extra.empty()) turn.extra += ',';
    turn.extra += compact_json(raw(member));
  }
  return turn;
}

ConversationShape RecordWalk::Impl::shape() const {
  const bool messages = &turns() == &outline_.messages();
  bool roles = messages;
  for (const RecordOutline::Turn& turn : turns().turns) {
    const auto has = [&](Name name) { return turn.slots[name].kind != JsonKind::kAbsent; };
    const bool from = has(RecordOutline::kFrom) || has(RecordOutline::kValue);
    const bool role = has(RecordOutline::kRole) || has(RecordOutline::kContent);
    if (from == role) continue;
    roles = role;
    break;
  }
  if (messages) return roles ? ConversationShape::kOpenAi : ConversationShape::kOpenAiFrom;
  return roles ? ConversationShape::kShareGptRole : ConversationShape::kShareGpt;
}

std::string RecordWalk::Impl::build_extra() const {
  const Name used =
      &turns() == &outline_.messages() ? RecordOutline::kMessages : RecordOutline::kConversations;
  std::string extra;
  for (const RecordOutline::Member& member : outline_.members()) {
    if (member.name == RecordOutline::kId || member.name == used) continue;
    if (!extra.empty()) extra += ',';
    extra += compact_json(raw(member));
  }
  return extra;
}

Conversation RecordWalk::Impl::build(std::string id) const {
  Conversation conversation;
  conversation.id = std::move(id);
  conversation.id_given = has_id();
  conversation.id_number = outline_.id().kind == JsonKind::kNumber;
  conversation.shape = shape();
  conversation.turns.reserve(turns().turns.size());
  for (const RecordOutline::Turn& turn : turns().turns) {
    conversation.turns.push_back(build_turn(turn));
  }
  conversation.extra = build_extra();
  return conversation;
}

RecordWalk::RecordWalk(RecordLimits limits)
    : limits_(limits), impl_(std::make_unique<Impl>(limits)) {}
RecordWalk::RecordWalk(RecordWalk&&) noexcept = default;
RecordWalk::~RecordWalk() = default;

RecordWalk::End RecordWalk::walk(char* json, std::size_t size, bool last) {
  return impl_->walk(json, size, last);
}
std::size_t RecordWalk::length() const { return impl_->length; }
const Error& RecordWalk::error() const { return impl_->error; }
std::size_t RecordWalk::error_offset() const { return impl_->error_offset; }
std::optional<Error> RecordWalk::objection() const { return impl_->objection(); }
bool RecordWalk::has_id() const { return impl_->has_id(); }
std::string RecordWalk::id() const { return impl_->id(); }
std::uint64_t RecordWalk::content_hash() const { return impl_->content_hash(); }
Conversation RecordWalk::build(std::string id) const { return impl_->build(std::move(id)); }

void RecordWalk::shrink() {
  if (impl_->length < kLargeRecord) return;
  impl_ = std::make_unique<Impl>(limits_);
}

}  // namespace flowtts
