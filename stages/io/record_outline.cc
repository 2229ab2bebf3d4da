#include "stages/io/record_outline.h"

namespace flowtts {
namespace {

using Name = RecordOutline::Name;

Name record_name(std::string_view key) {
  if (key == "id") return RecordOutline::kId;
  if (key == "conversations") return RecordOutline::kConversations;
  if (key == "messages") return RecordOutline::kMessages;
  return RecordOutline::kOther;
}

Name turn_name(std::string_view key) {
  if (key == "from") return RecordOutline::kFrom;
  if (key == "value") return RecordOutline::kValue;
  if (key == "role") return RecordOutline::kRole;
  if (key == "content") return RecordOutline::kContent;
  return RecordOutline::kOther;
}

bool holds_text(Name name) {
  return name == RecordOutline::kValue || name == RecordOutline::kContent;
}

void close_member(std::vector<RecordOutline::Member>& members, std::size_t first,
                  std::uint32_t position) {
  if (members.size() > first) members.back().end = position;
}

}  // namespace

std::string_view describe_kind(JsonKind kind) {
  switch (kind) {
    case JsonKind::kAbsent:
      return "nothing";
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "true or false";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "a list";
    case JsonKind::kObject:
      return "an object";
  }
  return "";
}

void RecordOutline::clear() {
  texts_.clear();
  id_ = {};
  for (TurnList* list : {&conversations_, &messages_}) {
    list->kind = list->odd_kind = JsonKind::kAbsent;
    list->turns.clear();
    list->size = 0;
  }
  members_.clear();
  turn_members_.clear();
  place_ = Place::kRoot;
  name_ = kOther;
  depth_ = 0;
}

RecordOutline::TurnList* RecordOutline::list_of(Name name) {
  if (name == kConversations) return &conversations_;
  return name == kMessages ? &messages_ : nullptr;
}

void RecordOutline::skip() {
  after_skip_ = place_;
  skip_depth_ = depth_;
  place_ = Place::kSkipped;
}

RecordOutline::Verdict RecordOutline::begin(JsonKind kind) {
  Verdict verdict = Verdict::kGoOn;
  switch (place_) {
    case Place::kRoot:
      place_ = Place::kRecord;
      break;
    case Place::kRecord:
      verdict = begin_in_record(kind);
      break;
    case Place::kTurns:
      verdict = begin_in_turns(kind);
      break;
    case Place::kTurn:
      begin_in_turn(kind);
      break;
    case Place::kParts:
      if (kind == JsonKind::kObject) {
        begin_part(Place::kParts);
      } else {
        skip();
      }
      break;
    case Place::kPart:
      skip();
      break;
    case Place::kSkipped:
      break;
  }
  if (++depth_ > max_depth_) return Verdict::kTooDeep;
  return verdict;
}

RecordOutline::Verdict RecordOutline::begin_in_record(JsonKind kind) {
  if (name_ == kId) id_ = {kind, 0, 0};
  TurnList* list = list_of(name_);
  if (list != nullptr) {
    list->kind = kind;
    list->odd_kind = JsonKind::kAbsent;
    list->turns.clear();
    list->size = 0;
  }
  if (list != nullptr && kind == JsonKind::kArray) {
    list_ = list;
    place_ = Place::kTurns;
  } else {
    skip();
  }
  return Verdict::kGoOn;
}

RecordOutline::Verdict RecordOutline::count_turn() {
  return ++list_->size > max_turns_ ? Verdict::kTooManyTurns : Verdict::kGoOn;
}

void RecordOutline::note_odd_turn(JsonKind kind) {
  if (list_->odd_kind != JsonKind::kAbsent) return;
  list_->odd_kind = kind;
  list_->odd_index = list_->size;
}

RecordOutline::Verdict RecordOutline::begin_in_turns(JsonKind kind) {
  if (kind == JsonKind::kObject) {
    Turn& turn = list_->turns.emplace_back();
    turn.first_member = static_cast<std::uint32_t>(turn_members_.size());
    place_ = Place::kTurn;
  } else {
    note_odd_turn(kind);
    skip();
  }
  return count_turn();
}

void RecordOutline::begin_in_turn(JsonKind kind) {
  if (name_ != kOther) {
    const auto at = static_cast<std::uint32_t>(texts_.size());
    current_slot() = {kind, at, at};
  }
  if (!holds_text(name_)) return skip();
  if (kind == JsonKind::kObject) return begin_part(Place::kTurn);
  place_ = Place::kParts;
}

void RecordOutline::begin_part(Place back) {
  after_part_ = back;
  part_is_text_ = true;
  part_text_key_ = part_type_key_ = false;
  part_begin_ = texts_.size();
  place_ = Place::kPart;
}

void RecordOutline::end_part() {
  if (!part_is_text_) texts_.resize(part_begin_);
  place_ = after_part_;
  if (place_ == Place::kTurn) current_slot().end = static_cast<std::uint32_t>(texts_.size());
}

void RecordOutline::end(std::uint32_t position) {
  --depth_;
  switch (place_) {
    case Place::kSkipped:
      if (depth_ == skip_depth_) place_ = after_skip_;
      break;
    case Place::kPart:
      end_part();
      break;
    case Place::kParts:
      current_slot().end = static_cast<std::uint32_t>(texts_.size());
      place_ = Place::kTurn;
      break;
    case Place::kTurn: {
      Turn& turn = list_->turns.back();
      close_member(turn_members_, turn.first_member, position);
      turn.last_member = static_cast<std::uint32_t>(turn_members_.size());
      place_ = Place::kTurns;
      break;
    }
    case Place::kTurns:
      place_ = Place::kRecord;
      break;
    case Place::kRecord:
    case Place::kRoot:
      close_member(members_, 0, position);
      place_ = Place::kRoot;
      break;
  }
}

void RecordOutline::key(std::string_view name, std::uint32_t position) {
  switch (place_) {
    case Place::kRecord:
      name_ = record_name(name);
      close_member(members_, 0, position);
      members_.push_back({name_, position, position});
      break;
    case Place::kTurn:
      name_ = turn_name(name);
      close_member(turn_members_, list_->turns.back().first_member, position);
      turn_members_.push_back({name_, position, position});
      break;
    case Place::kPart:
      part_text_key_ = name == "text";
      part_type_key_ = name == "type";
      break;
    default:
      break;
  }
}

void RecordOutline::set(Slot& slot, JsonKind kind, std::string_view text) {
  slot.kind = kind;
  slot.begin = static_cast<std::uint32_t>(texts_.size());
  if (kind != JsonKind::kNull) texts_.append(text);
  slot.end = static_cast<std::uint32_t>(texts_.size());
}

void RecordOutline::append_part(std::string_view text) {
  if (texts_.size() > current_slot().begin) texts_ += '\n';
  texts_.append(text);
}

RecordOutline::Verdict RecordOutline::scalar(JsonKind kind, std::string_view text) {
  switch (place_) {
    case Place::kRecord:
      if (name_ == kId) set(id_, kind, text);
      if (TurnList* list = list_of(name_)) list->kind = kind;
      break;
    case Place::kTurns:
      note_odd_turn(kind);
      return count_turn();
    case Place::kTurn:
      if (name_ != kOther) set(current_slot(), kind, text);
      break;
    case Place::kParts:
      if (kind == JsonKind::kString) append_part(text);
      break;
    case Place::kPart:
      if (kind != JsonKind::kString) break;
      if (part_text_key_) append_part(text);
      if (part_type_key_) part_is_text_ = text.ends_with("text");
      break;
    default:
      break;
  }
  return Verdict::kGoOn;
}

}  // namespace flowtts
