#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace flowtts {

/// A hash of an id in which letter case, Unicode composition and compatibility forms do not count
/// (NFKC_Casefold), since some file systems do not tell such names apart. Where it differs for two
/// ids, their names differ on every file system.
std::uint64_t folded_id_hash(std::string_view id);

/// Counts how often an id has been seen, at 8 to 21 bytes for each different id: 16 MiB for a
/// million. Ids whose folded hashes agree count as one. One thread.
class IdTable {
 public:
  IdTable();

  /// How often an id with this folded hash was counted before this call.
  std::uint32_t count(std::uint64_t hash);

 private:
  void grow();
  bool insert(std::uint64_t hash);

  std::vector<std::uint64_t> slots_;  // Open addressing; 0 is free.
  std::size_t used_ = 0;
  std::unordered_map<std::uint64_t, std::uint32_t> repeats_;  // Only ids seen more than once.
};

}  // namespace flowtts
