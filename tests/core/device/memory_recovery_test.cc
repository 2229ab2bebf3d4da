#include "core/device/memory_recovery.h"

#include <new>

#include <doctest/doctest.h>

#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;

/// A device with room for so much: rows × length of one batch. Batches beyond it say that memory
/// ran out; the room can change between calls.
struct SmallDevice {
  std::size_t room = 0;
  std::vector<std::size_t> room_later;  ///< Taken over one after another, a batch each.
  bool throws = false;
  std::size_t length = 10;
  std::vector<std::string> calls;  ///< "items/rows" of each batch.

  TextResults run(Texts batch, DeviceContext& device) {
    calls.push_back(std::to_string(batch.size()) + "/" + std::to_string(device.rows()));
    const std::size_t now = room;
    if (!room_later.empty()) {
      room = room_later.front();
      room_later.erase(room_later.begin());
    }
    if (device.rows() * length <= now) return echo(batch);
    if (throws) throw std::bad_alloc();
    return TextResults(batch.size(),
                       Error{std::string(kOutOfMemoryCode), "too small", true, false});
  }
};

/// Counts what the executor asks of the device to get room.
struct CountingRuntime final : DeviceRuntime {
  int synchronized = 0;
  int released = 0;
  Result<DeviceInfo> start(DeviceId device, MemoryLimit) override {
    return DeviceInfo{device, "small", 0, 0};
  }
  std::unique_ptr<LaneBinding> bind(DeviceId) override { return nullptr; }
  DeviceMemory memory(DeviceId) const override { return {}; }
  void synchronize(DeviceId) override { ++synchronized; }
  void release_cached(DeviceId) override { ++released; }
};

struct Outcome {
  std::vector<std::string> results;
  MemoryRecoveries counts;
  std::size_t ceiling = 0;
  int synchronized = 0;
  int released = 0;
};

Outcome run_on(SmallDevice& small, std::size_t items, std::size_t rows) {
  Script script;
  script.process = [&](Texts batch, DeviceContext& device) { return small.run(batch, device); };
  const LoadedStage loaded{make_stage(script), {}};
  std::vector<LaneJob> jobs;
  for (std::size_t id = 0; id < items; ++id) {
    jobs.push_back({Inbox::job(static_cast<int>(id), small.length, {})});
  }
  DeviceContext device(cpu(0), 0);
  CountingRuntime runtime;
  MemoryCeiling ceiling;
  Outcome outcome;
  const RunRows run = [&](std::span<const LaneJob> part, std::size_t with_rows) {
    return run_batch(loaded, BatchHalf::kWhole, part, with_rows, device, false);
  };
  const auto made =
      run_within_memory(run, jobs, rows, small.length, runtime, cpu(0), ceiling, outcome.counts);
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto& result = made[i].result;
    const bool own = result.ok() && result->as<Text>()->id == static_cast<int>(i);
    outcome.results.push_back(own ? "ok" : result.is_error() ? result.error().code : "another's");
  }
  outcome.ceiling = ceiling.value();
  outcome.synchronized = runtime.synchronized;
  outcome.released = runtime.released;
  return outcome;
}

}  // namespace

