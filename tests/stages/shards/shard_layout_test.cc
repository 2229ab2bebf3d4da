#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "stages/shards/shard_layout.h"

using namespace flowtts;

namespace {

constexpr ShardLimits kLimits{1000, 5};

struct Entry {
  std::uint64_t record;
  std::uint64_t bytes;
  std::uint64_t samples;
};

std::vector<ShardSpan> place_all(ShardLayout& layout, const std::vector<Entry>& entries) {
  std::vector<ShardSpan> spans;
  for (const Entry& entry : entries) {
    spans.push_back(layout.place(entry.record, entry.bytes, entry.samples));
  }
  return spans;
}

std::map<std::uint32_t, std::uint64_t> sizes_of(const ShardLayout& layout) {
  std::map<std::uint32_t, std::uint64_t> sizes;
  for (std::size_t i = 0; i < layout.shards().size(); ++i) {
    sizes[static_cast<std::uint32_t>(i)] = layout.shards()[i].bytes;
  }
  return sizes;
}

std::vector<Entry> some_entries(std::mt19937& random, std::size_t count) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back({3 * i + 1, 10 + random() % 400, 1 + random() % 3});
  }
  return entries;
}

}  // namespace

TEST_CASE("a shard is full by its bytes or its samples, and a large record stands alone") {
  ShardLayout layout(kLimits, {}, {});
  const auto spans = place_all(
      layout,
      {{0, 400, 1}, {1, 600, 1}, {2, 10, 4}, {3, 10, 1}, {4, 10, 1}, {5, 5000, 1}, {6, 1, 1}});
  const std::vector<std::uint32_t> shards{0, 0, 1, 1, 2, 3, 4};
  for (std::size_t i = 0; i < spans.size(); ++i) CHECK(spans[i].shard == shards[i]);
  CHECK(layout.shards()[0].bytes == 1000);
  CHECK(layout.shards()[1].samples == 5);
  CHECK(layout.shards()[3].bytes == 5000);
  CHECK(layout.gaps().empty());
}

TEST_CASE("whatever of a sequence is done, the rest goes where it was") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const std::vector<Entry> entries = some_entries(random, 1 + random() % 60);
    ShardLayout whole(kLimits, {}, {});
    const auto spans = place_all(whole, entries);

    std::vector<ShardSpan> done;
    std::vector<Entry> left;
    const auto share = random() % 10;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (random() % 10 < share) {
        done.push_back(spans[i]);
      } else {
        left.push_back(entries[i]);
      }
    }
    std::shuffle(done.begin(), done.end(), random);
    ShardLayout again(kLimits, done, sizes_of(whole));
    std::vector<ShardSpan> made = place_all(again, left);
    made.insert(made.end(), done.begin(), done.end());
    std::sort(made.begin(), made.end(),
              [](const ShardSpan& a, const ShardSpan& b) { return a.record < b.record; });
    REQUIRE(made == spans);
    REQUIRE(again.gaps().empty());
    REQUIRE(sizes_of(again) == sizes_of(whole));
  }
}

TEST_CASE("what does not fit into its gap goes to the end, and the gap is left") {
  ShardLayout whole(kLimits, {}, {});
  auto spans = place_all(whole, {{0, 300, 1}, {1, 300, 1}, {2, 300, 1}});
  spans.erase(spans.begin() + 1);
  ShardLayout again(kLimits, spans, sizes_of(whole));
  CHECK(again.place(1, 301, 1) == ShardSpan{1, 1, 0, 301, 1});
  const auto gaps = again.gaps();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].shard == 0);
  CHECK(gaps[0].begin == 300);
  CHECK(gaps[0].end == 600);
}

TEST_CASE("no two records ever share a byte, whatever they have become meanwhile") {
  std::mt19937 random(11);
  for (int trial = 0; trial < 200; ++trial) {
    CAPTURE(trial);
    const std::vector<Entry> entries = some_entries(random, 40);
    ShardLayout whole(kLimits, {}, {});
    std::vector<ShardSpan> all;
    std::vector<Entry> left;
    for (const ShardSpan& span : place_all(whole, entries)) {
      if (random() % 2 == 0) all.push_back(span);
    }
    ShardLayout again(kLimits, all, sizes_of(whole));
    for (const Entry& entry : entries) {
      const auto is_done = [&](const ShardSpan& span) { return span.record == entry.record; };
      if (std::any_of(all.begin(), all.end(), is_done)) continue;
      all.push_back(again.place(entry.record, 1 + random() % 700, 1));
    }
    std::sort(all.begin(), all.end(), [](const ShardSpan& a, const ShardSpan& b) {
      return std::pair(a.shard, a.begin) < std::pair(b.shard, b.begin);
    });
    for (std::size_t i = 1; i < all.size(); ++i) {
      REQUIRE((all[i - 1].shard < all[i].shard || all[i - 1].end <= all[i].begin));
    }
  }
}
