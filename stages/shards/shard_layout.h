#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace flowtts {

/// What a record takes of a shard.
struct ShardSpan {
  std::uint64_t record = 0;  ///< Its index in the input.
  std::uint32_t shard = 0;   ///< The shard's number.
  std::uint64_t begin = 0;   ///< Bytes.
  std::uint64_t end = 0;
  std::uint64_t samples = 0;  ///< Pieces of audio.
  bool operator==(const ShardSpan&) const = default;
};

/// When a new shard is begun. The samples of a record stay together, so that one may be exceeded by
/// a record alone.
struct ShardLimits {
  std::uint64_t bytes = std::uint64_t{1} << 30U;
  std::uint64_t samples = 10'000;
};

/// Which record stands where in a sequence of shards. Records come in the order of the input, and
/// each goes behind the one before: the same records always give the same shards.
///
/// A run that goes on begins with the spans of what is done. Those leave gaps where records are to
/// be done again; a record that falls between the two that enclose a gap goes there where it fits,
/// and so is again what it was. What does not fit goes to the end.
///
/// No files, no threads.
class ShardLayout {
 public:
  /// \param done  in any order.
  /// \param sizes of the shards that there are, bytes without their end blocks; shards that are
  ///              missing there count as empty.
  ShardLayout(ShardLimits limits, std::vector<ShardSpan> done,
              const std::map<std::uint32_t, std::uint64_t>& sizes);

  /// Where a record of that many bytes and samples goes; records in the order of the input.
  ShardSpan place(std::uint64_t record, std::uint64_t bytes, std::uint64_t samples);

  /// Parts of shards that belong to nobody.
  struct Gap {
    std::uint32_t shard = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::optional<std::uint64_t> after;   ///< The record before it in the sequence.
    std::optional<std::uint64_t> before;  ///< The record behind it.
  };
  /// Those that are left, as far as they are left.
  std::vector<Gap> gaps() const;

  struct Shard {
    std::uint64_t bytes = 0;  ///< To the end of the last record.
    std::uint64_t samples = 0;
  };
  /// All shards, by their numbers; the last one is that to which records are added.
  const std::vector<Shard>& shards() const { return shards_; }

 private:
  void add_gap(const ShardSpan* from, const ShardSpan* to,
               const std::map<std::uint32_t, std::uint64_t>& sizes);

  const ShardLimits limits_;
  std::vector<Gap> gaps_;
  std::vector<Shard> shards_;
};

}  // namespace flowtts
