#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "core/device/executor.h"
#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;

/// Whether a binding of this test's runtime is in force on the thread.
thread_local DeviceId bound_to{DeviceKind::kCuda, -1};
constexpr DeviceId kNone{DeviceKind::kCuda, -1};

/// Counts what the executor does with a runtime.
struct Journal {
  std::mutex mutex;
  std::map<DeviceId, int> starts;
  std::map<DeviceId, std::uint64_t> limits;
  std::atomic<int> bindings = 0;
  std::atomic<int> bindings_gone_elsewhere = 0;
  bool side_by_side = false;
  std::function<std::optional<Error>(DeviceId)> on_start = [](DeviceId) {
    return std::optional<Error>();
  };
  std::function<void(DeviceId)> on_bind = [](DeviceId) {};
};

class TestBinding final : public LaneBinding {
 public:
  TestBinding(Journal& journal, DeviceId device)
      : journal_(journal), thread_(std::this_thread::get_id()) {
    bound_to = device;
    ++journal_.bindings;
  }
  ~TestBinding() override {
    if (thread_ != std::this_thread::get_id()) ++journal_.bindings_gone_elsewhere;
    bound_to = kNone;
    --journal_.bindings;
  }

 private:
  Journal& journal_;
  std::thread::id thread_;
};

class TestRuntime final : public DeviceRuntime {
 public:
  explicit TestRuntime(std::shared_ptr<Journal> journal) : journal_(std::move(journal)) {}

  Result<DeviceInfo> start(DeviceId device, MemoryLimit limit) override {
    const std::lock_guard lock(journal_->mutex);
    ++journal_->starts[device];
    journal_->limits[device] = limit.of(1000);
    if (auto error = journal_->on_start(device)) return *std::move(error);
    return DeviceInfo{device, "a test device", 1000, 900};
  }
  std::unique_ptr<LaneBinding> bind(DeviceId device) override {
    journal_->on_bind(device);
    return std::make_unique<TestBinding>(*journal_, device);
  }
  DeviceMemory memory(DeviceId device) const override {
    return {3, 2, 10 + static_cast<std::uint64_t>(device.index)};
  }
  bool loads_side_by_side() const override { return journal_->side_by_side; }

 private:
  std::shared_ptr<Journal> journal_;
};

/// Registers a runtime of its own for a test; returns its name.
std::string register_runtime(const std::shared_ptr<Journal>& journal) {
  static std::atomic<int> count = 0;
  std::string name = "executor_start_test_" + std::to_string(++count);
  register_device_runtime(name, [journal]() -> std::shared_ptr<DeviceRuntime> {
    return std::make_shared<TestRuntime>(journal);
  });
  return name;
}

DeviceStagePlan plan(const std::shared_ptr<AnyStage>& stage, const std::string& runtime,
                     int devices, int lanes) {
  DeviceStagePlan made;
  made.id = "speak";
  made.prototype = stage.get();
  made.runtime = runtime;
  for (int i = 0; i < devices; ++i) made.devices.push_back(cpu(i));
  made.lanes = lanes;
  made.batch = {1, 3.6e6, 0};
  return made;
}

}  // namespace

