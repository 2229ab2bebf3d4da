#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <flowtts/result.h>

#include "stages/shards/shard_layout.h"

namespace flowtts {

/// The files of a sequence of shards: tar archives "shard-000000.tar" in a folder of their own,
/// and index.json, which lists them as WebDataset's `wids` reads it.
///
/// `write` and `finish` come from one thread, `sync` from another at the same time.
class ShardFiles {
 public:
  /// \param root   the output folder; \param folder below it, exists.
  ShardFiles(std::filesystem::path root, std::string folder)
      : root_(std::move(root)), folder_(std::move(folder)) {}
  ~ShardFiles();
  ShardFiles(const ShardFiles&) = delete;
  ShardFiles& operator=(const ShardFiles&) = delete;

  /// "shards/shard-000003.tar": relative to the output folder.
  std::string path_of(std::uint32_t shard) const;

  /// The sizes of the shards that there are, bytes without their end blocks.
  std::map<std::uint32_t, std::uint64_t> sizes() const;

  /// Cuts the last shard off behind what is done, and removes those behind it.
  std::optional<Error> cut(const ShardLayout& layout);

  /// Writes a record's bytes to its place, with one call where the system does it in one. A shard
  /// that is behind the last one begun is begun, and the one before it closed.
  std::optional<Error> write(const ShardSpan& span, std::string_view bytes);

  /// What has been written lasts through a power cut once this returns.
  std::optional<Error> sync();

  /// Closes all: fills the gaps that are left, ends the last shard, writes the index, and makes it
  /// all last.
  std::optional<Error> finish(const ShardLayout& layout);

 private:
  std::optional<Error> open(std::uint32_t shard);
  std::optional<Error> write_at(std::uint32_t shard, std::uint64_t offset, std::string_view bytes);
  std::optional<Error> end_shard(std::uint32_t shard, std::uint64_t bytes);
  void close();

  const std::filesystem::path root_;
  const std::string folder_;
  int descriptor_ = -1;       ///< Of the shard that was written to last.
  std::uint32_t opened_ = 0;  ///< Its number.
  std::uint32_t last_ = 0;    ///< The highest number that was begun.
  std::uint64_t last_bytes_ = 0;
  std::mutex mutex_;
  std::set<std::filesystem::path> unsynced_;
};

/// index.json of these shards, in the form of WebDataset's `wids`: their names, how many samples
/// each has, and its size.
std::string shard_index_json(const ShardLayout& layout);

/// "shard-000003.tar"
std::string shard_name(std::uint32_t shard);
/// The number in such a name.
std::optional<std::uint32_t> shard_number(std::string_view name);

}  // namespace flowtts
