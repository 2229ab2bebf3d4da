#include "stages/neural/worker/pool.h"

#include "tests/stages/neural/worker/pool_fixture.h"

using namespace flowtts;
using flowtts::testing::Codes;
using flowtts::testing::PoolFixture;
using flowtts::testing::WorkerVoice;

TEST_CASE_FIXTURE(PoolFixture, "A worker is given what the author of a voice needs") {
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

TEST_CASE_FIXTURE(PoolFixture,
                  "The seed of a sentence decides what a model draws, whatever went before") {
  const WorkerVoice voice("max_batch: 3");
  const auto pool = open(voice);
  const auto together = speak(*pool, {"one", "three", "eleven"});
  const auto alone = speak(*pool, {"three"});
  const auto again = speak(*pool, {"seven", "three"});
  REQUIRE(codes(together) == Codes{"ok", "ok", "ok"});
  CHECK(alone.front()->samples == again[1]->samples);
  CHECK(together[0]->samples != together[1]->samples);
}

TEST_CASE_FIXTURE(PoolFixture, "Sixteen-bit audio is taken as such") {
  const WorkerVoice voice;
  const auto pool = open(voice);
  const auto results = speak(*pool, {"pcm"});
  REQUIRE(results.front().ok());
  CHECK(results.front()->samples == std::vector<float>{0.5F, -1.0F});
}
