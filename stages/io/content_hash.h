#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// XXH3-128 over the contents of files, one after the other, streamed: about as fast as they can be
/// read.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;

  void add_bytes(std::string_view bytes);
  /// Error "unreadable_file", which is fatal.
  std::optional<Error> add_file(const std::filesystem::path& file);

  std::string hex() const;  ///< 32 digits.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flowtts
