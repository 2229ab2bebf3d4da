#include "core/device/batch_queue.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;
using std::chrono::milliseconds;

const BatchQueue::Time kNow{};

void push(BatchQueue& queue, int id, std::size_t length, BatchQueue::Time now = kNow) {
  queue.push(length, now, LaneJob{Inbox::job(id, length, {}), length, nullptr, 0});
}

const Text& text_of(const LaneJob& job) { return *job.job.payload.as<Text>(); }

/// "1 2 3": the batch's items by id, or "-" where there is no batch.
std::string ids(const std::optional<Batch>& batch) {
  if (!batch) return "-";
  std::string text;
  for (const LaneJob& job : batch->jobs) {
    text += (text.empty() ? "" : " ") + std::to_string(text_of(job).id);
  }
  return text;
}

/// Lengths as sentences have them: log-normal, most below 100 and a few of 400.
class Lengths {
 public:
  explicit Lengths(unsigned seed) : random_(seed) {}
  std::size_t next() { return static_cast<std::size_t>(std::clamp(spread_(random_), 3.0, 400.0)); }

 private:
  std::mt19937 random_;
  std::lognormal_distribution<double> spread_{4.0, 0.7};
};

}  // namespace

TEST_CASE("a full batch is taken at once, a partial one when its oldest item has waited") {
  BatchQueue queue(milliseconds(20));
  const BatchLimits limits{3, 0};
  push(queue, 1, 10);
  push(queue, 2, 10, kNow + milliseconds(5));
  CHECK(ids(queue.take(limits, kNow + milliseconds(19), false)) == "-");
  CHECK(queue.next_due() == kNow + milliseconds(20));
  push(queue, 3, 10, kNow + milliseconds(19));
  CHECK(ids(queue.take(limits, kNow + milliseconds(19), false)) == "1 2 3");
  CHECK_FALSE(queue.next_due().has_value());

  push(queue, 4, 10, kNow + milliseconds(30));
  CHECK(ids(queue.take(limits, kNow + milliseconds(49), false)) == "-");
  CHECK(ids(queue.take(limits, kNow + milliseconds(50), false)) == "4");
}

TEST_CASE("where nothing else can come, what is there is taken at once") {
  BatchQueue queue(milliseconds(1000000));
  push(queue, 1, 10);
  push(queue, 2, 30);
  CHECK(ids(queue.take({4, 0}, kNow, false)) == "-");
  CHECK(ids(queue.take({4, 0}, kNow, true)) == "1 2");
  CHECK(ids(queue.take({4, 0}, kNow, true)) == "-");
}

TEST_CASE("a batch is full by items or by padded length, whichever limit comes first") {
  struct Case {
    BatchLimits limits;
    std::vector<std::size_t> lengths;
    std::string batch;
  };
  const Case cases[] = {
      {{2, 0}, {10, 10, 10}, "0 1"},
      {{8, 30}, {10, 10, 10}, "0 1 2"},
      {{8, 39}, {10, 10, 10}, "0 1 2"},
      {{8, 40}, {10, 10, 10}, "-"},  // A fourth would fit.
      {{2, 40}, {10, 10, 10}, "0 1"},
      {{8, 40}, {10, 20, 10}, "0 1"},  // 2 × 20, of the two of length 10 the older one.
      {{8, 50}, {60}, "0"},            // Longer than the limit: alone, at once.
      {{8, 50}, {60, 55}, "0"},
      {{8, 50}, {10, 60}, "1"},
      {{1, 0}, {7, 3, 5}, "0"},  // Batches of one come in order of arrival.
      {{0, 0}, {7}, "0"},        // No limit below one item.
  };
  for (const Case& c : cases) {
    CAPTURE(c.limits.max_items);
    CAPTURE(c.limits.max_length);
    CAPTURE(c.lengths);
    BatchQueue queue(milliseconds(1000));
    int id = 0;
    for (const std::size_t length : c.lengths) push(queue, id++, length);
    CHECK(ids(queue.take(c.limits, kNow, false)) == c.batch);
  }
}

TEST_CASE("of several full batches the one with the least padding is taken, its shortest first") {
  BatchQueue queue(milliseconds(1000));
  const std::size_t lengths[] = {100, 10, 52, 30, 51, 90, 50};
  for (int id = 0; id < 7; ++id) push(queue, id, lengths[id]);
  const auto batch = queue.take({3, 0}, kNow, false);
  CHECK(ids(batch) == "6 4 2");
  CHECK(batch->length == 153);
  CHECK(batch->longest == 52);
  CHECK(queue.size() == 4);
}

