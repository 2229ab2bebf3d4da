#include "stages/neural/worker/environment.h"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "stages/neural/worker/host_memory.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

TEST_CASE("A worker sees its own card, the SDK, and otherwise what FlowTTS sees") {
  struct Case {
    std::vector<std::string> base;
    DeviceId device;
    std::set<std::string> wanted;
  };
  const Case cases[] = {
      {{"HOME=/h"},
       {DeviceKind::kCpu, 0},
       {"HOME=/h", "CUDA_VISIBLE_DEVICES=", "PYTHONPATH=/sdk", "PYTHONUNBUFFERED=1",
        "FLOWTTS_WORKER_FD=3", "OMP_NUM_THREADS=1"}},
      {{"CUDA_VISIBLE_DEVICES=1,2", "PYTHONPATH=/mine", "OMP_NUM_THREADS=4",
        "CUDA_VISIBLE_DEVICES_OF_OTHERS=7"},
       {DeviceKind::kCpu, 3},
       {"CUDA_VISIBLE_DEVICES=", "PYTHONPATH=/sdk:/mine", "PYTHONUNBUFFERED=1",
        "FLOWTTS_WORKER_FD=3", "OMP_NUM_THREADS=4", "CUDA_VISIBLE_DEVICES_OF_OTHERS=7"}},
      {{"CUDA_VISIBLE_DEVICES=1,2", "FLOWTTS_WORKER_FD=9"},
       {DeviceKind::kCuda, 1},
       {"CUDA_VISIBLE_DEVICES=GPU-12", "PYTHONPATH=/sdk", "PYTHONUNBUFFERED=1",
        "FLOWTTS_WORKER_FD=3"}},
  };
  for (const Case& each : cases) {
    const auto made = worker_environment(each.base, each.device, "GPU-12", "/sdk");
    CHECK(std::set<std::string>(made.begin(), made.end()) == each.wanted);
    CHECK(made.size() == each.wanted.size());
  }
}

TEST_CASE("A card that is not there is named") {
  const auto none = card_uuid({DeviceKind::kCuda, 99});
  REQUIRE(none.is_error());
  CHECK(none.error().message.starts_with("there is no cuda:99"));
  CHECK(card_uuid({DeviceKind::kCpu, 0}).value().empty());
}

TEST_CASE("Memory is what the kernel calls available, or what the container's limit leaves") {
  struct Case {
    std::string most;
    std::string used;
    std::string stat;
    std::uint64_t wanted;
  };
  const Case cases[] = {
      {"", "", "", 8'000 * 1024},
      {"max", "1000", "", 8'000 * 1024},
      {"3000000", "1000000", "", 2'000'000},
      {"3000000", "1000000", "anon 600000\ninactive_file 400000\n", 2'400'000},
      {"3000000", "4000000", "", 0},
      {"90000000000", "1000", "", 8'000 * 1024},
  };
  for (const Case& each : cases) {
    const TempFolder root;
    std::filesystem::create_directories(root.path() / "proc");
    std::filesystem::create_directories(root.path() / "sys/fs/cgroup");
    root.write("proc/meminfo", "MemTotal: 16000 kB\nMemFree: 100 kB\nMemAvailable: 8000 kB\n");
    if (!each.most.empty()) {
      root.write("sys/fs/cgroup/memory.max", each.most + "\n");
      root.write("sys/fs/cgroup/memory.current", each.used + "\n");
      root.write("sys/fs/cgroup/memory.stat", each.stat);
    }
    CHECK(available_memory(root.path()) == each.wanted);
  }
  const TempFolder nothing;
  CHECK_FALSE(available_memory(nothing.path()).has_value());
}

TEST_CASE("What a worker is expected to take counts as taken until it is gone") {
  HostMemory memory;
  const auto before = memory.free();
  REQUIRE(before.has_value());
  constexpr std::uint64_t kTera = std::uint64_t{1} << 40U;
  {
    HostMemory::Room room = memory.take(kTera);
    CHECK(memory.free() == 0);
    const HostMemory::Room moved = std::move(room);
    CHECK(memory.free() == 0);
  }
  CHECK(*memory.free() > 0);
}
