// A library (LD_PRELOAD) in which memory runs out: operator new throws std::bad_alloc.
//
//   FLOWTTS_NEW_FAILS_AT  which call of operator new, counted from 1 over all threads; 0: none
//   FLOWTTS_NEW_FAILS     how many calls fail from there on; 1 unless told otherwise
//   FLOWTTS_NEW_COUNT     a file that gets the number of calls when the program ends
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

std::atomic<std::uint64_t> calls{0};

bool fails() {
  static const std::uint64_t at = number("FLOWTTS_NEW_FAILS_AT", 0);
  static const std::uint64_t many = number("FLOWTTS_NEW_FAILS", 1);
  const std::uint64_t call = calls.fetch_add(1, std::memory_order_relaxed) + 1;
  return at > 0 && call >= at && call - at < many;
}

void* allocate(std::size_t size) { return fails() ? nullptr : std::malloc(size == 0 ? 1 : size); }
void* allocate(std::size_t size, std::align_val_t alignment) {
  void* memory = nullptr;
  const auto bytes = static_cast<std::size_t>(alignment);
  const std::size_t least = bytes < sizeof(void*) ? sizeof(void*) : bytes;
  if (fails() || ::posix_memalign(&memory, least, size == 0 ? 1 : size) != 0) return nullptr;
  return memory;
}
void* or_throw(void* memory) {
  if (!memory) throw std::bad_alloc();
  return memory;
}

struct Count {
  ~Count() {
    const char* path = std::getenv("FLOWTTS_NEW_COUNT");
    if (!path) return;
    if (std::FILE* file = std::fopen(path, "w")) {
      std::fprintf(file, "%llu\n", static_cast<unsigned long long>(calls.load()));
      std::fclose(file);
    }
  }
};
const Count kCount;

}  // namespace

void* operator new(std::size_t size) { return or_throw(allocate(size)); }
void* operator new[](std::size_t size) { return or_throw(allocate(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return or_throw(allocate(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return or_throw(allocate(size, alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
