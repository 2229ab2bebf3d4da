#include "core/device/executor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "core/cores.h"
#include "core/device/run_batch.h"
#include "tests/core/device/scripted_stage.h"

namespace {

using namespace flowtts;
using namespace flowtts::device_test;

/// What process_batch was given, from any lane.
class BatchLog {
 public:
  void add(Texts batch) {
    std::vector<int> ids;
    for (const auto& item : batch) ids.push_back(item.payload.id);
    const std::lock_guard lock(mutex_);
    batches_.push_back(std::move(ids));
  }
  std::vector<std::vector<int>> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::vector<int>> batches_;
};

}  // namespace

TEST_CASE(
    "every job is done once with its own result, whoever submits and whichever device works") {
  constexpr int kThreads = 8;
  constexpr int kEach = 500;
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 3, 2, {7, 0.1, 60})});
  REQUIRE_FALSE(executor.start().has_value());
  std::vector<std::jthread> submitters;
  for (int t = 0; t < kThreads; ++t) {
    submitters.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        executor.submit(0, inbox.job(t * kEach + i, static_cast<std::size_t>(1 + i % 40)));
      }
    });
  }
  inbox.wait_for(kThreads * kEach);
  executor.stop();
  for (int id = 0; id < kThreads * kEach; ++id) REQUIRE(inbox.of(id) == "ok " + std::to_string(id));

  std::uint64_t items = 0;
  for (const DeviceUse& use : executor.use(0)) {
    items += use.last.items;
    CHECK(use.lanes == 2);
    CHECK(use.last.items >= use.last.batches);
    CHECK(use.last.padded_length >= use.last.length);
    CHECK(use.first.batches == 0);
  }
  CHECK(items == kThreads * kEach);
}

TEST_CASE("a batch leaves as soon as it is full, and no sooner while its items may wait") {
  BatchLog log;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) { return log.add(batch), echo(batch); };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 2, {4, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 3; ++id) executor.submit(0, inbox.job(id));
  CHECK(executor.queued(0) == 3);
  executor.submit(0, inbox.job(3));
  inbox.wait_for(4);
  CHECK(log.batches() == std::vector<std::vector<int>>{{0, 1, 2, 3}});
  CHECK(executor.queued(0) == 0);
}

TEST_CASE("lanes work on while results are delivered elsewhere, and deliver where that cannot be") {
  const auto stage = make_stage({});
  Inbox inbox;
  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::function<void()>> held;
  std::atomic<bool> refuse = false;
  DeviceExecutor executor({plan(stage, 1, 1, {4, kHour, 0})});
  executor.deliver_by([&](std::function<void()> results) {
    if (refuse) throw std::bad_alloc();
    const std::lock_guard lock(mutex);
    held.push_back(std::move(results));
    came.notify_one();
  });
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 12; ++id) executor.submit(0, inbox.job(id));
  {
    std::unique_lock lock(mutex);
    came.wait(lock, [&] { return held.size() == 3; });
  }
  CHECK(inbox.count("ok") == 0);
  for (const auto& results : held) results();
  CHECK(inbox.count("ok") == 12);
  refuse = true;
  for (int id = 12; id < 16; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(16);
  for (int id = 0; id < 16; ++id) CHECK(inbox.of(id) == "ok " + std::to_string(id));
}

TEST_CASE("lanes that sleep are woken by the item that fills a batch") {
  // The pauses let the lanes fall asleep again after each item; whether they have does not decide
  // the test, but whoever is not woken sleeps for an hour.
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 2, 1, {3, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 30; ++id) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    executor.submit(0, inbox.job(id));
    if (id % 3 == 2) inbox.wait_for(static_cast<std::size_t>(id) + 1);
  }
  CHECK(inbox.count("ok") == 30);
}

TEST_CASE("a batch that is not full leaves when its oldest item has waited") {
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 2, 2, {64, 1, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 5; ++id) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    executor.submit(0, inbox.job(id));
    inbox.wait_for(static_cast<std::size_t>(id) + 1);
  }
  CHECK(inbox.count("ok") == 5);
}

