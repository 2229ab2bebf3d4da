#include "core/graph/credits.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace flowtts;

namespace {

/// Acquires on a thread of its own, as the reader does.
class Reader {
 public:
  Reader(Credits& credits, std::uint64_t bytes)
      : thread_([this, &credits, bytes](const std::stop_token& stop) {
          bytes_ = credits.acquire(bytes, stop, granted_);
          done_ = true;
        }) {}

  bool waits() const {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return !done_;
  }
  /// What it was given; nothing where it was stopped.
  std::optional<std::uint64_t> join() {
    if (thread_.joinable()) thread_.join();
    return granted_ ? std::optional(bytes_) : std::nullopt;
  }
  void stop() { thread_.request_stop(); }

 private:
  std::uint64_t bytes_ = 0;
  bool granted_ = false;
  std::atomic<bool> done_{false};
  std::jthread thread_;
};

}  // namespace

TEST_CASE("no more records and bytes are out than there are, while many threads give them back") {
  constexpr int kRecords = 5;
  constexpr std::uint64_t kBytes = 1000;
  Credits credits(kRecords, kBytes);
  std::mutex mutex;
  std::deque<std::uint64_t> out;
  std::atomic<bool> over{false};

  std::vector<std::jthread> givers;
  for (int i = 0; i < 4; ++i) {
    givers.emplace_back([&] {
      while (true) {
        std::optional<std::uint64_t> bytes;
        bool last = false;
        {
          const std::lock_guard lock(mutex);
          last = over;
          if (!out.empty()) {
            bytes = out.front();
            out.pop_front();
          }
        }
        if (bytes) {
          credits.release_bytes(*bytes / 3);
          credits.release_bytes(*bytes - *bytes / 3);
          credits.release_record();
        } else if (last) {
          return;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  std::mt19937 random(7);
  const std::stop_token never;
  for (int i = 0; i < 20'000; ++i) {
    bool granted = false;
    const std::uint64_t bytes = credits.acquire(random() % 1500, never, granted);
    REQUIRE(granted);
    const Credits::Use use = credits.use();
    if (use.records > kRecords || use.bytes > kBytes) FAIL("too much is out");
    const std::lock_guard lock(mutex);
    out.push_back(bytes);
  }
  {
    const std::lock_guard lock(mutex);
    over = true;
  }
  givers.clear();
  const Credits::Use use = credits.use();
  CHECK(use.records == 0);
  CHECK(use.bytes == 0);
  CHECK(use.most_records <= kRecords);
  CHECK(use.most_bytes <= kBytes);
  CHECK(use.most_bytes > kBytes / 2);
}

TEST_CASE("a record that is heavier than the limit enters alone, and takes all of it") {
  Credits credits(10, 100);
  bool granted = false;
  REQUIRE(credits.acquire(30, {}, granted) == 30);
  Reader heavy(credits, 1'000'000);
  CHECK(heavy.waits());
  credits.release_bytes(30);
  CHECK(heavy.join() == 100);
  Reader next(credits, 1);
  CHECK(next.waits());
  credits.release_bytes(100);
  CHECK(next.join() == 1);
}

TEST_CASE("a record of no bytes weighs one, so that it counts") {
  Credits credits(10, 2);
  bool granted = false;
  CHECK(credits.acquire(0, {}, granted) == 1);
  CHECK(credits.acquire(0, {}, granted) == 1);
  Reader third(credits, 0);
  CHECK(third.waits());
  credits.release_bytes(1);
  CHECK(third.join() == 1);
}

TEST_CASE("bytes without a record's credit do not let the next record in") {
  Credits credits(1, 100);
  bool granted = false;
  credits.acquire(50, {}, granted);
  credits.release_bytes(50);
  Reader second(credits, 1);
  CHECK(second.waits());
  credits.release_record();
  CHECK(second.join() == 1);
}

TEST_CASE("a reader that waits goes on even if only one of very many credits comes back") {
  constexpr int kRecords = 1000;
  Credits credits(kRecords, 1'000'000);
  bool granted = false;
  for (int i = 0; i < kRecords; ++i) credits.acquire(1, {}, granted);
  Reader reader(credits, 1);
  CHECK(reader.waits());
  credits.release_record(1);
  CHECK(reader.join() == 1);
  CHECK(credits.use().records == kRecords);
  CHECK(credits.use().most_records == kRecords);
}

TEST_CASE("a request to stop wakes a reader that waits, and nothing is taken") {
  Credits credits(1, 100);
  bool granted = false;
  credits.acquire(1, {}, granted);
  Reader reader(credits, 1);
  CHECK(reader.waits());
  reader.stop();
  CHECK(reader.join() == std::nullopt);
  credits.release_record();
  std::stop_source stopped;
  stopped.request_stop();
  CHECK(credits.acquire(1, stopped.get_token(), granted) == 0);
  CHECK_FALSE(granted);
  CHECK(credits.use().records == 0);
  CHECK(credits.use().bytes == 1);
}
