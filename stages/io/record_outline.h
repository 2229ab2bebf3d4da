#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

enum class JsonKind : std::uint8_t { kAbsent, kNull, kBool, kNumber, kString, kArray, kObject };

/// What a person calls a value of that kind: "a list", "null".
std::string_view describe_kind(JsonKind kind);

/// Where things are in one record: what the SAX walk leaves behind, in buffers used again for every
/// record. Fed by RecordWalk, one call an event; offsets count from the record's first byte.
///
/// The text of a turn is its `value` or `content`: a string as it is, a number or a boolean as JSON
/// writes it, nothing for null, and for a list of parts (or one part) the texts of its strings and
/// of its text parts, one below the other.
class RecordOutline {
 public:
  enum Name : std::uint8_t {
    kFrom,
    kValue,
    kRole,
    kContent,
    kTurnNames,
    kId = kTurnNames,
    kConversations,
    kMessages,
    kOther,
  };

  struct Slot {
    JsonKind kind = JsonKind::kAbsent;
    std::uint32_t begin = 0;  // Into texts().
    std::uint32_t end = 0;
  };

  struct Member {
    Name name = kOther;
    std::uint32_t begin = 0;  // Of its key's quote, in the record.
    std::uint32_t end = 0;    // Of its value, white space and a comma included.
  };

  struct Turn {
    std::array<Slot, kTurnNames> slots;
    std::uint32_t first_member = 0;
    std::uint32_t last_member = 0;
  };

  struct TurnList {
    JsonKind kind = JsonKind::kAbsent;
    std::vector<Turn> turns;
    std::uint32_t size = 0;  // How many entries it has, other than objects included.
    std::uint32_t odd_index = 0;
    JsonKind odd_kind = JsonKind::kAbsent;  // The first entry that is no object.
  };

  enum class Verdict : std::uint8_t { kGoOn, kTooDeep, kTooManyTurns };

  RecordOutline(std::uint32_t max_depth, std::uint32_t max_turns)
      : max_depth_(max_depth), max_turns_(max_turns) {}

  void clear();
  Verdict begin(JsonKind kind);
  void end(std::uint32_t position);
  void key(std::string_view name, std::uint32_t position);
  Verdict scalar(JsonKind kind, std::string_view text);

  std::string_view text(const Slot& slot) const {
    return std::string_view(texts_).substr(slot.begin, slot.end - slot.begin);
  }
  const Slot& id() const { return id_; }
  const TurnList& conversations() const { return conversations_; }
  const TurnList& messages() const { return messages_; }
  const std::vector<Member>& members() const { return members_; }
  const std::vector<Member>& turn_members() const { return turn_members_; }

 private:
  enum class Place : std::uint8_t { kRoot, kRecord, kTurns, kTurn, kParts, kPart, kSkipped };

  TurnList* list_of(Name name);
  Verdict begin_in_record(JsonKind kind);
  Verdict begin_in_turns(JsonKind kind);
  void begin_in_turn(JsonKind kind);
  void begin_part(Place back);
  void end_part();
  void skip();
  Slot& current_slot() { return list_->turns.back().slots[name_]; }
  void set(Slot& slot, JsonKind kind, std::string_view text);
  void append_part(std::string_view text);
  void note_odd_turn(JsonKind kind);
  Verdict count_turn();

  std::uint32_t max_depth_;
  std::uint32_t max_turns_;

  std::string texts_;
  Slot id_;
  TurnList conversations_;
  TurnList messages_;
  std::vector<Member> members_;
  std::vector<Member> turn_members_;

  Place place_ = Place::kRoot;
  Place after_skip_ = Place::kRoot;
  Place after_part_ = Place::kRoot;
  Name name_ = kOther;        // The latest key of the record or the turn.
  TurnList* list_ = nullptr;  // The one that is being read.
  std::uint32_t depth_ = 0;
  std::uint32_t skip_depth_ = 0;

  bool part_text_key_ = false;  // The part's latest key is "text".
  bool part_type_key_ = false;
  bool part_is_text_ = true;
  std::size_t part_begin_ = 0;
};

}  // namespace flowtts