TEST_CASE("after flush nothing waits for company, what is there or what comes later") {
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 2, {64, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 3; ++id) executor.submit(0, inbox.job(id));
  executor.flush();
  inbox.wait_for(3);
  executor.submit(0, inbox.job(3));
  inbox.wait_for(4);
  CHECK(inbox.count("ok") == 4);
}

TEST_CASE("batches keep max_items, the stage's own limit and the padded length") {
  struct Case {
    BatchPolicy policy;
    std::size_t own;
    std::size_t most;
  };
  for (const Case& c : {Case{{5, 0, 0}, 0, 5}, Case{{64, 0, 0}, 3, 3}, Case{{2, 0, 0}, 3, 2},
                        Case{{64, 0, 40}, 0, 4}}) {
    CAPTURE(c.most);
    std::atomic<std::size_t> most = 0;
    Door door;
    Script script;
    script.max_batch = c.own;
    script.process = [&](Texts batch, DeviceContext&) {
      if (batch[0].payload.id == 0) door.pass();
      std::size_t longest = 0;
      for (const auto& item : batch) longest = std::max(longest, item.payload.length);
      const std::size_t size = batch.size();
      if (c.policy.max_length > 0 && size > 1) CHECK(size * longest <= c.policy.max_length);
      if (size > most) most = size;
      return echo(batch);
    };
    const auto stage = make_stage(script);
    Inbox inbox;
    DeviceExecutor executor({plan(stage, 1, 1, c.policy)});
    REQUIRE_FALSE(executor.start().has_value());
    executor.submit(0, inbox.job(0, 10));
    door.wait_for(1);  // The rest queues up behind the first.
    for (int id = 1; id < 40; ++id) executor.submit(0, inbox.job(id, 10));
    executor.submit(0, inbox.job(40, 1000));  // Longer than max_length: alone.
    door.open();
    inbox.wait_for(41);
    CHECK(most == c.most);
    CHECK(inbox.count("ok") == 41);
  }
}

TEST_CASE("a fast device never waits for a slow one: both pull from one queue") {
  // Two devices stay in their first batch until the third one has done all the rest. Were the work
  // dealt out in advance, this would never end.
  constexpr int kJobs = 300;
  Inbox inbox;
  Door door;
  Script script;
  script.process = [&](Texts batch, DeviceContext& device) {
    if (device.device().index != 1) {
      door.pass();
    } else {
      door.wait_for(2);
    }
    return echo(batch);
  };
  const auto stage = make_stage(script);
  DeviceExecutor executor({plan(stage, 3, 1)});
  REQUIRE_FALSE(executor.start().has_value());
  int id = 0;
  for (; id < kJobs; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(kJobs - 2);
  CHECK(executor.queued(0) == 0);
  door.open();
  inbox.wait_for(kJobs);
  const auto use = executor.use(0);
  CHECK(use[0].last.items == 1);
  CHECK(use[1].last.items == kJobs - 2);
  CHECK(use[2].last.items == 1);
}

TEST_CASE("three devices of unequal speed share one queue, and a faster one does more") {
  constexpr std::array kMilliseconds{1, 4, 16};
  Script script;
  script.process = [&](Texts batch, DeviceContext& device) {
    const auto index = static_cast<std::size_t>(device.device().index);
    std::this_thread::sleep_for(std::chrono::milliseconds(kMilliseconds.at(index)));
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 3, 1)});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 400; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(400);
  const auto use = executor.use(0);
  CHECK(use[0].last.items > use[1].last.items);
  CHECK(use[1].last.items > use[2].last.items);
  CHECK(use[2].last.items > 0);
}

