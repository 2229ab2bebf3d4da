#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace flowtts {

/// What a call has made for itself because a cache had no room for it; it lives as long as the
/// call.
using Kept = std::vector<std::shared_ptr<const void>>;

template <class Entry>
struct Found {
  const Entry* entry;
  bool cached;  ///< Lives as long as the cache; else as long as the `Kept` of the call.
};

/// Remembers immutable entries by their key, up to a bound in bytes; what comes when it is full is
/// made anew each time. Nothing is ever forgotten: words follow Zipf's law, so the frequent ones
/// come early, and an entry that stays can be pointed to and read without a lock.
///
/// `Entry` has a `std::string key`, `std::size_t bytes() const`, all that it takes, and
/// `bool may_stay() const`, false where it points to what does not. Any number of threads may call
/// at once; two that make the same entry at the same time both use the one that was first.
template <class Entry>
class GrowOnlyCache {
 public:
  /// Takes at most `most_bytes` for entries and 8 bytes for each of `slots`, a power of two.
  GrowOnlyCache(std::size_t slots, std::size_t most_bytes)
      : most_bytes_(most_bytes), mask_(slots - 1), slots_(slots) {}
  GrowOnlyCache(const GrowOnlyCache&) = delete;
  GrowOnlyCache& operator=(const GrowOnlyCache&) = delete;
  ~GrowOnlyCache() {
    for (std::atomic<const Entry*>& slot : slots_) delete slot.load(std::memory_order_relaxed);
  }

  /// The entry of that key, or the one that `make(key)` makes, a std::unique_ptr<const Entry>. What
  /// there is no room for, or may not stay, is put into `kept`.
  template <class Make>
  Found<Entry> get(std::string_view key, Kept& kept, Make&& make) {
    if (const Entry* const known = find(key)) return {known, true};
    std::unique_ptr<const Entry> made = make(key);
    if (const Entry* const stays = made->may_stay() ? insert(made) : nullptr) return {stays, true};
    kept.push_back(std::shared_ptr<const Entry>(std::move(made)));
    return {static_cast<const Entry*>(kept.back().get()), false};
  }

 private:
  static constexpr std::size_t kProbes = 32;

  static std::size_t hash(std::string_view key) { return std::hash<std::string_view>{}(key); }

  const Entry* find(std::string_view key) const {
    const std::size_t start = hash(key);
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
      const Entry* const entry = slots_[(start + probe) & mask_].load(std::memory_order_acquire);
      if (entry == nullptr) return nullptr;
      if (entry->key == key) return entry;
    }
    return nullptr;
  }

  /// Takes the entry, or leaves it where there is no room.
  const Entry* insert(std::unique_ptr<const Entry>& entry) {
    const std::size_t bytes = entry->bytes();
    if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most_bytes_) {
      const std::size_t start = hash(entry->key);
      for (std::size_t probe = 0; probe < kProbes; ++probe) {
        std::atomic<const Entry*>& slot = slots_[(start + probe) & mask_];
        const Entry* other = nullptr;
        if (slot.compare_exchange_strong(other, entry.get(), std::memory_order_acq_rel)) {
          return entry.release();
        }
        if (other->key == entry->key) {
          bytes_.fetch_sub(bytes, std::memory_order_relaxed);
          return other;
        }
      }
    }
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return nullptr;
  }

  const std::size_t most_bytes_;
  const std::size_t mask_;
  std::atomic<std::size_t> bytes_ = 0;
  std::vector<std::atomic<const Entry*>> slots_;
};

}  // namespace flowtts
