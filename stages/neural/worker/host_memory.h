#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace flowtts {

/// The bytes of memory that programs may still take: what the kernel calls available, or what the
/// container's limit (cgroup version 2) leaves where that is less. Nothing where it is not known.
/// \param root the file system's, for a test.
std::optional<std::uint64_t> available_memory(const std::filesystem::path& root = "/");

/// What a process has in memory, bytes, now and at the most; 0 where it is gone.
struct ProcessMemory {
  std::uint64_t now = 0;
  std::uint64_t most = 0;
};
ProcessMemory process_memory(pid_t process);

/// The host memory that workers were started for. A process takes its memory little by little, so
/// what the living ones have not taken yet counts as taken. Thread-safe.
class HostMemory {
 public:
  /// The one for all voices of this process.
  static HostMemory& global();

  /// Room for one process, given back with the object.
  class Room {
   public:
    Room() = default;
    Room(HostMemory& memory, std::uint64_t number) : memory_(&memory), number_(number) {}
    ~Room() { reset(); }
    Room(Room&& other) noexcept { swap(other); }
    Room& operator=(Room&& other) noexcept {
      swap(other);
      return *this;
    }
    /// Who takes it.
    void belongs_to(pid_t process);
    void reset();

   private:
    void swap(Room& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(number_, other.number_);
    }
    HostMemory* memory_ = nullptr;
    std::uint64_t number_ = 0;
  };

  /// What may still be taken, beside a reserve of a sixteenth for the rest of the machine; nothing
  /// where it is not known.
  std::optional<std::uint64_t> free();

  /// Takes room whether it is there or not; `free` is for who wants to know first.
  Room take(std::uint64_t bytes);

 private:
  struct Share {
    std::uint64_t bytes = 0;
    pid_t process = 0;
  };
  std::mutex mutex_;
  std::map<std::uint64_t, Share> shares_;
  std::uint64_t next_ = 1;
};

}  // namespace flowtts