TEST_CASE("an exception fails the item that causes it, alone") {
  struct Case {
    std::function<void()> raise;
    std::string outcome;
    std::vector<std::vector<int>> batches;
  };
  const std::vector<std::vector<int>> one_by_one{{0, 1, 2, 3}, {0}, {1}, {2}, {3}};
  const std::vector<std::vector<int>> in_halves{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1}, {2, 3},
                                                {2},          {2},          {3}};
  const Case cases[] = {
      {[] { throw std::runtime_error("a poisoned item"); }, "error exception", one_by_one},
      {[] { throw std::bad_alloc(); }, "error out_of_memory", in_halves},
      {[] { throw 7; }, "error exception", one_by_one},
  };
  for (const Case& c : cases) {
    BatchLog log;
    Script script;
    script.process = [&](Texts batch, DeviceContext&) {
      log.add(batch);
      for (const auto& item : batch) {
        if (item.payload.id == 2) c.raise();
      }
      return echo(batch);
    };
    const auto stage = make_stage(script);
    Inbox inbox;
    DeviceExecutor executor({plan(stage, 1, 1, {4, kHour, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    for (int id = 0; id < 4; ++id) executor.submit(0, inbox.job(id));
    inbox.wait_for(4);
    CHECK(inbox.of(2) == c.outcome);
    CHECK(inbox.count("ok") == 3);
    CHECK(log.batches() == c.batches);

    executor.submit(0, inbox.job(10));  // The lane lives on.
    executor.flush();
    inbox.wait_for(5);
    CHECK(inbox.of(10) == "ok 10");
    CHECK(executor.use(0)[0].last.batches == 2);
    CHECK(executor.use(0)[0].last.items == 5);
  }
}

TEST_CASE("a batch that no longer throws when it is run item by item loses nothing") {
  std::atomic<int> calls = 0;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) {
    if (++calls == 1) throw std::runtime_error("out of something");
    return echo(batch);
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {3, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 3; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(3);
  CHECK(inbox.count("ok") == 3);
  CHECK(calls == 4);
}

TEST_CASE("a wrong number of results is an Error of each item, at once") {
  for (const std::size_t returned : {0U, 1U, 2U, 4U}) {
    CAPTURE(returned);
    std::atomic<int> calls = 0;
    Script script;
    script.process = [&](Texts batch, DeviceContext&) {
      ++calls;
      return TextResults(returned, batch[0].payload);
    };
    const auto stage = make_stage(script);
    Inbox inbox;
    DeviceExecutor executor({plan(stage, 1, 1, {3, kHour, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    for (int id = 0; id < 3; ++id) executor.submit(0, inbox.job(id));
    inbox.wait_for(3);
    CHECK(inbox.count("error wrong_result_count") == 3);
    CHECK(calls == 1);
  }
}

TEST_CASE("what a stage returns goes through: values, what is filtered, errors and fatal ones") {
  Script script;
  script.process = [](Texts batch, DeviceContext&) {
    TextResults results;
    for (const auto& item : batch) {
      if (item.payload.id == 1) {
        results.emplace_back(Filtered{"unspeakable"});
      } else if (item.payload.id == 2) {
        results.emplace_back(Error{"disk_full", "nothing can be written", false, true});
      } else {
        results.emplace_back(Text{item.payload.id + 100, 1});
      }
    }
    return results;
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  std::atomic<bool> fatal = false;
  DeviceExecutor executor({plan(stage, 1, 1, {3, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  executor.submit(0, inbox.job(0));
  executor.submit(0, inbox.job(1));
  executor.submit(0, Inbox::job(2, 1, [&](Result<AnyPayload> result, std::size_t) {
                    fatal = result.error().fatal;
                    inbox.put(2, result);
                  }));
  inbox.wait_for(3);
  CHECK(inbox.of(0) == "ok 100");
  CHECK(inbox.of(1) == "filtered unspeakable");
  CHECK(inbox.of(2) == "error disk_full");
  CHECK(fatal);
}

TEST_CASE("a stage sees each item's record, path and payload") {
  Script script;
  script.process = [](Texts batch, DeviceContext&) {
    TextResults results;
    for (const auto& item : batch) {
      const bool right = item.item.record.id == std::to_string(item.payload.id) &&
                         item.item.path == std::vector<std::uint32_t>{0};
      results.emplace_back(Text{right ? 1 : 0, 1});
    }
    return results;
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1, {2, kHour, 0})});
  REQUIRE_FALSE(executor.start().has_value());
  executor.submit(0, inbox.job(5));
  executor.submit(0, inbox.job(6));
  inbox.wait_for(2);
  CHECK(inbox.count("ok 1") == 2);
}

TEST_CASE("cancel gives up what has not begun, at once, and lets the lanes finish") {
  Door door;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) { return door.pass(), echo(batch); };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 2, 1)});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 10; ++id) executor.submit(0, inbox.job(id));
  door.wait_for(2);
  executor.cancel();
  CHECK(inbox.count("error cancelled") == 8);
  executor.submit(0, inbox.job(10));
  CHECK(inbox.of(10) == "error cancelled");
  CHECK(inbox.count("ok") == 0);
  door.open();
  executor.stop();
  CHECK(inbox.count("ok") == 2);
  CHECK(inbox.calls() == 11);
}

TEST_CASE("cancel cuts a batch short that is being run again item by item") {
  Inbox inbox;
  DeviceExecutor* running = nullptr;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) {
    if (batch.size() > 1) throw std::runtime_error("as a whole");
    if (batch[0].payload.id == 1) running->cancel();
    return echo(batch);
  };
  const auto stage = make_stage(script);
  DeviceExecutor executor({plan(stage, 1, 1, {4, kHour, 0})});
  running = &executor;
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 4; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(4);
  CHECK(inbox.of(0) == "ok 0");
  CHECK(inbox.of(1) == "ok 1");
  CHECK(inbox.of(2) == "error cancelled");
  CHECK(inbox.of(3) == "error cancelled");
}

TEST_CASE("no job is lost or done twice when the run is cancelled under many submitters") {
  constexpr int kThreads = 6;
  constexpr int kEach = 300;
  for (int round = 0; round < 10; ++round) {
    const auto stage = make_stage({});
    Inbox inbox;
    DeviceExecutor executor({plan(stage, 3, 2, {5, 0.05, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kEach; ++i) executor.submit(0, inbox.job(t * kEach + i));
        });
      }
      threads.emplace_back([&] {
        inbox.wait_for(static_cast<std::size_t>(round) * 100);
        executor.cancel();
      });
      threads.emplace_back([&] {
        inbox.wait_for(static_cast<std::size_t>(round) * 150);
        executor.stop();
      });
    }
    executor.stop();
    CHECK(inbox.calls() == kThreads * kEach);
    CHECK(inbox.count("ok") + inbox.count("error cancelled") == kThreads * kEach);
    for (int id = 0; id < kThreads * kEach; ++id) REQUIRE_FALSE(inbox.of(id).starts_with("twice"));
  }
}

TEST_CASE("what is still queued when the executor stops or goes is done as cancelled") {
  const auto stage = make_stage({});
  Inbox inbox;
  {
    DeviceExecutor executor({plan(stage, 1, 1, {64, kHour, 0})});
    REQUIRE_FALSE(executor.start().has_value());
    executor.submit(0, inbox.job(0));
    executor.stop();
    CHECK(inbox.of(0) == "error cancelled");
    executor.submit(0, inbox.job(1));
    CHECK(inbox.of(1) == "error cancelled");
    REQUIRE(executor.start().has_value());
  }
  {
    DeviceExecutor never_started({plan(stage, 1, 1)});
    never_started.submit(0, inbox.job(2));
    CHECK(never_started.queued(0) == 1);
  }
  CHECK(inbox.of(2) == "error cancelled");
}

TEST_CASE("jobs that come before the start wait for it") {
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 2, 1)});
  for (int id = 0; id < 5; ++id) executor.submit(0, inbox.job(id));
  CHECK(executor.queued(0) == 5);
  CHECK(inbox.calls() == 0);
  REQUIRE_FALSE(executor.start().has_value());
  inbox.wait_for(5);
  CHECK(inbox.count("ok") == 5);
}

TEST_CASE("a stage whose length throws fails that item and no other") {
  Script script;
  script.length = [](const Text& text) {
    if (text.id == 1) throw std::runtime_error("no length");
    return text.length;
  };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1)});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 3; ++id) executor.submit(0, inbox.job(id));
  inbox.wait_for(3);
  CHECK(inbox.of(1) == "error exception");
  CHECK(inbox.count("ok") == 2);
}

