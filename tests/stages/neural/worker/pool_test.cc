#include "stages/neural/worker/pool.h"

#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "tests/stages/neural/worker/worker_voice.h"

using namespace flowtts;
using flowtts::testing::Lines;
using flowtts::testing::WorkerVoice;

namespace {

/// A pool of the misbehaving worker, and what it says.
struct Fixture {
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

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(Fixture, "A worker is given what the author of a voice needs") {
  const WorkerVoice voice("numerics: float64");
  const auto pool = open(voice);
  CHECK(pool->ready().numerics == "float64");
  CHECK(pool->ready().device == "cpu");
  CHECK(pool->ready().sample_rate == 24000);
  std::vector<WorkerItem> asked = items({"Hello there."});
  asked.front().speed = 1.5;
  asked.front().seed = 0xFFFF'FFFF'FFFF'8000;
  const auto results = pool->speak(asked);
  REQUIRE(results.size() == 1);
  REQUIRE_MESSAGE(results.front().ok(), codes(results).front());
  const std::vector<float>& samples = results.front()->samples;
  REQUIRE(samples.size() == 5);
  CHECK(samples[0] == 12.0F / 1024);
  CHECK(samples[1] == 4.0F / 1024);
  CHECK(samples[2] == 1.5F);
  CHECK(samples[3] == 0.5F);
}

TEST_CASE_FIXTURE(Fixture, "The seed of a sentence decides what a model draws, whatever went before") {
  const WorkerVoice voice("max_batch: 3");
  const auto pool = open(voice);
  const auto together = speak(*pool, {"one", "three", "eleven"});
  const auto alone = speak(*pool, {"three"});
  const auto again = speak(*pool, {"seven", "three"});
  REQUIRE(codes(together) == Codes{"ok", "ok", "ok"});
  CHECK(alone.front()->samples == again[1]->samples);
  CHECK(together[0]->samples != together[1]->samples);
}

TEST_CASE_FIXTURE(Fixture, "Sixteen-bit audio is taken as such") {
  const WorkerVoice voice;
  const auto pool = open(voice);
  const auto results = speak(*pool, {"pcm"});
  REQUIRE(results.front().ok());
  CHECK(results.front()->samples == std::vector<float>{0.5F, -1.0F});
}