TEST_CASE("a stage is loaded once on each device's own copy, with the device bound") {
  const auto journal = std::make_shared<Journal>();
  std::mutex mutex;
  std::map<DeviceId, int> loads;
  std::atomic<int> unbound = 0;
  Script script;
  script.load = [&](DeviceContext& device) {
    const std::lock_guard lock(mutex);
    ++loads[device.device()];
    if (bound_to != device.device() || device.lane() != 0) ++unbound;
    return std::nullopt;
  };
  script.process = [&](Texts batch, DeviceContext& device) {
    if (bound_to != device.device()) ++unbound;
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  {
    DeviceExecutor executor({plan(stage, register_runtime(journal), 3, 2)});
    REQUIRE_FALSE(executor.start().has_value());
    CHECK(journal->bindings == 6);
    for (int id = 0; id < 200; ++id) executor.submit(0, inbox.job(id));
    inbox.wait_for(200);
    const auto use = executor.use(0);
    for (int i = 0; i < 3; ++i) {
      CHECK(use[static_cast<std::size_t>(i)].device.id == cpu(i));
      CHECK(use[static_cast<std::size_t>(i)].device.name == "a test device");
      CHECK(use[static_cast<std::size_t>(i)].memory.peak == 10U + static_cast<unsigned>(i));
    }
  }
  CHECK(loads == std::map<DeviceId, int>{{cpu(0), 1}, {cpu(1), 1}, {cpu(2), 1}});
  CHECK(unbound == 0);
  CHECK(journal->bindings == 0);
  CHECK(journal->bindings_gone_elsewhere == 0);
}

TEST_CASE("a copy goes when its last lane goes, while the device is bound there") {
  const auto journal = std::make_shared<Journal>();
  struct Model {
    DeviceId device;
    std::atomic<int>& right;
    std::atomic<int>& wrong;
    ~Model() { ++(bound_to == device ? right : wrong); }
  };
  std::atomic<int> right = 0;
  std::atomic<int> wrong = 0;
  Script script;
  script.make_model = [&](DeviceContext& device) {
    return std::shared_ptr<Model>(new Model{device.device(), right, wrong});
  };
  const auto stage = make_stage(script);
  {
    DeviceExecutor executor({plan(stage, register_runtime(journal), 3, 2)});
    REQUIRE_FALSE(executor.start().has_value());
    CHECK(right + wrong == 0);
    executor.stop();
    CHECK(right == 3);
    CHECK(wrong == 0);
  }

  // Also where another device's failure sends everybody home.
  right = 0;
  script.load = [](DeviceContext& device) -> std::optional<Error> {
    if (device.device() == cpu(2)) return Error{"no_model", "the model's file is missing"};
    return std::nullopt;
  };
  const auto failing = make_stage(script);
  DeviceExecutor executor({plan(failing, register_runtime(journal), 3, 2)});
  CHECK(executor.start().has_value());
  CHECK(right == 3);
  CHECK(wrong == 0);
}

TEST_CASE("a lane's thread bears the device's and the lane's name") {
  std::mutex mutex;
  std::map<std::string, std::string> names;
  Script script;
  script.process = [&](Texts batch, DeviceContext& device) {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    const std::lock_guard lock(mutex);
    names[device.device().text() + "/" + std::to_string(device.lane())] = name.data();
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, "host", 2, 2)});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 100; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(100);
  CHECK_FALSE(names.empty());
  for (const auto& [expected, name] : names) CHECK(name == expected);
}

