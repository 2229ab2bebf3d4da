#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <flowtts/result.h>

#include "stages/io/background_writes.h"
#include "stages/shards/shard_layout.h"
#include "stages/shards/shard_record.h"

namespace flowtts {

/// The files of a sequence of shards: tar archives "shard-000000.tar" in a folder of their own,
/// and index.json, which lists them as WebDataset's `wids` reads it.
///
/// Records are written by threads of this object's own (BackgroundWrites), several at a time: their
/// places are known before, and a single thread writes less than a GPU speaks. `sync` and `finish`
/// wait for them, and return what went wrong there.
///
/// `write` and `finish` come from one thread, `sync` from another at the same time.
class ShardFiles {
 public:
  /// Threads that write, and bytes that may wait for them.
  static constexpr std::size_t kThreads = 4;
  static constexpr std::uint64_t kMostWaiting = std::uint64_t{64} << 20U;

  /// \param root   the output folder; \param folder below it, exists.
  ShardFiles(std::filesystem::path root, std::string folder)
      : root_(std::move(root)), folder_(std::move(folder)), writes_(kThreads, kMostWaiting) {}
  ShardFiles(const ShardFiles&) = delete;
  ShardFiles& operator=(const ShardFiles&) = delete;

  /// "shards/shard-000003.tar": relative to the output folder.
  std::string path_of(std::uint32_t shard) const;

  /// The sizes of the shards that there are, bytes without their end blocks.
  std::map<std::uint32_t, std::uint64_t> sizes() const;

  /// Cuts the last shard off behind what is done, and removes those behind it.
  std::optional<Error> cut(const ShardLayout& layout);

  /// Has a record's bytes written to its place soon. A shard that is behind the last one begun is
  /// begun, and the one before it ended.
  /// \return what has failed so far, of this record or one before.
  std::optional<Error> write(const ShardSpan& span, std::shared_ptr<const ShardRecord> record);

  /// What was handed to `write` before is written, and lasts through a power cut, once this
  /// returns.
  std::optional<Error> sync();

  /// Closes all: fills the gaps that are left, ends the last shard, writes the index, and makes it
  /// all last.
  std::optional<Error> finish(const ShardLayout& layout);

 private:
  /// A shard that is open for writing.
  class Open;

  Result<std::shared_ptr<const Open>> open(std::uint32_t shard);
  std::optional<Error> write_now(std::uint32_t shard, std::uint64_t offset, std::string_view bytes);
  std::optional<Error> end_shard(std::uint32_t shard, std::uint64_t bytes);

  const std::filesystem::path root_;
  const std::string folder_;
  std::shared_ptr<const Open> open_;  ///< The shard that was written to last; may be null.
  std::uint32_t opened_ = 0;          ///< Its number.
  std::uint32_t last_ = 0;            ///< The highest number that was begun.
  std::uint64_t last_bytes_ = 0;
  std::mutex mutex_;
  std::set<std::filesystem::path> unsynced_;
  BackgroundWrites writes_;  ///< Last: what it still has to write needs the rest.
};

/// index.json of these shards, in the form of WebDataset's `wids`: their names, how many samples
/// each has, and its size.
std::string shard_index_json(const ShardLayout& layout);

/// "shard-000003.tar"
std::string shard_name(std::uint32_t shard);
/// The number in such a name.
std::optional<std::uint32_t> shard_number(std::string_view name);

}  // namespace flowtts
