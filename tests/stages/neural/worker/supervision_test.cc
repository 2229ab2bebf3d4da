#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/stages/neural/worker/pool_fixture.h"

using namespace flowtts;
using flowtts::testing::Codes;
using flowtts::testing::PoolFixture;
using flowtts::testing::WorkerVoice;

TEST_CASE_FIXTURE(PoolFixture, "What goes wrong with a sentence is an error of that sentence") {
  struct Case {
    std::string text;
    std::string code;
    std::string says;
  };
  const Case cases[] = {
      {"raise", "worker_error", "ValueError: cannot say 'raise'"},
      {"lie", "worker_bad_audio", "said 100 samples of f32 and gave 384 bytes, which are 96"},
      {"nan", "worker_bad_audio", "sample 1 of 2 that the worker gave is nan"},
      {"silence", "worker_no_audio", "audio without samples"},
      {"short", "worker_error", "gave 0 audios for 1 items"},
      {"nothing", "filtered", ""},
      {"hello", "ok", ""},
  };
  const WorkerVoice voice;
  const auto pool = open(voice);
  for (const Case& each : cases) {
    INFO(each.text);
    // The worker that lied has sent an answer more than it should: it is replaced.
    const auto results = speak(*pool, {each.text});
    CHECK(codes(results) == Codes{each.code});
    if (results.front().is_error()) {
      CHECK_MESSAGE(results.front().error().message.find(each.says) != std::string::npos,
                    results.front().error().message);
      CHECK_FALSE(results.front().error().fatal);
    }
  }
}

TEST_CASE_FIXTURE(PoolFixture, "One bad sentence of a batch fails alone, and the worker lives on") {
  const WorkerVoice voice("max_batch: 8");
  const auto pool = open(voice);
  CHECK(codes(speak(*pool, {"a", "raise", "b", "nothing", "silence", "c"})) ==
        Codes{"ok", "worker_error", "ok", "filtered", "worker_no_audio", "ok"});
  CHECK(pool->restarts() == 0);
  CHECK(voice.starts() == 1);
}

TEST_CASE_FIXTURE(PoolFixture, "Answers may come in any order") {
  const WorkerVoice backwards("max_batch: 8, backwards: true");
  const WorkerVoice forwards("max_batch: 8");
  const auto one = open(backwards);
  const auto other = open(forwards);
  const std::vector<std::string> texts{"a", "bb", "ccc", "dddd"};
  const auto results = speak(*one, texts);
  const auto wanted = speak(*other, texts);
  REQUIRE(codes(results) == Codes{"ok", "ok", "ok", "ok"});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK(results[i]->samples[0] == wanted[i]->samples[0]);
    CHECK(results[i]->samples[3] == wanted[i]->samples[3]);
  }
}

TEST_CASE_FIXTURE(PoolFixture, "A worker that dies once costs nobody anything") {
  const WorkerVoice voice("max_batch: 8");
  const WorkerVoice calm("max_batch: 8");
  const auto pool = open(voice);
  const auto undisturbed = open(calm);
  const std::vector<std::string> texts{"a", "b once:1", "c", "d once:2", "e"};
  const auto results = speak(*pool, texts);
  REQUIRE(codes(results) == Codes{"ok", "ok", "ok", "ok", "ok"});
  for (const char* name : {"1", "2"}) std::ofstream(calm.folder() / name) << "";
  const auto wanted = speak(*undisturbed, texts);
  for (std::size_t i = 0; i < texts.size(); ++i) CHECK(results[i]->samples == wanted[i]->samples);
  CHECK(voice.starts() == 3);
  CHECK(pool->restarts() == 2);
  CHECK(log.all().find("the worker has died: signal 9 (Killed)") != std::string::npos);
  CHECK(warnings.all().find("it is started again") != std::string::npos);
}

TEST_CASE_FIXTURE(PoolFixture, "A sentence that kills twice while alone fails, and it alone") {
  for (const std::string word : {"die", "garbage"}) {
    INFO(word);
    const WorkerVoice voice("max_batch: 4");
    const auto pool = open(voice);
    const auto results = speak(*pool, {"first", word, "third", "fourth"});
    CHECK(codes(results) ==
          Codes{"ok", word == "die" ? "worker_died" : "worker_garbage", "ok", "ok"});
    REQUIRE(results[1].is_error());
    CHECK_FALSE(results[1].error().retryable);
    CHECK(results[1].error().message.starts_with("2 times in a row with this sentence alone: "));
    CHECK(codes(speak(*pool, {"afterwards"})) == Codes{"ok"});
  }
}

