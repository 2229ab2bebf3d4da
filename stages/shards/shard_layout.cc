#include "stages/shards/shard_layout.h"

#include <algorithm>
#include <tuple>

namespace flowtts {

ShardLayout::ShardLayout(ShardLimits limits, std::vector<ShardSpan> done,
                         const std::map<std::uint32_t, std::uint64_t>& sizes)
    : limits_(limits) {
  std::sort(done.begin(), done.end(), [](const ShardSpan& a, const ShardSpan& b) {
    return std::tie(a.shard, a.begin) < std::tie(b.shard, b.begin);
  });
  shards_.resize(done.empty() ? 1 : done.back().shard + 1);
  const ShardSpan* last = nullptr;
  for (const ShardSpan& span : done) {
    add_gap(last, &span, sizes);
    Shard& shard = shards_[span.shard];
    shard.bytes = std::max(shard.bytes, span.end);
    shard.samples += span.samples;
    last = &span;
  }
}

void ShardLayout::add_gap(const ShardSpan* from, const ShardSpan* to,
                          const std::map<std::uint32_t, std::uint64_t>& sizes) {
  Gap gap;
  if (from) gap.after = from->record;
  gap.before = to->record;
  for (std::uint32_t shard = from ? from->shard : 0; shard <= to->shard; ++shard) {
    const auto size = sizes.find(shard);
    gap.shard = shard;
    gap.begin = from && from->shard == shard ? from->end : 0;
    gap.end = shard == to->shard ? to->begin : size == sizes.end() ? 0 : size->second;
    if (gap.begin >= gap.end) continue;
    gaps_.push_back(gap);
    shards_[shard].bytes = std::max(shards_[shard].bytes, gap.end);
  }
}

ShardSpan ShardLayout::place(std::uint64_t record, std::uint64_t bytes, std::uint64_t samples) {
  for (Gap& gap : gaps_) {
    const bool between = (!gap.after || *gap.after < record) && record < *gap.before;
    if (!between || gap.end - gap.begin < bytes) continue;
    const ShardSpan span{record, gap.shard, gap.begin, gap.begin + bytes, samples};
    gap.begin += bytes;
    Shard& shard = shards_[gap.shard];
    shard.bytes = std::max(shard.bytes, span.end);
    shard.samples += samples;
    return span;
  }
  const Shard& open = shards_.back();
  const bool full = open.samples >= limits_.samples || open.bytes + bytes > limits_.bytes;
  if (full && open.bytes > 0) shards_.emplace_back();
  Shard& shard = shards_.back();
  const ShardSpan span{record, static_cast<std::uint32_t>(shards_.size() - 1), shard.bytes,
                       shard.bytes + bytes, samples};
  shard.bytes = span.end;
  shard.samples += samples;
  return span;
}

std::vector<ShardLayout::Gap> ShardLayout::gaps() const {
  std::vector<Gap> left;
  for (const Gap& gap : gaps_) {
    if (gap.begin < gap.end) left.push_back(gap);
  }
  return left;
}

}  // namespace flowtts