TEST_CASE("every item leaves once, in batches that keep every limit") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Lengths lengths(seed);
    const BatchLimits limits{1 + random() % 16, random() % 3 == 0 ? 0 : 100 + random() % 800};
    BatchQueue queue(milliseconds(20));
    std::set<int> gone;
    int pushed = 0;
    BatchQueue::Time now = kNow;
    const auto drain = [&](bool at_once) {
      while (const auto batch = queue.take(limits, now, at_once)) {
        const std::size_t count = batch->jobs.size();
        REQUIRE(count > 0);
        REQUIRE(count <= limits.max_items);
        std::size_t longest = 0;
        std::size_t sum = 0;
        for (const LaneJob& job : batch->jobs) {
          REQUIRE(gone.insert(text_of(job).id).second);
          longest = std::max(longest, text_of(job).length);
          sum += text_of(job).length;
        }
        REQUIRE(batch->longest == longest);
        REQUIRE(batch->length == sum);
        if (limits.max_length > 0 && count > 1) REQUIRE(count * longest <= limits.max_length);
      }
    };
    for (int i = 0; i < 2000; ++i) {
      push(queue, pushed++, lengths.next(), now);
      now += milliseconds(random() % 3);
      if (random() % 8 == 0) drain(false);
    }
    drain(true);
    CHECK(gone.size() == static_cast<std::size_t>(pushed));
    CHECK(queue.empty());
  }
}

TEST_CASE("a mix of lengths gives far less padding than first come, first served") {
  // As in a run: the queue is kept at its bound, and one batch after another is taken.
  const auto useful_share = [](std::size_t waiting, std::size_t max_items) {
    Lengths lengths(11);
    BatchQueue queue(milliseconds(20));
    double useful = 0;
    double padded = 0;
    int id = 0;
    for (int batches = 0; batches < 1000; ++batches) {
      while (queue.size() < waiting) push(queue, id++, lengths.next());
      const auto batch = queue.take({max_items, 0}, kNow, false);
      REQUIRE(batch.has_value());
      useful += static_cast<double>(batch->length);
      padded += static_cast<double>(batch->longest * batch->jobs.size());
    }
    return useful / padded;
  };
  // A queue no longer than the batch is first come, first served.
  CHECK(useful_share(16, 16) < 0.40);
  CHECK(useful_share(256, 16) > 0.92);
  CHECK(useful_share(64, 64) < 0.30);
  CHECK(useful_share(1024, 64) > 0.91);
  CHECK(useful_share(4096, 64) > 0.97);
}

TEST_CASE(
    "an item that fits nobody is served once three times as many as wait have come after it") {
  for (const std::size_t odd : {std::size_t{400}, std::size_t{1}}) {
    BatchQueue queue(milliseconds(20));
    push(queue, 0, odd);
    int id = 1;
    bool served = false;
    while (!served) {
      while (queue.size() < 64) {
        push(queue, id++, 50);  // Always enough for a batch without padding.
      }
      const auto batch = queue.take({8, 0}, kNow + milliseconds(20), false);
      REQUIRE(batch.has_value());
      for (const LaneJob& job : batch->jobs) served = served || text_of(job).id == 0;
      REQUIRE(id <= 4 * 64 + 8);
    }
    CHECK(id > 3 * 64);
  }
}

TEST_CASE("no item waits for ever, whatever comes after it") {
  constexpr int kWaiting = 128;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Lengths lengths(seed);
    BatchQueue queue(milliseconds(0));
    struct Waiting {
      std::size_t older;
      int since;
    };
    std::map<int, Waiting> waiting;
    int id = 0;
    for (int batches = 0; batches < 1500; ++batches) {
      while (queue.size() < kWaiting) {
        waiting[id] = {waiting.size(), batches};
        push(queue, id++, lengths.next());
      }
      const auto batch = queue.take({4, 600}, kNow, false);
      REQUIRE(batch.has_value());
      for (const LaneJob& job : batch->jobs) {
        const Waiting was = waiting.at(text_of(job).id);
        // A batch holds at least one item, and one comes for each that leaves.
        CHECK(batches - was.since <= static_cast<int>(3 * kWaiting + was.older + 1));
        waiting.erase(text_of(job).id);
      }
    }
  }
}