TEST_CASE_FIXTURE(PoolFixture,
                  "A worker that hangs is found out, whether its process is alive or not") {
  struct Case {
    std::string word;
    std::string keys;
    std::string says;
  };
  const Case cases[] = {
      {"hang", "item_timeout_s: 3\n", "the worker did not finish in time"},
      {"freeze", "heartbeat_timeout_s: 3\n", "the worker gave no sign of life for 3 s"},
  };
  for (const Case& each : cases) {
    INFO(each.word);
    const WorkerVoice voice("", each.keys);
    const auto pool = open(voice);
    const auto results = speak(*pool, {each.word});
    CHECK(codes(results) == Codes{"worker_hung"});
    if (!results.front().is_error()) continue;
    CHECK_MESSAGE(results.front().error().message.find(each.says) != std::string::npos,
                  results.front().error().message);
    CHECK(codes(speak(*pool, {"afterwards"})) == Codes{"ok"});
  }
}

TEST_CASE_FIXTURE(PoolFixture,
                  "An answer that nobody has asked for costs the worker, and no sentence") {
  const WorkerVoice voice("max_batch: 4");
  const auto pool = open(voice);
  CHECK(codes(speak(*pool, {"first", "twice", "third"})) == Codes{"ok", "ok", "ok"});
  CHECK(pool->restarts() == 1);
  CHECK(log.all().find("was not asked or is answered already") != std::string::npos);
}