TEST_CASE("an item's results may be submitted to the next device stage from where they arrive") {
  const auto stage = make_stage({});
  Inbox inbox;
  auto first = plan(stage, 2, 1, {4, 0.1, 0});
  auto second = plan(stage, 2, 2, {3, 0.1, 0});
  second.id = "vocode";
  DeviceExecutor executor({first, second});
  REQUIRE_FALSE(executor.start().has_value());
  for (int id = 0; id < 100; ++id) {
    executor.submit(0, Inbox::job(id, 1, [&, id](const Result<AnyPayload>& result, std::size_t) {
                      if (result.ok()) executor.submit(1, inbox.job(id));
                    }));
  }
  inbox.wait_for(100);
  CHECK(inbox.count("ok") == 100);
  CHECK(executor.use(0)[0].last.items + executor.use(0)[1].last.items == 100);
  CHECK(executor.use(1)[0].last.items + executor.use(1)[1].last.items == 100);
}

TEST_CASE("what a job keeps alive is let go once it is done") {
  const auto stage = make_stage({});
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 1, 1)});
  REQUIRE_FALSE(executor.start().has_value());
  std::vector<std::weak_ptr<const void>> owners;
  for (int id = 0; id < 20; ++id) {
    DeviceJob job = inbox.job(id);
    owners.emplace_back(job.owner);
    executor.submit(0, std::move(job));
  }
  inbox.wait_for(20);
  executor.stop();
  for (const auto& owner : owners) CHECK(owner.expired());
}

