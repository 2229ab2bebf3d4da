#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "core/device/executor.h"
#include "tests/core/device/scripted_stage.h"

/// Stages that do not come back. What hangs waits at a door that the test opens at its end, so that
/// no thread is left; and time is the test's, so that nothing hangs because the machine is busy.
namespace {

using namespace flowtts;
using namespace flowtts::device_test;

constexpr double kLimit = 3600;

/// Two hours from now: whatever is on a lane has hung.
std::vector<std::string> watch_later(DeviceExecutor& executor) {
  return executor.watch(std::chrono::steady_clock::now() + std::chrono::hours(2));
}

/// Hangs at a door when it meets one of these.
Script hanging_at(std::set<int> poison, Door& door) {
  Script script;
  script.process = [poison = std::move(poison), &door](Texts batch, DeviceContext&) {
    for (const auto& item : batch) {
      if (poison.contains(item.payload.id)) door.pass();
    }
    return echo(batch);
  };
  return script;
}

DeviceStagePlan watched(const std::shared_ptr<AnyStage>& stage, int devices, int lanes,
                        BatchPolicy batch = {64, 1, 0}) {
  DeviceStagePlan made = plan(stage, devices, lanes, batch);
  made.hang_after_s = kLimit;
  return made;
}

void let_them_go(Door& door, const DeviceExecutor& executor) {
  door.open();
  while (executor.stuck() > 0) std::this_thread::yield();
}

std::uint64_t hung_batches(const DeviceExecutor& executor) {
  std::uint64_t hung = 0;
  for (const DeviceUse& use : executor.use(0)) hung += use.hung;
  return hung;
}

/// A CPU that can be told not to finish what it was given, as a GPU whose kernel hangs.
class DeafRuntime final : public DeviceRuntime {
 public:
  explicit DeafRuntime(Door& door) : door_(door) {}
  Result<DeviceInfo> start(DeviceId device, MemoryLimit) override {
    return DeviceInfo{device, "deaf", 0, 0};
  }
  std::unique_ptr<LaneBinding> bind(DeviceId) override { return std::make_unique<LaneBinding>(); }
  DeviceMemory memory(DeviceId) const override { return {}; }
  void synchronize(DeviceId device) override {
    if (device == cpu(0)) door_.pass();
  }
  bool loads_side_by_side() const override { return true; }

 private:
  Door& door_;
};

}  // namespace

TEST_CASE("of a batch that hangs the item at fault fails, and everybody else gets through") {
  struct Case {
    int devices, lanes;
  };
  for (const Case one : {Case{1, 1}, Case{1, 3}, Case{2, 1}, Case{3, 2}}) {
    CAPTURE(one.devices);
    CAPTURE(one.lanes);
    Door door;
    const auto stage = make_stage(hanging_at({7}, door));
    Inbox inbox;
    DeviceExecutor executor({watched(stage, one.devices, one.lanes)});
    for (int id = 0; id < 64; ++id) executor.submit(0, inbox.job(id));
    REQUIRE_FALSE(executor.start().has_value());
    door.wait_for(1);
    const auto found = watch_later(executor);
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("stage 'speak': lane "));
    CHECK(found[0].find(" of cpu:") != std::string::npos);
    CHECK(found[0].find("64 items, the first of record 0, for ") != std::string::npos);
    CHECK(found[0].ends_with("hung; its items are run again, one by one"));
    door.wait_for(2);
    if (one.devices * one.lanes > 1) inbox.wait_for(63);  // nobody else is on a lane then
    const auto alone = watch_later(executor);
    REQUIRE(alone.size() == 1);
    CHECK(alone[0].find("working on record 7 for ") != std::string::npos);
    CHECK(alone[0].ends_with("; the item fails"));
    inbox.wait_for(64);
    CHECK(inbox.of(7) == "error hung");
    CHECK(inbox.count("ok") == 63);
    CHECK(executor.stuck() == 2);
    CHECK(hung_batches(executor) == 2);
    // The lanes are as many as before.
    for (int id = 100; id < 164; ++id) executor.submit(0, inbox.job(id));
    inbox.wait_for(128);
    executor.stop();
    CHECK(inbox.count("ok") == 127);
    CHECK(executor.stuck() == 2);
    for (const auto& device : executor.now(0)) CHECK(device.lost.empty());
    let_them_go(door, executor);
    CHECK(inbox.calls() == 128);
    CHECK(inbox.count("twice") == 0);
  }
}

