#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cli/command.h"
#include "tests/core/test_stages.h"
#include "tests/stages/temp_folder.h"

/// How `flowtts run` ends where a stage does not come back: in a process of its own, whose stages
/// hang for good.
namespace {

using namespace flowtts;
using namespace flowtts::testing;

/// In the child: runs the command, and writes a byte to `hangs` as soon as a stage hangs.
[[noreturn]] void run_child(const std::string& file, const std::string& says, int hangs) {
  if (!std::freopen(says.c_str(), "w", stderr) || !std::freopen("/dev/null", "w", stdout))
    _exit(99);
  StageRegistry& registry = StageRegistry::global();
  registry.add(make_stage_type<Numbers>());
  registry.add(make_stage_type<Add>());
  registry.add(make_stage_type<Twice>());
  registry.add(make_stage_type<Collect>());
  Probe::get().hold();
  sigset_t ends;
  ::sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaddset(&ends, signal);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // not this thread's
  std::thread([hangs] {
    Probe::get().wait_for_hanging(1);
    if (::write(hangs, "h", 1) != 1) _exit(98);
  }).detach();
  ::pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
  const int status = cli::run_command_line({"run", file});
  _exit(status);  // a command that waits for its threads at exit has not come here
}

struct Ended {
  int status = -1;
  bool run_json = false;
  std::string says;
};

/// \param signals sent once the stage hangs, with time in between, so that none is an echo.
Ended run_command(const std::string& settings, const std::string& stage,
                  const std::vector<int>& signals) {
  const TempFolder folder;
  const std::string out = (folder.path() / "out").string();
  const std::string says = (folder.path() / "says").string();
  const std::string file = folder.write(
      "run.yaml", "flowtts: 1\nname: hangs\nrun: {output: '" + out + "', threads: 4, " + settings +
                      "}\nstages:\n  - {id: load, type: numbers, with: {count: 30}}\n  - {" +
                      stage + "}\n  - {id: out, type: collect}\n");
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  std::fflush(nullptr);  // or the child would write it as well
  const pid_t child = ::fork();
  if (child == 0) run_child(file, says, pipe_ends[1]);
  ::close(pipe_ends[1]);
  char byte = 0;
  CHECK(::read(pipe_ends[0], &byte, 1) == 1);
  ::close(pipe_ends[0]);
  for (const int signal : signals) {
    ::kill(child, signal);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return {WEXITSTATUS(status), std::filesystem::exists(out + "/run.json"), read_whole_file(says)};
}

const std::string kOnThread = "id: a, type: add, concurrency: 2, with: {fault: hang, fault_at: 6}";
const std::string kOnLane = "id: a, type: twice, devices: cpu, with: {fault: hang, fault_at: 6}";

}  // namespace

TEST_CASE("a run that waits for a stage that hangs ends with status 3, and names it") {
  const Ended ended = run_command("hang_after_s: 0.5", kOnThread, {});
  CAPTURE(ended.says);
  CHECK(ended.status == 3);
  CHECK(ended.run_json);
  CHECK(ended.says.find("error: stage 'a' has been working on record n6 for ") !=
        std::string::npos);
}

TEST_CASE("an item that hangs on a lane leaves the run its status, and the command ends") {
  const Ended ended = run_command("hang_after_s: 0.5, on_error: {max_failed: 1}", kOnLane, {});
  CAPTURE(ended.says);
  CHECK(ended.status == 0);
  CHECK(ended.run_json);
}

TEST_CASE("a signal ends a run whose stage hangs") {
  for (const std::string& stage : {kOnThread, kOnLane}) {
    CAPTURE(stage);
    const Ended ended = run_command("drain_s: 0.1", stage, {SIGTERM});
    CAPTURE(ended.says);
    CHECK(ended.status == 143);
    CHECK(ended.run_json);
  }
}

TEST_CASE("a second signal ends it at once") {
  for (const std::string& stage : {kOnThread, kOnLane}) {
    CAPTURE(stage);
    const Ended ended = run_command("drain_s: 600", stage, {SIGINT, SIGTERM});
    CAPTURE(ended.says);
    CHECK(ended.status == 143);
    CHECK_FALSE(ended.run_json);
  }
}
