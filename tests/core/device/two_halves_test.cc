#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "core/device/executor.h"
#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;

/// What a first half knows of an item: how long it really is, and where that was found out.
struct Planned {
  int id = 0;
  std::size_t length = 0;
  DeviceId device;
};

/// What a test looks at afterwards. For any thread.
struct Log {
  std::mutex mutex;
  std::vector<std::vector<std::size_t>> finished;  ///< True lengths, a batch each.
  std::atomic<int> elsewhere = 0;                  ///< Items finished on another device.
  std::function<std::optional<Error>(int id)> on_prepare = [](int) { return std::nullopt; };
  std::function<std::optional<Error>(int id, DeviceId)> on_finish = [](int, DeviceId) {
    return std::nullopt;
  };
  BatchShapes shapes;
  std::size_t look_ahead = 0;  ///< Of the stage's own.
};

/// Finds out in its first half that an item is as long as its id says.
struct TwoHalves final : DeviceStage<Text, Text> {
  using Prepared = Planned;
  std::shared_ptr<Log> log;
  bool halves = true;

  std::size_t length(const Text& text) const { return text.length; }
  bool prepares() const { return halves; }
  BatchShapes prepared_shapes() const { return log->shapes; }
  std::size_t look_ahead() const { return log->look_ahead; }
  std::size_t prepared_length(const Planned& planned) const { return planned.length; }

  std::vector<Result<Planned>> prepare_batch(Texts batch, DeviceContext& device) const {
    std::vector<Result<Planned>> planned;
    for (const auto& item : batch) {
      if (auto error = log->on_prepare(item.payload.id)) {
        planned.emplace_back(*std::move(error));
      } else {
        planned.emplace_back(Planned{
            item.payload.id, static_cast<std::size_t>(item.payload.id % 50), device.device()});
      }
    }
    return planned;
  }

  TextResults finish_batch(std::span<const PreparedItem<Text, Planned>> batch,
                           DeviceContext& device) const {
    TextResults results;
    std::vector<std::size_t> lengths;
    for (const auto& item : batch) {
      lengths.push_back(item.prepared.length);
      if (item.prepared.device != device.device()) ++log->elsewhere;
      if (auto error = log->on_finish(item.payload.id, device.device())) {
        results.emplace_back(*std::move(error));
      } else {
        results.emplace_back(Text{item.prepared.id, item.payload.length});
      }
    }
    const std::lock_guard lock(log->mutex);
    log->finished.push_back(std::move(lengths));
    return results;
  }

  TextResults process_batch(Texts batch, DeviceContext&) const { return echo(batch); }
};

std::shared_ptr<AnyStage> stage_with(const std::shared_ptr<Log>& log, bool halves = true) {
  auto stage = std::make_shared<StageAdapter<TwoHalves>>();
  static_cast<TwoHalves*>(stage->object())->log = log;
  static_cast<TwoHalves*>(stage->object())->halves = halves;
  return stage;
}

}  // namespace

TEST_CASE("items of two halves are batched by what the first half found, on the same device") {
  const auto log = std::make_shared<Log>();
  const auto stage = stage_with(log);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {10, kHour, 0, 500})});
  for (int id = 0; id < 500; ++id) executor.submit(0, inbox.job(id, 1));
  REQUIRE_FALSE(executor.start().has_value());
  inbox.wait_for(500);
  executor.stop();
  CHECK(inbox.count("ok") == 500);
  // All 500 were prepared first, ten of each length: no batch has any padding.
  CHECK(log->finished.size() == 50);
  for (const auto& lengths : log->finished) {
    CHECK(lengths == std::vector<std::size_t>(10, lengths.front()));
  }
  const DeviceUse use = executor.use(0).front();
  CHECK(use.first.items == 500);
  CHECK(use.last.items == 500);
  CHECK(use.last.length == use.last.padded_length);
}

TEST_CASE("no more items than the look-ahead wait between their halves, and none waits for it") {
  const auto log = std::make_shared<Log>();
  std::atomic<int> prepared = 0, finished = 0, most = 0;
  log->on_prepare = [&](int) {
    most = std::max(most.load(), ++prepared - finished);
    return std::nullopt;
  };
  log->on_finish = [&](int, DeviceId) {
    ++finished;
    return std::nullopt;
  };
  int wanted = 32;
  SUBCASE("of the pipeline") {}
  SUBCASE("of the stage, where that is fewer") { log->look_ahead = wanted = 16; }
  SUBCASE("of the pipeline, where the stage has room for more") { log->look_ahead = 500; }
  const auto stage = stage_with(log);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {8, 1, 0, 32})});
  for (int id = 0; id < 1003; ++id) executor.submit(0, inbox.job(id, 1));
  REQUIRE_FALSE(executor.start().has_value());
  inbox.wait_for(1003);
  executor.stop();
  CHECK(inbox.count("ok") == 1003);
  CHECK(most <= wanted + 8);
  CHECK(most >= wanted);
}

