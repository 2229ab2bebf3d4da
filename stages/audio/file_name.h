#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/item.h>
#include <flowtts/result.h>

namespace flowtts {

/// A record's id as a part of a file name: the id itself where that is harmless and was not met
/// before in the input, "000000033471".
///
/// Harmless are letters and digits of any script in Unicode's composed form (NFC), and `_ - . + =`,
/// up to 96 bytes, without a dot or dash in front and without Windows' reserved names. In any
/// other id, what is not harmless becomes `_` (and what is too long is cut), and `~` with 16
/// hexadecimal digits of the id's folded hash follows. A record whose id was met before gets `~`
/// and its occurrence.
///
/// Different records of one input have different parts, on file systems without letter case as
/// well: an id in a part has no `~`; equal folded hashes mean different occurrences; different ones
/// stand in the part themselves or belong to ids that still differ when folded. The part depends on
/// the record alone, not on the order in which records are worked on. At most 109 bytes.
std::string safe_id(const RecordKey& record);

/// Makes the names of audio files, without their extension: `sft_{id}_{turn}_{sentence}`.
///
/// `{id}` is safe_id; `{index}` the record's place in the input; `{turn}` and `{sentence}` count
/// from 0; `{speaker}` is the speaker's letters and digits; `{part}` the item's child numbers
/// joined by 'x' ("0" where there are none). A template names a record by `{id}` or `{index}`, has
/// each placeholder once and one of `_ - . + =` between two of them: then its names are different
/// for different (record, turn, sentence), because from both ends up to `{id}` each number ends
/// where that character stands. Immutable; any thread.
class FileNameTemplate {
 public:
  struct Names {
    const RecordKey& record;
    const std::vector<std::uint32_t>& path;
    bool spoken = false;  ///< Whether there are a turn and a sentence.
    std::uint32_t turn = 0;
    std::uint32_t sentence = 0;
    std::string_view speaker;
  };

  /// Error "bad_template": what is wrong, what is allowed, what was probably meant.
  static Result<FileNameTemplate> parse(std::string_view text);

  /// Error "ambiguous_name": other items of the record have the same name by this template, or the
  /// item has not what a placeholder asks for.
  Result<std::string> name(const Names& names) const;

 private:
  enum class Field { kLiteral, kId, kIndex, kTurn, kSentence, kSpeaker, kPart };
  struct Piece {
    Field field = Field::kLiteral;
    std::string literal;
  };

  static std::string what_is_wrong(const std::vector<Piece>& pieces);
  bool has(Field field) const;

  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace flowtts
