#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/payloads.h>

namespace flowtts {

/// What a record is in its shard: for each piece of audio a member of JSON and one of audio. The
/// audio stays where it is; this object holds it.
class ShardRecord {
 public:
  /// \return where the audio begins, in bytes from the record's beginning.
  std::uint64_t add(std::shared_ptr<const AudioClip> clip, std::string json);

  std::uint64_t size() const { return size_; }
  std::uint64_t checksum() const;  ///< XXH3-64 of all bytes.
  /// All bytes, one piece after the other. Valid as long as this object stays as it is.
  std::span<const std::string_view> pieces() const { return pieces_; }

 private:
  void add_own(std::string bytes);
  void add_piece(std::string_view bytes);

  std::vector<std::shared_ptr<const AudioClip>> clips_;
  std::deque<std::string> own_;  ///< Headers, JSON and padding.
  std::vector<std::string_view> pieces_;
  std::uint64_t size_ = 0;
};

}  // namespace flowtts
