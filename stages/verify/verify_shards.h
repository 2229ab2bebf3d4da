#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace flowtts {

/// What a manifest says that a record takes of a shard.
struct ClaimedSpan {
  std::uint64_t record = 0;
  std::string who;    ///< The record, for a person to read.
  std::string shard;  ///< Relative to the output folder.
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string checksum;
};

struct ShardFault {
  std::optional<std::uint64_t> record;
  std::string text;
};

/// Holds shards against what a manifest says of them: every byte of a shard belongs to a record, to
/// a member that stands for nothing, or to the end of the archive. \param complete whether the run
/// has come to its end: until then shards need not be ended.
std::vector<ShardFault> wrong_in_shards(const std::filesystem::path& folder,
                                        std::vector<ClaimedSpan> spans, bool complete);

}  // namespace flowtts
