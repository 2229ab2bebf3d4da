#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/stage.h>

#include "core/device/executor.h"

/// A device stage whose behaviour each test writes down, and what goes with it.
namespace flowtts::device_test {

struct Text {
  static constexpr std::string_view kPayloadName = "device_test_text";
  int id = 0;
  std::size_t length = 1;
  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().field("id", id).end_object(); }
};

using Texts = std::span<const BatchItem<Text>>;
using TextResults = std::vector<Result<Text>>;

struct Script {
  std::function<std::optional<Error>(DeviceContext&)> load = [](DeviceContext&) {
    return std::optional<Error>();
  };
  std::function<TextResults(Texts, DeviceContext&)> process;
  std::function<std::size_t(const Text&)> length = [](const Text& text) { return text.length; };
  std::size_t max_batch = 0;
  std::function<std::shared_ptr<void>(DeviceContext&)> make_model;
};

struct Scripted final : DeviceStage<Text, Text> {
  std::shared_ptr<const Script> script;
  std::shared_ptr<void> model;

  std::optional<Error> load(DeviceContext& device) {
    if (script->make_model) model = script->make_model(device);
    return script->load(device);
  }
  std::size_t length(const Text& text) const { return script->length(text); }
  std::size_t max_batch(DeviceId) const { return script->max_batch; }
  TextResults process_batch(Texts batch, DeviceContext& device) const {
    return script->process(batch, device);
  }
};

/// Gives every item back as it came.
inline TextResults echo(Texts batch) {
  TextResults results;
  for (const auto& item : batch) results.emplace_back(item.payload);
  return results;
}
inline TextResults echo_on(Texts batch, DeviceContext&) { return echo(batch); }

inline std::shared_ptr<AnyStage> make_stage(Script script) {
  auto stage = std::make_shared<StageAdapter<Scripted>>();
  if (!script.process) script.process = echo_on;
  static_cast<Scripted*>(stage->object())->script =
      std::make_shared<const Script>(std::move(script));
  return stage;
}

inline DeviceId cpu(int index) { return {DeviceKind::kCpu, index}; }

constexpr double kHour = 3.6e6;  // As max_wait_ms: only full batches leave.

/// The stage on so many CPU devices, as the executor is given it.
inline DeviceStagePlan plan(const std::shared_ptr<AnyStage>& stage, int devices, int lanes,
                            BatchPolicy batch = {1, kHour, 0}) {
  DeviceStagePlan made;
  made.id = "speak";
  made.prototype = stage.get();
  for (int i = 0; i < devices; ++i) made.devices.push_back(cpu(i));
  made.lanes = lanes;
  made.batch = batch;
  return made;
}

/// What a job's item refers to.
struct Owner {
  RecordKey record;
  std::vector<std::uint32_t> path{0};
};

/// Makes jobs, and collects what became of them.
class Inbox {
 public:
  DeviceJob job(int id, std::size_t length = 1) {
    return job(id, length,
               [this, id](Result<AnyPayload> result, std::size_t) { put(id, std::move(result)); });
  }

  static DeviceJob job(int id, std::size_t length,
                       std::function<void(Result<AnyPayload>, std::size_t)> done) {
    auto owner = std::make_shared<Owner>();
    owner->record.id = std::to_string(id);
    const Item item{owner->record, owner->path};
    return DeviceJob{AnyPayload::of(Text{id, length}), item, owner, std::move(done)};
  }

  void put(int id, const Result<AnyPayload>& result) {
    const std::lock_guard lock(mutex_);
    ++calls_;
    outcomes_[id].push_back(describe(result));
    changed_.notify_all();
  }

  /// Returns when `count` calls of `done` have come in.
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= count; });
  }

  std::size_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  /// "ok 7", "error code", "filtered reason"; with "twice" in it where `done` came more than once,
  /// empty where it never came.
  std::string of(int id) const {
    const std::lock_guard lock(mutex_);
    const auto found = outcomes_.find(id);
    if (found == outcomes_.end()) return "";
    return found->second.size() == 1 ? found->second.front() : "twice: " + found->second.front();
  }

  std::size_t count(const std::string& outcome) const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [id, outcomes] : outcomes_) {
      for (const std::string& one : outcomes) count += one.starts_with(outcome) ? 1U : 0U;
    }
    return count;
  }

 private:
  static std::string describe(const Result<AnyPayload>& result) {
    if (result.is_error()) return "error " + result.error().code;
    if (result.is_filtered()) return "filtered " + result.filtered().reason;
    return "ok " + std::to_string(result->as<Text>()->id);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, std::vector<std::string>> outcomes_;
  std::size_t calls_ = 0;
};

/// A door that threads wait at until it is opened for good.
class Door {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  /// Returns when `count` threads have come to the door.
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

}  // namespace flowtts::device_test
