#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace flowtts {

/// Finds different texts that were given the same sound, to the bit: a voice, or what is around it,
/// that mixes sentences up or has stopped listening.
///
/// What it finds does not depend on the order in which sounds come, nor on threads. So it is about
/// all of them together, and told at the end: which of two alike came first is chance, and nothing
/// in a sound says whose it is.
///
/// Memory: `most` sounds, about 96 bytes each, so 50 MB for the usual bound. Of more sounds it
/// keeps those whose hash is divisible by 2, then 4 and so on: a fixed choice, again independent of
/// order, by which a voice that says the same again and again is still found.
///
/// Any thread.
class SameAudio {
 public:
  static constexpr std::size_t kMost = 512 * 1024;

  explicit SameAudio(std::size_t most = kMost) : most_(most) {}

  /// \param sound,text hashes. \param record the record's place in the input.
  /// \return another record's place, where this sound has come for a different text before.
  std::optional<std::uint64_t> add(std::uint64_t sound, std::uint64_t text, std::uint64_t record);

  struct Found {
    std::size_t sounds = 0;     ///< That were given to different texts.
    std::size_t sentences = 0;  ///< That have one of them.
    std::string records;        ///< "#3, #17 and 4 others", in the order of the input.
    /// Of each such sound two records with different texts, whichever came first: what it takes to
    /// find it again.
    std::vector<std::uint64_t> witnesses;
  };
  Found found() const;

  std::size_t size() const;

 private:
  struct Entry {
    std::uint64_t text = 0;     ///< Of whichever came first; compared with, never told.
    std::uint64_t first = 0;    ///< The lowest of the records.
    std::uint64_t last = 0;     ///< The highest.
    std::uint32_t count = 0;    ///< Sentences.
    bool differ = false;        ///< In their texts.
    std::uint64_t of_text = 0;  ///< A record with that text.
    std::uint64_t another = 0;  ///< Where they differ, one with another.
  };

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::uint64_t mask_ = 0;  ///< Sounds with any of these bits are not kept.
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace flowtts
