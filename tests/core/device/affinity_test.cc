#include "core/device/affinity.h"

#include <sched.h>

#include <doctest/doctest.h>

using flowtts::parse_cpu_list;

TEST_CASE("the kernel's lists of cores are read, and what is none gives no core") {
  using Cores = std::vector<int>;
  CHECK(parse_cpu_list("0-3,8,10-11") == Cores{0, 1, 2, 3, 8, 10, 11});
  CHECK(parse_cpu_list("5") == Cores{5});
  for (const char* bad : {"", "x", "1-", "3-1", "0,,2", "0-99999", "-1", "1;2"}) {
    CAPTURE(bad);
    CHECK(parse_cpu_list(bad).empty());
  }
}

TEST_CASE("a thread that serves a CPU device keeps the cores that it has") {
  cpu_set_t before, after;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  flowtts::keep_thread_near({flowtts::DeviceKind::kCpu, 0});
  REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
}
