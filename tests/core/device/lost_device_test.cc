#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include "core/device/executor.h"
#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;

constexpr BatchPolicy kSmall{4, 1, 0};

TextResults lost(Texts batch) {
  return TextResults(batch.size(),
                     Error{std::string(kDeviceLostCode), "fell off the bus", false, true});
}

}  // namespace

TEST_CASE("the work of a device that is lost is done by the others, and nothing is lost with it") {
  Script script;
  std::atomic<int> batches = 0;
  script.process = [&](Texts batch, DeviceContext& device) {
    return device.device() == cpu(1) && ++batches > 3 ? lost(batch) : echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 3, 2, kSmall)});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 2000; ++id) executor.submit(0, inbox.job(id, 1 + id % 5U));
  inbox.wait_for(2000);
  executor.stop();
  for (int id = 0; id < 2000; ++id) REQUIRE(inbox.of(id) == "ok " + std::to_string(id));
  const auto use = executor.use(0);
  CHECK(use[0].lost.empty());
  CHECK(use[2].lost.empty());
  if (batches > 3) CHECK(use[1].lost == "fell off the bus");
}

TEST_CASE("where the last device is lost every job ends with that Error, which is fatal") {
  Script script;
  script.process = [](Texts batch, DeviceContext&) { return lost(batch); };
  const auto stage = make_stage(script);
  std::atomic<int> fatal = 0, calls = 0;
  DeviceExecutor executor({plan(stage, 2, 2, kSmall)});
  const auto count = [&](Result<AnyPayload> result, std::size_t) {
    if (result.is_error() && result.error().fatal && result.error().code == kDeviceLostCode)
      ++fatal;
    ++calls;
  };
  for (int id = 0; id < 200; ++id) executor.submit(0, Inbox::job(id, 1, count));
  REQUIRE_FALSE(executor.start().has_value());
  while (calls < 200) std::this_thread::yield();
  executor.submit(0, Inbox::job(200, 1, count));
  executor.stop();
  CHECK(calls == 201);
  // At most one batch of each lane was at work on both devices, and fails by itself.
  CHECK(fatal >= 201 - 4 * 4);
}

TEST_CASE("an item that was at work on two devices as they were lost fails, and spares the third") {
  Script script;
  script.process = [](Texts batch, DeviceContext&) {
    for (const auto& item : batch) {
      if (item.payload.id == 7) return lost(batch);
    }
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 3, 1, {1, 1, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 100; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(100);
  executor.stop();
  CHECK(inbox.of(7) == "error device_lost");
  CHECK(inbox.count("ok") == 99);
  int gone = 0;
  for (const DeviceUse& use : executor.use(0)) gone += use.lost.empty() ? 0 : 1;
  CHECK(gone == 2);
}

TEST_CASE("a copy is loaded anew after so many batches, without stopping the other lanes") {
  Script script;
  std::atomic<int> loads = 0, alive = 0;
  script.load = [&](DeviceContext&) {
    ++loads;
    return std::optional<Error>();
  };
  script.make_model = [&](DeviceContext&) {
    ++alive;
    return std::shared_ptr<void>(new int, [&](void* model) {
      delete static_cast<int*>(model);
      --alive;
    });
  };
  std::atomic<int> most_alive = 0;
  script.process = [&](Texts batch, DeviceContext&) {
    most_alive = std::max(most_alive.load(), alive.load());
    std::this_thread::yield();
    return echo(batch);
  };
  const auto stage = make_stage(script);
  auto recycled = plan(stage, 1, 3, {1, 1, 0});
  recycled.recycle.after_batches = 20;
  Inbox inbox;
  DeviceExecutor executor({recycled});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 1000; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(1000);
  executor.stop();
  CHECK(inbox.count("ok") == 1000);
  CHECK(executor.use(0).front().recycled == static_cast<std::uint64_t>(loads - 1));
  CHECK(loads > 3);
  CHECK(loads <= 1 + 1000 / 20);
  CHECK(alive == 0);
  CHECK(most_alive <= 1 + 3);  // the newest, and what each lane may still run
}

TEST_CASE("where a copy cannot be loaded anew the old one works on") {
  Script script;
  std::atomic<int> loads = 0;
  script.load = [&](DeviceContext&) {
    return ++loads == 1 ? std::optional<Error>() : Error{"out_of_memory", "no room for two"};
  };
  const auto stage = make_stage(script);
  auto recycled = plan(stage, 1, 1, {1, 1, 0});
  recycled.recycle.after_batches = 10;
  Inbox inbox;
  DeviceExecutor executor({recycled});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 100; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(100);
  executor.stop();
  CHECK(inbox.count("ok") == 100);
  CHECK(loads > 1);
  CHECK(executor.use(0).front().recycled == 0);
}
