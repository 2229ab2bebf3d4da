#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/run.h>

#include "tests/core/test_stages.h"

/// Whole runs of test stages, through the public functions.
namespace flowtts::testing {

/// Keeps what a run says.
class Listening final : public RunObserver {
 public:
  void message(MessageLevel, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    messages_.push_back(text);
  }
  void progress(const RunProgress& progress) override {
    const std::lock_guard lock(mutex_);
    last_ = progress;
  }
  std::vector<std::string> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  RunProgress last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  bool heard(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    for (const std::string& text : messages_) {
      if (text.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
  RunProgress last_;
};

/// What a run leaves.
struct Ran {
  RunReport report;
  std::vector<std::int64_t> numbers;  ///< That reached a sink, sorted.
  std::vector<Nums> gathered;         ///< That gathers made, sorted by id.
  std::shared_ptr<Listening> heard = std::make_shared<Listening>();

  const StageReport& stage(std::string_view id) const {
    for (const StageReport& stage : report.stages) {
      if (stage.id == id) return stage;
    }
    throw std::logic_error("no stage " + std::string(id));
  }
};

inline Pipeline compile_or_throw(const std::string& yaml,
                                 const StageRegistry& registry = test_registry()) {
  Pipeline::Options options;
  options.registry = &registry;
  options.gpus = [] { return std::vector<DeviceInfo>(); };
  Diagnostics found;
  auto pipeline = Pipeline::parse(yaml, "test.yaml", options, found);
  if (pipeline) return *std::move(pipeline);
  std::string text;
  for (const Diagnostic& one : found.sorted()) text += one.text() + "\n";
  throw std::logic_error(text);
}

inline std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& count) { return sum + count.second; });
}

/// What holds for every run that began.
inline void check_ledger(const Pipeline& pipeline, const RunReport& report) {
  CHECK(report.records.balanced());
  CHECK(report.items.balanced());
  CHECK(sum_of(report.filtered_items) == report.items.filtered);
  CHECK(sum_of(report.failed_items) == report.items.failed);
  CHECK(report.most_records_in_flight <= pipeline.settings().max_in_flight);
  CHECK(report.most_bytes_in_flight <= pipeline.settings().memory_limit.bytes);
  const bool whole =
      report.status == RunStatus::kSucceeded || report.status == RunStatus::kOverPolicy;
  if (whole) CHECK(report.records.unfinished == 0);
  if (whole) CHECK(report.items.unfinished == 0);
  if (report.abandoned_threads > 0) return;  // what waits behind them has not moved
  for (const StageReport& stage : report.stages) CHECK(stage.queued == 0);
}

struct HowToRun {
  std::string settings = "{max_in_flight: 8, on_error: {max_failed: 100%}}";
  std::stop_token stop = {};
  std::function<void(const Listening&)> meanwhile = {};  ///< On a thread of its own.
  double progress_every_s = 0.5;
};

/// Runs a pipeline of these stages, each a line as in a file.
inline Ran run_stages(const std::vector<std::string>& stages, const HowToRun& how = {}) {
  std::string yaml = "flowtts: 1\nname: test\nrun: " + how.settings + "\nstages:\n";
  for (const std::string& stage : stages) yaml += "  - {" + stage + "}\n";
  CAPTURE(yaml);
  Pipeline pipeline = compile_or_throw(yaml);
  Probe::get().reset();
  Probe::get().hold();
  Ran ran;
  RunOptions options;
  options.observer = ran.heard.get();
  options.stop = how.stop;
  options.progress_every_s = how.progress_every_s;
  {
    std::jthread other;
    if (how.meanwhile) other = std::jthread([&] { how.meanwhile(*ran.heard); });
    ran.report = run(pipeline, options);
  }
  ran.numbers = Probe::get().numbers();
  ran.gathered = Probe::get().gathered();
  std::sort(ran.gathered.begin(), ran.gathered.end(),
            [](const Nums& a, const Nums& b) { return a.id < b.id; });
  check_ledger(pipeline, ran.report);
  return ran;
}

/// first, first + step, ... : `count` of them.
inline std::vector<std::int64_t> counted(std::int64_t count, std::int64_t first = 0,
                                         std::int64_t step = 1) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(first + i * step);
  return numbers;
}

}  // namespace flowtts::testing
