#include "stages/neural/worker/host_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr std::uint64_t kReserveShare = 16;

/// The number behind `name` in a file such as /proc/meminfo, which counts in KiB.
std::optional<std::uint64_t> kibibytes(const std::filesystem::path& file, std::string_view name) {
  std::ifstream stream(file);
  std::string word;
  std::uint64_t number = 0;
  while (stream >> word) {
    if (word == name && stream >> number) return number * 1024;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> whole_number(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string word;
  std::uint64_t number = 0;
  if (!(stream >> word)) return std::nullopt;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (failed != std::errc() || end != word.data() + word.size()) return std::nullopt;  // "max"
  return number;
}

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from - std::min(from, what); }

}  // namespace

std::optional<std::uint64_t> available_memory(const std::filesystem::path& root) {
  std::optional<std::uint64_t> available = kibibytes(root / "proc/meminfo", "MemAvailable:");
  const std::filesystem::path group = root / "sys/fs/cgroup";
  const auto most = whole_number(group / "memory.max");
  const auto used = whole_number(group / "memory.current");
  if (most && used) {
    // The page cache counts as used and is given up on demand.
    std::ifstream stream(group / "memory.stat");
    std::string name;
    std::uint64_t number = 0;
    std::uint64_t cache = 0;
    while (stream >> name >> number) {
      if (name == "inactive_file") cache = number;
    }
    const std::uint64_t left = less(*most, less(*used, cache));
    available = available ? std::min(*available, left) : left;
  }
  return available;
}

ProcessMemory process_memory(pid_t process) {
  const std::filesystem::path file = fmt::format("/proc/{}/status", process);
  return {kibibytes(file, "VmRSS:").value_or(0), kibibytes(file, "VmHWM:").value_or(0)};
}

HostMemory& HostMemory::global() {
  static HostMemory instance;
  return instance;
}

std::optional<std::uint64_t> HostMemory::free() {
  const auto available = available_memory();
  if (!available) return std::nullopt;
  const std::uint64_t reserve = kibibytes("/proc/meminfo", "MemTotal:").value_or(0) / kReserveShare;
  std::uint64_t expected = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, share] : shares_) {
    expected += less(share.bytes, share.process > 0 ? process_memory(share.process).now : 0);
  }
  return less(less(*available, reserve), expected);
}

HostMemory::Room HostMemory::take(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = next_++;
  shares_[number] = {bytes, 0};
  return {*this, number};
}

void HostMemory::Room::belongs_to(pid_t process) {
  if (!memory_) return;
  const std::lock_guard lock(memory_->mutex_);
  memory_->shares_[number_].process = process;
}

void HostMemory::Room::reset() {
  if (!memory_) return;
  const std::lock_guard lock(memory_->mutex_);
  memory_->shares_.erase(number_);
  memory_ = nullptr;
}

}  // namespace flowtts