TEST_CASE_FIXTURE(PoolFixture, "What a worker prints is in the log, and harms nothing") {
  const WorkerVoice voice;
  const auto pool = open(voice);
  CHECK(codes(speak(*pool, {"print", "after"})) == Codes{"ok", "ok"});
  while (log.all().find("line 49 of a talkative model") == std::string::npos) {
    std::this_thread::yield();
  }
  CHECK(log.all().find("worker cpu:0/0: loading on cpu, CUDA_VISIBLE_DEVICES=''") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(PoolFixture, "A worker that has done its share is replaced") {
  const WorkerVoice voice("", "recycle: {after_items: 3}\n");
  const auto pool = open(voice);
  for (int i = 0; i < 10; ++i) CHECK(codes(speak(*pool, {"hello"})) == Codes{"ok"});
  CHECK(voice.starts() == 4);
  CHECK(pool->restarts() == 0);
  CHECK(log.all().find("is replaced after 3 items") != std::string::npos);
}

TEST_CASE_FIXTURE(PoolFixture, "With a worker goes all that it has started") {
  const WorkerVoice voice;
  pid_t child = 0;
  {
    const auto pool = open(voice);
    CHECK(codes(speak(*pool, {"fork"})) == Codes{"ok"});
    std::ifstream(voice.folder() / "child") >> child;
    REQUIRE(child > 0);
    CHECK(::kill(child, 0) == 0);
    CHECK(codes(speak(*pool, {"die"})) == Codes{"worker_died"});
  }
  // A zombie answers signals until init has taken it.
  const auto alive = [&] {
    std::ifstream stat(fmt::format("/proc/{}/stat", child));
    std::string number;
    std::string name;
    std::string state;
    return (stat >> number >> name >> state) && state != "Z" && state != "X";
  };
  while (alive()) std::this_thread::yield();
  CHECK_FALSE(alive());
}

TEST_CASE_FIXTURE(PoolFixture,
                  "A worker that never lives to speak ends the device, not the patience") {
  policy.most_deaths = 4;
  const WorkerVoice voice;
  const auto pool = open(voice);
  CHECK(codes(speak(*pool, {"die"})) == Codes{"worker_died"});
  CHECK(codes(speak(*pool, {"die"})) == Codes{"worker_died"});
  const auto results = speak(*pool, {"hello"});
  REQUIRE(results.front().is_error());
  CHECK(results.front().error().code == kDeviceLostCode);
  CHECK(results.front().error().message.find("died 4 times in a row without speaking a sentence") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(PoolFixture, "A worker that does not start says why") {
  struct Case {
    std::string options;
    std::string keys;
    std::string argument;
    std::string code;
    std::string says;
  };
  const Case cases[] = {
      {"load: exit", "", "", "worker_died",
       "the worker has died: exit status 3; its last lines:\n"},
      {"load: exit", "", "", "worker_died", "there is no such model"},
      {"load: raise", "", "", "worker_load_failed", "RuntimeError: the weights are torn"},
      {"load: hang", "start_timeout_s: 2\n", "", "worker_hung", "did not finish in time"},
      {"", "", "--exit-at-hello", "worker_died", "no module named torch"},
      {"", "", "--protocol-2", "worker_refused", "speaks version 2 of the protocol (SDK 1.0)"},
      {"sample_rate: 16000", "", "", "worker_refused",
       "the voice file says 24000 Hz, and the worker makes 16000 Hz"},
      {"speakers: [anna, rob]", "", "", "worker_refused",
       "the speaker 'bob', which the model has not; it has anna or rob; did you mean 'rob'?"},
  };
  for (const Case& each : cases) {
    INFO(each.says);
    const WorkerVoice voice(each.options, each.keys, each.argument);
    const auto pool = try_open(voice);
    REQUIRE(pool.is_error());
    CHECK(pool.error().code == each.code);
    CHECK(pool.error().fatal);
    CHECK_MESSAGE(pool.error().message.find(each.says) != std::string::npos, pool.error().message);
  }
}

TEST_CASE_FIXTURE(PoolFixture,
                  "Lanes share the workers, and as many are started as there is work for") {
  policy.workers = 3;
  const WorkerVoice voice("sleep: 0.02");
  const auto pool = open(voice);
  CHECK(voice.starts() == 1);
  std::vector<std::jthread> lanes;
  std::atomic<int> spoken = 0;
  for (int lane = 0; lane < 3; ++lane) {
    lanes.emplace_back([&] {
      // Until all have started: the work is not to end before.
      for (int i = 0; i < 5 || voice.starts() < 3; ++i) {
        if (speak(*pool, {"hello"}).front().ok()) ++spoken;
      }
    });
  }
  lanes.clear();
  CHECK(spoken >= 15);
  CHECK(voice.starts() == 3);
  CHECK(pool->processes().size() == 3);
}

TEST_CASE_FIXTURE(PoolFixture, "Fewer workers are started where host memory does not suffice") {
  policy.workers = 3;
  const WorkerVoice voice("", "memory: 4TiB\n");
  const auto refused = try_open(voice);
  REQUIRE(refused.is_error());
  CHECK(refused.error().code == "not_enough_memory");

  const auto free = HostMemory::global().free();
  REQUIRE(free.has_value());
  const WorkerVoice large("", fmt::format("memory: {}\n", *free * 3 / 5));
  const auto pool = open(large);
  CHECK(codes(speak(*pool, {"hello"})) == Codes{"ok"});
  while (warnings.all().empty()) std::this_thread::yield();
  CHECK(warnings.all().find("worker cpu:0: 1 of 3 workers work: each takes ") == 0);
  CHECK(codes(speak(*pool, {"hello"})) == Codes{"ok"});
  CHECK(large.starts() == 1);
}

TEST_CASE_FIXTURE(PoolFixture, "A killed worker's sentences are spoken by others") {
  policy.workers = 2;
  const WorkerVoice voice("max_batch: 4, sleep: 0.02");
  const auto pool = open(voice);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(std::string(static_cast<std::size_t>(i + 1), 'x'));
  const auto wanted = speak(*pool, texts);
  std::vector<Result<VoiceSound>> results;
  std::atomic<bool> ended = false;
  std::jthread lane([&] {
    results = speak(*pool, texts);
    ended = true;
  });
  // Each process once, so that no sentence is alone with two that die.
  const std::vector<pid_t> first = pool->processes();
  for (const pid_t process : first) ::kill(process, SIGKILL);
  lane.join();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    REQUIRE(results[i].ok());
    CHECK(results[i]->samples == wanted[i]->samples);
  }
}