TEST_CASE("the batch that has been on a lane for longest is told, with its device and record") {
  Door door;
  Script script;
  script.process = [&](Texts batch, DeviceContext&) { return door.pass(), echo(batch); };
  const auto stage = make_stage(script);
  Inbox inbox;
  DeviceExecutor executor({plan(stage, 2, 2)});
  REQUIRE_FALSE(executor.start().has_value());
  CHECK_FALSE(executor.oldest_running(0).has_value());
  executor.submit(0, inbox.job(41));
  door.wait_for(1);
  executor.submit(0, inbox.job(42));
  door.wait_for(2);
  const auto oldest = executor.oldest_running(0);
  REQUIRE(oldest.has_value());
  CHECK(oldest->record_id == "41");
  CHECK(oldest->seconds >= 0);
  CHECK(oldest->device.kind == DeviceKind::kCpu);
  door.open();
  inbox.wait_for(2);
  executor.stop();
  CHECK_FALSE(executor.oldest_running(0).has_value());
}

TEST_CASE("lanes are as many as the plan says, or shared out among the run's CPU devices") {
  const auto stage = make_stage({});
  const auto lanes = [&](int devices, int wanted) {
    DeviceExecutor executor({plan(stage, devices, wanted)});
    REQUIRE_FALSE(executor.start().has_value());
    const auto use = executor.use(0);
    REQUIRE(use.size() == static_cast<std::size_t>(devices));
    for (const DeviceUse& one : use) CHECK(one.lanes == use[0].lanes);
    return use[0].lanes;
  };
  CHECK(lanes(2, 3) == 3);
  CHECK(lanes(1, 0) == usable_cores());
  CHECK(lanes(2, 0) == std::max(1, usable_cores() / 2));
  CHECK(lanes(100, 0) == std::max(1, usable_cores() / 100));
}

TEST_CASE("what a batch gives is one result an item, even where the stage returns none") {
  Script script;
  script.process = [](Texts, DeviceContext&) { return TextResults{}; };
  const auto stage = make_stage(script);
  DeviceContext device(cpu(0), 0);
  std::vector<LaneJob> jobs;
  for (int id = 0; id < 3; ++id) jobs.push_back({Inbox::job(id, 1, {})});
  const auto outcomes = run_batch({stage, {}}, BatchHalf::kWhole, jobs, 3, device, false);
  REQUIRE(outcomes.size() == 3);
  for (const JobOutcome& outcome : outcomes) {
    CHECK(outcome.result.error().code == "wrong_result_count");
  }
}
