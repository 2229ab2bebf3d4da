#include "core/run/stage_stats.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace flowtts;

TEST_CASE("the oldest item that is being worked on is named, and none where all rest") {
  StageStats stats(3);
  CHECK_FALSE(stats.oldest());
  const std::string first = "first", second = "second";
  std::optional<StageStats::Working> older(std::in_place, stats, first);
  {
    const StageStats::Working newer(stats, second);
    CHECK(stats.oldest()->record_id == "first");
    older.reset();
    CHECK(stats.oldest()->record_id == "second");
  }
  CHECK_FALSE(stats.oldest());
}

TEST_CASE("a touch makes an item young again and loses nothing of the busy time") {
  StageStats stats(1);
  const std::string id = "touched";
  double before = 0;
  {
    const StageStats::Working working(stats, id);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(stats.busy_seconds() == 0);
    before = stats.oldest()->seconds;
    stats.touch();
    CHECK(stats.busy_seconds() >= before);
  }
  CHECK(stats.busy_seconds() >= before);
}

TEST_CASE("many threads work at a stage while others look at it") {
  constexpr int kThreads = 4;
  StageStats stats(kThreads);
  const std::string name = "a record whose name is too long to be copied without memory";
  std::atomic<bool> over{false}, misread{false};
  std::jthread looker([&] {
    while (!over) {
      const auto oldest = stats.oldest();
      if (oldest && oldest->record_id != name) misread = true;
      stats.touch();
    }
  });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2 * kThreads; ++i) {  // more than there are desks: some wait for one
    threads.emplace_back([&, i] {
      for (int item = 0; item < 2000; ++item) {
        const std::string id = name;
        StageStats::Working working(stats, id, Clock::now(), static_cast<std::size_t>(i));
        working.add_made(1);
      }
    });
  }
  threads.clear();
  over = true;
  looker.join();
  CHECK_FALSE(misread);
  CHECK(stats.made() == 2U * kThreads * 2000U);
  CHECK(stats.busy_seconds() > 0);
  CHECK_FALSE(stats.oldest());
}
