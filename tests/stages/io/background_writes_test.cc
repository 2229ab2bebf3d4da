#include "stages/io/background_writes.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace flowtts {
namespace {

std::optional<Error> well() { return std::nullopt; }

}  // namespace

TEST_CASE("what was added is written once wait returns, whatever the number of threads") {
  for (const std::size_t threads : {0U, 1U, 4U}) {
    CAPTURE(threads);
    std::atomic<int> written = 0;
    BackgroundWrites writes(threads, 100);
    for (int i = 1; i <= 300; ++i) {
      REQUIRE_FALSE(writes.add(10, [&] {
        ++written;
        return well();
      }));
      if (i % 100 != 0) continue;
      REQUIRE_FALSE(writes.wait());
      CHECK(written == i);
    }
  }
}

TEST_CASE("what still waits is written before the object goes") {
  std::atomic<int> written = 0;
  {
    BackgroundWrites writes(2, 1000);
    for (int i = 0; i < 50; ++i) {
      REQUIRE_FALSE(writes.add(10, [&] {
        ++written;
        return well();
      }));
    }
  }
  CHECK(written == 50);
}

TEST_CASE("no more bytes wait than may, but for one piece that is larger alone") {
  std::atomic<int> waiting = 0;
  std::atomic<int> most = 0;
  BackgroundWrites writes(2, 100);
  const auto add = [&](int bytes) {
    REQUIRE_FALSE(writes.add(static_cast<std::uint64_t>(bytes), [&, bytes] {
      waiting -= bytes;
      return well();
    }));
    most = std::max(most.load(), waiting += bytes);
  };
  for (int i = 0; i < 500; ++i) add(40);
  REQUIRE_FALSE(writes.wait());
  CHECK(most <= 100);
  add(5000);
  add(1);
  REQUIRE_FALSE(writes.wait());
  CHECK(waiting == 0);
}

TEST_CASE("what one piece of work holds is gone when its bytes count as free") {
  BackgroundWrites writes(1, 10);
  std::weak_ptr<int> last;
  for (int i = 0; i < 100; ++i) {
    auto held = std::make_shared<int>(i);
    const std::weak_ptr<int> mine = held;
    REQUIRE_FALSE(writes.add(10, [held = std::move(held)] { return well(); }));
    CHECK(last.expired());  // there was no room before
    last = mine;
  }
}

TEST_CASE("the first failure stays, and nothing is written after it") {
  struct Case {
    const char* name;
    BackgroundWrites::Write write;
    std::string code;
  };
  const std::vector<Case> cases{
      {"an error",
       [] {
         return std::optional(Error{"full", "no space"});
       },
       "full"},
      {"an exception", []() -> std::optional<Error> { throw std::bad_alloc(); }, "out_of_memory"}};
  for (const Case& each : cases) {
    for (const std::size_t threads : {0U, 3U}) {
      CAPTURE(each.name);
      CAPTURE(threads);
      bool written = false;
      BackgroundWrites writes(threads, 100);
      REQUIRE_FALSE(writes.add(1, well));
      REQUIRE_FALSE(writes.wait());
      static_cast<void>(writes.add(1, each.write));
      auto failed = writes.wait();
      REQUIRE(failed);
      CHECK(failed->code == each.code);
      failed = writes.add(1, [&] {
        written = true;
        return well();
      });
      REQUIRE(failed);
      CHECK(failed->code == each.code);
      CHECK(writes.wait()->code == each.code);
      CHECK_FALSE(written);
    }
  }
}

}  // namespace flowtts