TEST_CASE("two items that hang in one batch are both found, on one lane and side by side") {
  for (const int lanes : {1, 3}) {
    CAPTURE(lanes);
    Door door;
    const auto stage = make_stage(hanging_at({7, 40}, door));
    Inbox inbox;
    DeviceExecutor executor({watched(stage, 1, lanes)});
    for (int id = 0; id < 64; ++id) executor.submit(0, inbox.job(id));
    REQUIRE_FALSE(executor.start().has_value());
    door.wait_for(1);
    CHECK(watch_later(executor).size() == 1);
    if (lanes == 1) {
      door.wait_for(2);
      CHECK(watch_later(executor).size() == 1);
    }
    door.wait_for(3);
    if (lanes > 1) inbox.wait_for(62);  // nobody else is on a lane then
    CHECK(watch_later(executor).size() == (lanes == 1 ? 1 : 2));
    inbox.wait_for(64);
    CHECK(inbox.of(7) == "error hung");
    CHECK(inbox.of(40) == "error hung");
    CHECK(inbox.count("ok") == 62);
    executor.stop();
    let_them_go(door, executor);
    CHECK(inbox.calls() == 64);
  }
}

TEST_CASE("what an abandoned lane brings late is dropped, and what it held is freed") {
  Door door;
  std::atomic<int> models = 0;
  Script script = hanging_at({3}, door);
  script.make_model = [&](DeviceContext&) {
    ++models;
    return std::shared_ptr<void>(new int, [&](void* model) {
      delete static_cast<int*>(model);
      --models;
    });
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  std::weak_ptr<const void> owner;
  {
    DeviceExecutor executor({watched(stage, 1, 1, {1, 1, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    DeviceJob job = inbox.job(3);
    owner = job.owner;
    executor.submit(0, std::move(job));
    door.wait_for(1);
    watch_later(executor);
    CHECK(inbox.of(3) == "error hung");
    CHECK(owner.expired());  // the record and its credits are not the lane's to keep
    executor.submit(0, inbox.job(4));
    inbox.wait_for(2);
    CHECK(inbox.of(4) == "ok 4");
  }
  CHECK(models == 1);  // the call that hangs is still in it
  door.open();
  while (models > 0) std::this_thread::yield();
  CHECK(inbox.calls() == 2);
  CHECK(inbox.of(3) == "error hung");
}

TEST_CASE("an executor that is abandoned while a lane hangs ends, and so does every job") {
  for (const bool cancel_first : {false, true}) {
    CAPTURE(cancel_first);
    Door door;
    const auto stage = make_stage(hanging_at({0}, door));
    Inbox inbox;
    DeviceExecutor executor({watched(stage, 1, 2, {1, 1, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    executor.submit(0, inbox.job(0));
    door.wait_for(1);
    for (int id = 1; id < 50; ++id) executor.submit(0, inbox.job(id));
    inbox.wait_for(49);
    if (cancel_first) executor.cancel();
    CHECK(inbox.of(0).empty());
    executor.abandon();
    CHECK(inbox.of(0) == "error cancelled");
    executor.submit(0, inbox.job(50));
    CHECK(inbox.of(50) == "error cancelled");
    executor.stop();
    CHECK(executor.stuck() == 1);
    let_them_go(door, executor);
    CHECK(inbox.calls() == 51);
  }
}

TEST_CASE("a device of whose threads too many hang is given up, and its work goes to the others") {
  Door door;
  std::set<int> poison;
  for (int id = 0; id < 40; ++id) poison.insert(id);
  const auto stage = make_stage(hanging_at(poison, door));
  Inbox inbox;
  std::atomic<int> lost = 0;
  DeviceExecutor executor({watched(stage, 1, 1, {1, 1, 0})});
  const auto count_lost = [&](int id) {
    return Inbox::job(id, 1, [&, id](Result<AnyPayload> result, std::size_t) {
      if (result.is_error() && result.error().fatal) ++lost;
      inbox.put(id, result);
    });
  };
  for (int id = 0; id < 40; ++id) executor.submit(0, count_lost(id));
  REQUIRE_FALSE(executor.start().has_value());
  for (int hung = 1; hung <= 9; ++hung) {
    door.wait_for(hung);
    CHECK(executor.now(0).front().lost.empty());
    CHECK(watch_later(executor).size() == 1);
  }
  inbox.wait_for(40);
  CHECK(inbox.count("error hung") == 9);
  CHECK(inbox.count("error device_lost") == 31);
  CHECK(lost == 31);
  CHECK(executor.now(0).front().lost == "more than 8 of its threads hang");
  executor.stop();
  CHECK(executor.stuck() == 9);
  let_them_go(door, executor);
  CHECK(inbox.calls() == 40);
}

TEST_CASE("a device that does not finish what it was given after a batch hung is lost") {
  Door door, deaf;
  register_device_runtime("deaf", [&]() -> std::shared_ptr<DeviceRuntime> {
    return std::make_shared<DeafRuntime>(deaf);
  });
  Door other;
  Script script;
  script.process = [&](Texts batch, DeviceContext& device) {
    for (const auto& item : batch) {
      if (item.payload.id != 7) continue;
      if (device.device() == cpu(0)) door.pass();
      return TextResults(batch.size(), Error{"no_good", "fails here"});
    }
    if (device.device() == cpu(1)) other.pass();
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceStagePlan deaf_plan = watched(stage, 2, 1, {32, 1, 0});
  deaf_plan.runtime = "deaf";
  DeviceExecutor executor({deaf_plan});
  REQUIRE_FALSE(executor.start().has_value());
  // The other device is kept busy, so that the first one takes what hangs.
  int keep = 1000;
  executor.submit(0, inbox.job(keep));
  while (executor.queued(0) > 0) std::this_thread::yield();
  while (executor.now(0)[1].busy == 0) {
    executor.submit(0, inbox.job(++keep));
    while (executor.queued(0) > 0) std::this_thread::yield();
  }
  const auto kept = static_cast<std::size_t>(keep - 1000 + 1);
  inbox.wait_for(kept - 1);
  for (int id = 0; id < 32; ++id) executor.submit(0, inbox.job(id));
  door.wait_for(1);
  other.open();
  inbox.wait_for(kept);
  CHECK(watch_later(executor).size() == 1);
  deaf.wait_for(1);
  CHECK(executor.now(0)[0].lost.empty());  // it is being asked
  const auto found = watch_later(executor);
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("lane 0 of cpu:0 has been waiting for the device") != std::string::npos);
  inbox.wait_for(kept + 32);
  CHECK(executor.now(0)[0].lost == "does not finish what it was given");
  CHECK(executor.now(0)[1].lost.empty());
  CHECK(inbox.of(7) == "error no_good");  // alone: the other 31 have come through
  CHECK(inbox.count("ok") == kept + 31);
  executor.stop();
  CHECK(executor.stuck() == 2);
  deaf.open();
  let_them_go(door, executor);
  CHECK(inbox.calls() == kept + 32);
}

TEST_CASE("a stage that hangs as it is loaded is named, and nothing is started") {
  Door door;
  Script script;
  script.load = [&](DeviceContext& device) {
    if (device.device() == cpu(1)) door.pass();
    return std::optional<Error>();
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceStagePlan short_of_time = watched(stage, 3, 2);
  short_of_time.hang_after_s = 0.2;
  DeviceExecutor executor({short_of_time});
  executor.submit(0, inbox.job(0));
  const auto failure = executor.start();
  REQUIRE(failure.has_value());
  CHECK(failure->code == kHungCode);
  CHECK(failure->message ==
        "stage 'speak' on cpu:1: loading took longer than 0.2 s; run.hang_after_s says how long it "
        "may take");
  CHECK(inbox.of(0) == "error cancelled");
  executor.stop();
  CHECK(executor.stuck() == 1);
  let_them_go(door, executor);
}

TEST_CASE("a start that is cancelled while a loading hangs ends") {
  Door door;
  Script script;
  script.load = [&](DeviceContext&) {
    door.pass();
    return std::optional<Error>();
  };
  const auto stage = make_stage(script);
  DeviceExecutor executor({plan(stage, 2, 2)});  // no limit at all
  std::jthread other([&] {
    door.wait_for(2);
    executor.cancel();
  });
  const auto failure = executor.start();
  REQUIRE(failure.has_value());
  CHECK(failure->code == "cancelled");
  executor.stop();
  CHECK(executor.stuck() == 2);
  let_them_go(door, executor);
}

TEST_CASE("where loading a copy anew hangs, a new lane works on with the old one") {
  Door door;
  std::atomic<int> loads = 0;
  Script script;
  script.load = [&](DeviceContext&) {
    if (++loads == 2) door.pass();
    return std::optional<Error>();
  };
  const auto stage = make_stage(script);
  DeviceStagePlan recycled = watched(stage, 1, 1, {1, 1, 0});
  recycled.recycle.after_batches = 10;
  Inbox inbox;
  DeviceExecutor executor({recycled});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 100; ++id) executor.submit(0, inbox.job(id));
  door.wait_for(1);
  const auto found = watch_later(executor);
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("lane 0 of cpu:0 has been loading the stage for") != std::string::npos);
  inbox.wait_for(100);
  executor.stop();
  CHECK(inbox.count("ok") == 100);
  CHECK(loads == 2);
  CHECK(executor.now(0).front().lost.empty());
  let_them_go(door, executor);
}