TEST_CASE("where one device cannot be used nothing runs, and the Error names stage and device") {
  struct Case {
    std::string what;
    std::function<void(Journal&, Script&)> fail;
    std::string code;
    std::string message;
  };
  const Case cases[] = {
      {"load returns an Error",
       [](Journal&, Script& script) {
         script.load = [](DeviceContext& device) -> std::optional<Error> {
           if (device.device() != cpu(1)) return std::nullopt;
           return Error{"no_model", "the model's file is missing"};
         };
       },
       "no_model", "stage 'speak' on cpu:1: the model's file is missing"},
      {"load throws",
       [](Journal&, Script& script) {
         script.load = [](DeviceContext& device) -> std::optional<Error> {
           if (device.device() == cpu(1)) throw std::runtime_error("bad archive");
           return std::nullopt;
         };
       },
       "exception", "stage 'speak' on cpu:1: bad archive"},
      {"the device does not start",
       [](Journal& journal, Script&) {
         journal.on_start = [](DeviceId device) -> std::optional<Error> {
           if (device != cpu(1)) return std::nullopt;
           return Error{"device_lost", "it fell off the bus"};
         };
       },
       "device_lost", "stage 'speak' on cpu:1: it fell off the bus"},
      {"binding throws on the first lane",
       [](Journal& journal, Script&) {
         journal.on_bind = [](DeviceId device) {
           if (device == cpu(1)) throw std::runtime_error("no stream");
         };
       },
       "exception", "stage 'speak' on cpu:1: no stream"},
      {"binding throws on a later lane",
       [](Journal& journal, Script&) {
         journal.on_bind = [count = std::make_shared<std::atomic<int>>(0)](DeviceId device) {
           if (device == cpu(1) && ++*count == 2) throw std::runtime_error("no stream");
         };
       },
       "exception", "stage 'speak' on cpu:1: no stream"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto journal = std::make_shared<Journal>();
    std::atomic<int> batches = 0;
    Script script;
    script.process = [&](Texts batch, DeviceContext&) { return ++batches, echo(batch); };
    c.fail(*journal, script);
    const auto stage = make_stage(script);
    Inbox inbox;
    DeviceExecutor executor({plan(stage, register_runtime(journal), 3, 2)});
    executor.submit(0, inbox.job(0));
    const auto error = executor.start();
    REQUIRE(error.has_value());
    CHECK(error->code == c.code);
    CHECK(error->message == c.message);
    CHECK(inbox.of(0) == "error cancelled");
    executor.submit(0, inbox.job(1));
    CHECK(inbox.of(1) == "error cancelled");
    CHECK(batches == 0);
    CHECK(journal->bindings == 0);
  }
}

TEST_CASE("of several failures the one that stands first in the plan is told") {
  Script script;
  script.load = [](DeviceContext& device) -> std::optional<Error> {
    if (device.device() == cpu(0)) return std::nullopt;
    return Error{"no_model", "missing"};
  };
  const auto stage = make_stage(script);
  DeviceExecutor executor({plan(stage, "host", 4, 1)});
  const auto error = executor.start();
  REQUIRE(error.has_value());
  CHECK(error->message == "stage 'speak' on cpu:1: missing");
}

TEST_CASE("a stage without devices, or with a runtime that nobody has, does not start") {
  const auto stage = make_stage({});
  DeviceExecutor without({plan(stage, "host", 0, 1)});
  auto error = without.start();
  REQUIRE(error.has_value());
  CHECK(error->message == "stage 'speak' has no device");

  DeviceExecutor unknown({plan(stage, "hsot", 1, 1)});
  error = unknown.start();
  REQUIRE(error.has_value());
  CHECK(error->message.find("unknown device runtime 'hsot'") != std::string::npos);

  auto gpu = plan(stage, "host", 1, 1);
  gpu.devices = {{DeviceKind::kCuda, 0}};
  DeviceExecutor on_gpu({gpu});
  error = on_gpu.start();
  REQUIRE(error.has_value());
  CHECK(error->message.find("stage 'speak' on cuda:0: the device runtime 'host'") == 0);
}

TEST_CASE("a device is started once however many stages use it, under the run's limit") {
  const auto journal = std::make_shared<Journal>();
  const std::string runtime = register_runtime(journal);
  const auto stage = make_stage({});
  auto first = plan(stage, runtime, 2, 2);
  auto second = plan(stage, runtime, 2, 1);
  auto third = plan(stage, runtime, 1, 1);
  for (DeviceStagePlan* each : {&first, &second, &third}) each->memory_limit.share = 0.3;
  DeviceExecutor executor({first, second, third});
  REQUIRE_FALSE(executor.start().has_value());
  CHECK(journal->starts == std::map<DeviceId, int>{{cpu(0), 1}, {cpu(1), 1}});
  CHECK(journal->limits == std::map<DeviceId, std::uint64_t>{{cpu(0), 300}, {cpu(1), 300}});
  CHECK(journal->bindings == 7);
}

TEST_CASE("devices load one after another unless their runtime lets them load side by side") {
  const auto journal = std::make_shared<Journal>();
  const std::string runtime = register_runtime(journal);
  std::atomic<int> loading = 0;
  std::atomic<int> most = 0;
  Script script;
  script.load = [&](DeviceContext&) {
    most = std::max(most.load(), ++loading);
    std::this_thread::yield();
    --loading;
    return std::nullopt;
  };
  const auto one_by_one = make_stage(script);
  {
    DeviceExecutor executor({plan(one_by_one, runtime, 8, 1)});
    REQUIRE_FALSE(executor.start().has_value());
    CHECK(most == 1);
  }

  // Each waits for the others inside load: one after another they would never end.
  journal->side_by_side = true;
  std::barrier all(3);
  script.load = [&](DeviceContext&) {
    all.arrive_and_wait();
    return std::nullopt;
  };
  const auto together = make_stage(script);
  DeviceExecutor executor({plan(together, runtime, 3, 1)});
  CHECK_FALSE(executor.start().has_value());
}

TEST_CASE("a start that is cancelled ends early with that Error") {
  DeviceExecutor* starting = nullptr;
  std::atomic<int> loads = 0;
  Script script;
  script.load = [&](DeviceContext&) {
    ++loads;
    starting->cancel();
    return std::nullopt;
  };
  const auto stage = make_stage(script);
  const auto journal = std::make_shared<Journal>();  // Loads one after another.
  DeviceExecutor executor({plan(stage, register_runtime(journal), 8, 1)});
  starting = &executor;
  const auto error = executor.start();
  REQUIRE(error.has_value());
  CHECK(error->code == "cancelled");
  CHECK(loads == 1);
}