TEST_CASE("every item of many devices is finished where it was prepared, once") {
  const auto log = std::make_shared<Log>();
  const auto stage = stage_with(log);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 4, 2, {7, 0.1, 0, 40})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 3000; ++id) executor.submit(0, inbox.job(id, 1 + id % 7U));
  inbox.wait_for(3000);
  executor.stop();
  CHECK(log->elsewhere == 0);
  for (int id = 0; id < 3000; ++id) REQUIRE(inbox.of(id) == "ok " + std::to_string(id));
}

TEST_CASE("an item that fails in a half ends with that Error, and the others go on") {
  const auto log = std::make_shared<Log>();
  log->on_prepare = [](int id) {
    return id == 3 ? std::optional(Error{"bad_plan", "three"}) : std::nullopt;
  };
  log->on_finish = [](int id, DeviceId) {
    if (id == 5) throw std::runtime_error("five");
    return id == 7 ? std::optional(Error{"bad_render", "seven"}) : std::nullopt;
  };
  const auto stage = stage_with(log);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 2, {4, 1, 0, 8})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 20; ++id) executor.submit(0, inbox.job(id, 1));
  inbox.wait_for(20);
  executor.stop();
  CHECK(inbox.of(3) == "error bad_plan");
  CHECK(inbox.of(5) == "error exception");
  CHECK(inbox.of(7) == "error bad_render");
  CHECK(inbox.count("ok") == 17);
}

TEST_CASE("a stage whose configuration has no halves works in one") {
  const auto log = std::make_shared<Log>();
  const auto stage = stage_with(log, false);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {4, 1, 0, 8})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 10; ++id) executor.submit(0, inbox.job(id, 1));
  inbox.wait_for(10);
  executor.stop();
  CHECK(inbox.count("ok") == 10);
  CHECK(executor.use(0).front().first.batches == 0);
}

TEST_CASE("what waits between its halves when the run is cancelled is done as cancelled, once") {
  const auto log = std::make_shared<Log>();
  Door door;
  log->on_finish = [&](int, DeviceId) {
    door.pass();
    return std::nullopt;
  };
  const auto stage = stage_with(log);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {4, kHour, 0, 20})});
  for (int id = 0; id < 40; ++id) executor.submit(0, inbox.job(id, 1));
  REQUIRE_FALSE(executor.start().has_value());
  door.wait_for(1);
  executor.cancel();
  door.open();
  inbox.wait_for(40);
  executor.stop();
  CHECK(inbox.count("error cancelled") == 36);
  CHECK(inbox.count("ok") == 4);
}

TEST_CASE("of a second half that hangs the item at fault fails, the others stay on their device") {
  for (const int devices : {1, 2}) {
    CAPTURE(devices);
    const auto log = std::make_shared<Log>();
    Door door;
    log->on_finish = [&](int id, DeviceId) {
      if (id == 7) door.pass();
      return std::nullopt;
    };
    const auto stage = stage_with(log);
    Inbox inbox;
    DeviceStagePlan watched = plan(stage, devices, 1, {64, kHour, 0, 64});
    watched.hang_after_s = 3600;
    DeviceExecutor executor({watched});
    for (int id = 0; id < 64; ++id) executor.submit(0, inbox.job(id, 1));
    REQUIRE_FALSE(executor.start().has_value());
    const auto watch_later = [&] {
      return executor.watch(std::chrono::steady_clock::now() + std::chrono::hours(2)).size();
    };
    door.wait_for(1);
    CHECK(watch_later() == 1);
    door.wait_for(2);
    CHECK(watch_later() == 1);
    inbox.wait_for(64);
    CHECK(inbox.of(7) == "error hung");
    CHECK(inbox.count("ok") == 63);
    CHECK(log->elsewhere == 0);
    executor.stop();
    CHECK(executor.stuck() == 2);
    door.open();
    while (executor.stuck() > 0) std::this_thread::yield();
    CHECK(inbox.calls() == 64);
  }
}