TEST_CASE("near the end the longest go first") {
  BatchQueue queue(milliseconds(1000));
  const std::size_t lengths[] = {50, 10, 90, 10, 52, 51, 10};
  for (int id = 0; id < 7; ++id) push(queue, id, lengths[id]);
  queue.longest_first();
  CHECK(ids(queue.take({2, 0}, kNow, false)) == "4 2");
  CHECK(ids(queue.take({2, 0}, kNow, false)) == "0 5");
  CHECK(ids(queue.take({2, 0}, kNow, false)) == "1 3");
  CHECK(ids(queue.take({2, 0}, kNow, true)) == "6");
}

TEST_CASE("items share a batch only where their shapes have the same rows") {
  BatchLimits limits;
  limits.max_items = 100;  // fixed shapes have their own
  limits.shapes.classes = {{10, 4}, {20, 2}, {40, 1}};
  struct Case {
    std::vector<std::size_t> lengths;
    bool at_once;
    std::string batch;
    std::size_t rows;
  };
  const Case cases[] = {
      {{10, 9, 8, 7}, false, "3 2 1 0", 4},
      {{10, 9, 8, 11}, false, "-", 0},  // neither shape is full
      {{10, 9, 8, 11}, true, "2 1 0", 4},
      {{11, 10, 20}, false, "0 2", 2},
      {{40, 41}, false, "0", 1},  // the last class holds what is longer, too
      {{400}, false, "0", 1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.lengths);
    BatchQueue queue(milliseconds(1000));
    int id = 0;
    for (const std::size_t length : c.lengths) push(queue, id++, length);
    const auto batch = queue.take(limits, kNow, c.at_once);
    CHECK(ids(batch) == c.batch);
    if (batch) CHECK(batch->rows == c.rows);
  }
}

TEST_CASE("lengths count as they are padded, and a ceiling halves the rows") {
  MemoryCeiling ceiling;
  BatchLimits limits;
  limits.shapes.step = 8;
  limits.shapes.classes = {{64, 16}};
  limits.ceiling = &ceiling;
  CHECK(limits.rows(10) == 16);
  ceiling.too_large(16 * 16 * 2);
  CHECK(limits.rows(10) == 16);  // 16 rows of length 16 fit
  CHECK(limits.rows(17) == 8);
  CHECK(limits.rows(600) == 1);

  BatchQueue queue(milliseconds(1000));
  for (int id = 0; id < 8; ++id) push(queue, id, 17);
  const auto batch = queue.take(limits, kNow, false);
  REQUIRE(batch.has_value());
  CHECK(batch->longest == 24);
  CHECK(batch->rows == 8);
  CHECK(batch->length == 8 * 17);
}

TEST_CASE("an old item that fills no batch does not hold up full batches before it has waited") {
  BatchQueue queue(milliseconds(1000));
  push(queue, 0, 10);
  int id = 1;
  for (int batches = 0; batches < 20; ++batches) {
    // Twelve of length 100 fill a batch of at most 1,200 by themselves, so the short one never
    // completes one.
    for (int i = 0; i < 12; ++i) push(queue, id++, 100);
    const auto batch = queue.take({64, 1200}, kNow, false);
    REQUIRE(batch.has_value());
    CHECK(batch->longest == 100);
    CHECK(batch->jobs.size() == 12);
  }
  CHECK(ids(queue.take({64, 1200}, kNow + milliseconds(1000), false)) == "0");
}

TEST_CASE("lengths of zero and of the largest number do no harm") {
  BatchQueue queue(milliseconds(1000));
  push(queue, 0, 0);
  push(queue, 1, 0);
  CHECK(ids(queue.take({2, 100}, kNow, false)) == "0 1");
  push(queue, 2, std::numeric_limits<std::size_t>::max());
  push(queue, 3, 1);
  CHECK(ids(queue.take({2, 100}, kNow, false)) == "2");
  CHECK(ids(queue.take({2, 100}, kNow, true)) == "3");
}

TEST_CASE("taking all empties the queue") {
  BatchQueue queue(milliseconds(1000));
  for (int id = 0; id < 5; ++id) push(queue, id, static_cast<std::size_t>(10 - id));
  CHECK(queue.take_all().size() == 5);
  CHECK(queue.empty());
  CHECK(ids(queue.take({1, 0}, kNow, true)) == "-");
}
