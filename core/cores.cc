#include "core/cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

namespace flowtts {
namespace {

/// The container's quota in whole cores, rounded up; 0 where there is none.
int quota_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "max 100000", or microseconds in a period.
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::min(std::ceil(quota / period), 1e6));
}

}  // namespace

int usable_cores() {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int quota = quota_cores();
  return quota > 0 ? std::min(cores, quota) : cores;
}

}  // namespace flowtts
