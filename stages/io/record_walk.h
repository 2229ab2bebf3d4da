#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

namespace flowtts {

/// What a record may have at most.
struct RecordLimits {
  std::uint32_t depth = 64;      ///< Of nested arrays and objects, the record itself included.
  std::uint32_t turns = 10'000;  ///< Of one conversation.
};

/// Walks over one JSON object and notes, in buffers that it uses again for every record, where its
/// id, its turns' roles and texts and its other members are; builds objects only when asked to.
///
/// One thread. `build`, `id` and the like speak of the latest walk that ended as kComplete and are
/// valid as long as the bytes that it walked over. The memory kept is that of the largest record
/// since the last `shrink`.
class RecordWalk {
 public:
  enum class End {
    kComplete,    ///< A whole object was read.
    kIncomplete,  ///< The bytes end inside the object, and there are more to come.
    kFailed,      ///< See `error`.
  };

  explicit RecordWalk(RecordLimits limits);
  RecordWalk(RecordWalk&& other) noexcept;
  ~RecordWalk();

  /// Walks over the object whose `{` is at `json`. The bytes are followed by ByteWindow::kPadding
  /// NUL bytes. Lone surrogate escapes among them are overwritten by `\ufffd`. `last` says that
  /// the file ends with these bytes.
  End walk(char* json, std::size_t size, bool last);

  /// kComplete: how long the object is.
  std::size_t length() const;
  /// kFailed: what is wrong with it ("bad_json", "truncated", "too_deep", "too_many_turns").
  const Error& error() const;
  /// kFailed: the byte of the object where that was found.
  std::size_t error_offset() const;

  /// kComplete: why the object is no conversation, if it is not ("no_turns", "bad_turn").
  std::optional<Error> objection() const;
  /// Whether the record has an id other than null and "". After a failed walk: as far as it came.
  bool has_id() const;
  /// The id as text: decoded where it was a string, otherwise as JSON. After a failed walk a list
  /// or an object gives "".
  std::string id() const;
  /// XXH3-64 over the normalised roles and decoded texts, in order.
  std::uint64_t content_hash() const;
  Conversation build(std::string id) const;

  /// Gives back the memory that a very large record took.
  void shrink();

 private:
  class Impl;
  RecordLimits limits_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