TEST_CASE("a batch that runs out of memory is tried again, then cut in halves, then fails alone") {
  using Calls = std::vector<std::string>;
  struct Case {
    const char* what;
    std::size_t room;
    std::vector<std::size_t> room_later;
    std::size_t items, rows;
    Calls calls;
    std::size_t failed;
    MemoryRecoveries counts;
    std::size_t ceiling;
    int released;
  };
  const Case cases[] = {
      {"fits", 40, {}, 4, 4, {"4/4"}, 0, {0, 0, 0, 0}, 0, 0},
      {"fits once another lane is done", 10, {40}, 4, 4, {"4/4", "4/4"}, 0, {1, 1, 0, 0}, 0, 0},
      {"fits in halves", 20, {}, 4, 4, {"4/4", "4/4", "2/2", "2/2"}, 0, {1, 1, 1, 0}, 20, 1},
      {"a shape that is not full is halved as well",
       40,
       {},
       3,
       8,
       {"3/8", "3/8", "3/4"},
       0,
       {1, 1, 1, 0},
       40,
       1},
      {"fits one by one",
       10,
       {},
       3,
       4,
       {"3/4", "3/4", "2/2", "1/1", "1/1", "1/2", "1/1"},
       0,
       {1, 1, 3, 0},
       10,
       3},
      {"one does not fit alone", 5, {}, 1, 1, {"1/1", "1/1", "1/1"}, 1, {1, 1, 0, 1}, 5, 1},
      {"one fits once what was kept is given back",
       5,
       {5, 10},
       1,
       1,
       {"1/1", "1/1", "1/1"},
       0,
       {1, 1, 0, 0},
       5,
       1},
  };
  for (const Case& c : cases) {
    for (const bool throws : {false, true}) {
      CAPTURE(c.what);
      CAPTURE(throws);
      SmallDevice small{c.room, c.room_later, throws, 10, {}};
      const Outcome outcome = run_on(small, c.items, c.rows);
      CHECK(small.calls == c.calls);
      CHECK(outcome.results.size() == c.items);
      CHECK(static_cast<std::size_t>(std::count(outcome.results.begin(), outcome.results.end(),
                                                std::string(kOutOfMemoryCode))) == c.failed);
      CHECK(static_cast<std::size_t>(std::count(outcome.results.begin(), outcome.results.end(),
                                                "ok")) == c.items - c.failed);
      CHECK(outcome.counts.out_of_memory == c.counts.out_of_memory);
      CHECK(outcome.counts.retried == c.counts.retried);
      CHECK(outcome.counts.halved == c.counts.halved);
      CHECK(outcome.counts.failed == c.counts.failed);
      CHECK(outcome.ceiling == c.ceiling);
      CHECK(outcome.released == c.released);
      CHECK(outcome.synchronized == (c.counts.out_of_memory > 0 ? 1 : 0));
    }
  }
}

TEST_CASE("only what ran out of memory is made again, and nothing twice") {
  int calls = 0;
  std::map<int, int> made;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) {
    TextResults results;
    ++calls;
    for (const auto& item : batch) {
      if (item.payload.id == 1 && calls == 1) {
        results.emplace_back(Error{std::string(kOutOfMemoryCode), "for this one", true, false});
      } else {
        ++made[item.payload.id];
        results.emplace_back(item.payload);
      }
    }
    return results;
  };
  const LoadedStage loaded{make_stage(script), {}};
  std::vector<LaneJob> jobs;
  for (int id = 0; id < 3; ++id) jobs.push_back({Inbox::job(id, 1, {})});
  DeviceContext device(cpu(0), 0);
  CountingRuntime runtime;
  MemoryCeiling ceiling;
  MemoryRecoveries counts;
  const RunRows run = [&](std::span<const LaneJob> part, std::size_t rows) {
    return run_batch(loaded, BatchHalf::kWhole, part, rows, device, false);
  };
  const auto outcomes = run_within_memory(run, jobs, 3, 1, runtime, cpu(0), ceiling, counts);
  for (const JobOutcome& outcome : outcomes) CHECK(outcome.result.ok());
  CHECK(made == std::map<int, int>{{0, 1}, {1, 1}, {2, 1}});
}

TEST_CASE("a ceiling is half of what failed, is raised by batches that go well, and then gone") {
  MemoryCeiling ceiling;
  ceiling.went_well(1'000'000);
  CHECK(ceiling.value() == 0);
  ceiling.too_large(800);
  CHECK(ceiling.value() == 400);
  ceiling.too_large(1000);  // a lane that had begun before: does not raise it
  CHECK(ceiling.value() == 400);
  for (int i = 0; i < 64; ++i) ceiling.went_well(100);  // far below: says nothing
  CHECK(ceiling.value() == 400);
  for (int i = 0; i < 64; ++i) ceiling.went_well(400);
  CHECK(ceiling.value() == 450);
  for (int i = 0; i < 64 * 8; ++i) ceiling.went_well(ceiling.value());
  CHECK(ceiling.value() == 0);
  ceiling.too_large(1);
  CHECK(ceiling.value() == 1);
}
