#pragma once

/// ThreadSanitizer sees only code that was compiled with it. That a task of oneTBB begins after it
/// was spawned, and a graph's wait returns after its bodies, is arranged inside libtbb, where it
/// cannot look; so these tell it, about the one object that is handed over. They do nothing else,
/// and without the sanitizer nothing at all.
#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace flowtts {

/// All that this thread has done comes before the `taken_over` of whoever is given the object.
inline void handed_over([[maybe_unused]] const void* object) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(const_cast<void*>(object));
#endif
}

inline void taken_over([[maybe_unused]] const void* object) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(const_cast<void*>(object));
#endif
}

}  // namespace flowtts
