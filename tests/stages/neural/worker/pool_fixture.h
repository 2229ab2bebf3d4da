#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/stages/neural/worker/worker_voice.h"

namespace flowtts::testing {

/// A pool of the misbehaving worker, and what it says.
struct PoolFixture {
  Lines log;
  Lines warnings;
  PoolPolicy policy{.first_delay = std::chrono::milliseconds(1)};

  Result<std::unique_ptr<WorkerPool>> try_open(const WorkerVoice& voice) {
    WorkerPlan plan;
    plan.voice = voice.config();
    plan.device = "cpu";
    const auto sdk = worker_sdk_folder();
    REQUIRE_MESSAGE(sdk.ok(), (sdk.is_error() ? sdk.error().message : ""));
    plan.environment = worker_environment(own_environment(), {}, "", *sdk);
    plan.name = "worker cpu:0";
    plan.log = log.taker();
    return WorkerPool::open(std::move(plan), policy, warnings.taker());
  }

  std::unique_ptr<WorkerPool> open(const WorkerVoice& voice) {
    auto pool = try_open(voice);
    REQUIRE_MESSAGE(pool.ok(), (pool.is_error() ? pool.error().message : ""));
    return std::move(pool).value();
  }

  static std::vector<WorkerItem> items(const std::vector<std::string>& texts) {
    std::vector<WorkerItem> all;
    for (const std::string& text : texts) {
      WorkerItem item;
      item.text = text;
      item.speaker = "anna";
      item.seed = 1000 + text.size();
      all.push_back(item);
    }
    return all;
  }

  static std::vector<Result<VoiceSound>> speak(WorkerPool& pool,
                                               const std::vector<std::string>& texts) {
    std::vector<WorkerItem> all = items(texts);
    return pool.speak(all);
  }

  /// The codes of the errors, "ok" or "filtered".
  static std::vector<std::string> codes(const std::vector<Result<VoiceSound>>& results) {
    std::vector<std::string> all;
    for (const auto& result : results) {
      all.push_back(result.ok() ? "ok" : result.is_error() ? result.error().code : "filtered");
    }
    return all;
  }
};

/// One a sentence.
using Codes = std::vector<std::string>;

}  // namespace flowtts::testing
