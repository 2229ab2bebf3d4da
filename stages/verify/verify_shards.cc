#include "stages/verify/verify_shards.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <system_error>
#include <tuple>

#include <fmt/format.h>

#include "stages/io/hash.h"
#include "stages/shards/tar_format.h"
#include "stages/verify/file_piece.h"

namespace flowtts {
namespace {

/// Goes over one shard from its first byte to its last.
class ShardWalk {
 public:
  ShardWalk(const std::filesystem::path& folder, std::string shard, std::vector<ShardFault>& faults)
      : file_(folder / shard), shard_(std::move(shard)), faults_(faults) {}

  void pass(const ClaimedSpan& span) {
    pass_gap(span.offset);
    const auto content = read_piece(file_, span.offset, span.bytes);
    if (!content.ok()) {
      fault(span.record, fmt::format("{}: {} {}", span.who, shard_, content.error().message));
    } else if (content->size() != span.bytes) {
      fault(span.record, fmt::format("{}: {} ends at byte {}, expected {} more", span.who, shard_,
                                     span.offset + content->size(), span.bytes - content->size()));
    } else {
      const std::string checksum = fmt::format("{:016x}", hash64(*content));
      if (checksum != span.checksum) {
        fault(span.record,
              fmt::format("{}: bytes {} to {} of {} have the checksum {}, expected {}", span.who,
                          span.offset, span.offset + span.bytes, shard_, checksum, span.checksum));
      }
    }
    at_ = span.offset + span.bytes;
  }

  void end() {
    std::error_code unknown;
    const std::uint64_t size = std::filesystem::file_size(file_, unknown);
    if (unknown) return;  // told for its records
    if (size > at_ + kTarEnd) pass_gap(size - kTarEnd);
    const auto end = read_piece(file_, at_, kTarEnd);
    if (end.ok() && *end == std::string(kTarEnd, '\0') && size == at_ + kTarEnd) return;
    fault(std::nullopt, fmt::format("{} is not ended as a tar file at byte {}", shard_, at_));
  }

 private:
  /// Members that stand for nothing, up to `until`.
  void pass_gap(std::uint64_t until) {
    while (at_ < until) {
      const auto block = read_piece(file_, at_, kTarBlock);
      const auto bytes = block.ok() ? tar_filler_bytes(*block) : std::nullopt;
      if (!bytes || at_ + *bytes > until) {
        fault(std::nullopt,
              fmt::format("bytes {} to {} of {} belong to no record", at_, until, shard_));
        at_ = until;
      } else {
        at_ += *bytes;
      }
    }
  }
  void fault(std::optional<std::uint64_t> record, std::string text) {
    faults_.push_back({record, std::move(text)});
  }

  const std::filesystem::path file_;
  const std::string shard_;
  std::vector<ShardFault>& faults_;
  std::uint64_t at_ = 0;
};

}  // namespace

std::vector<ShardFault> wrong_in_shards(const std::filesystem::path& folder,
                                        std::vector<ClaimedSpan> spans, bool complete) {
  std::sort(spans.begin(), spans.end(), [](const ClaimedSpan& a, const ClaimedSpan& b) {
    return std::tie(a.shard, a.offset) < std::tie(b.shard, b.offset);
  });
  std::vector<ShardFault> faults;
  for (std::size_t i = 0; i < spans.size();) {
    const std::string shard = spans[i].shard;
    const bool below = is_below(shard);
    ShardWalk walk(folder, shard, faults);
    for (; i < spans.size() && spans[i].shard == shard; ++i) {
      if (below) {
        walk.pass(spans[i]);
      } else {
        faults.push_back(
            {spans[i].record,
             fmt::format("{}: '{}' is no path below the output folder", spans[i].who, shard)});
      }
    }
    if (below && complete) walk.end();
  }
  return faults;
}

}  // namespace flowtts
