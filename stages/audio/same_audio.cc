#include "stages/audio/same_audio.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace flowtts {

std::optional<std::uint64_t> SameAudio::add(std::uint64_t sound, std::uint64_t text,
                                            std::uint64_t record) {
  const std::lock_guard lock(mutex_);
  if ((sound & mask_) != 0) return std::nullopt;
  const auto [place, added] =
      entries_.try_emplace(sound, Entry{text, record, record, 1, false, record, record});
  if (!added) {
    Entry& entry = place->second;
    const std::uint64_t other = entry.first == record ? entry.last : entry.first;
    const bool differs = entry.text != text;
    if (differs && !entry.differ) entry.another = record;
    entry.differ = entry.differ || differs;
    entry.first = std::min(entry.first, record);
    entry.last = std::max(entry.last, record);
    entry.count += 1;
    return differs ? std::optional(other) : std::nullopt;
  }
  while (entries_.size() > most_) {
    mask_ = mask_ * 2 + 1;
    std::erase_if(entries_, [&](const auto& entry) { return (entry.first & mask_) != 0; });
  }
  return std::nullopt;
}

SameAudio::Found SameAudio::found() const {
  constexpr std::size_t kNamed = 10;
  const std::lock_guard lock(mutex_);
  Found found;
  std::set<std::uint64_t> records;
  for (const auto& [sound, entry] : entries_) {
    if (!entry.differ) continue;
    found.sounds += 1;
    found.sentences += entry.count;
    records.insert({entry.first, entry.last});
    found.witnesses.insert(found.witnesses.end(), {entry.of_text, entry.another});
  }
  const std::size_t named = std::min(records.size(), kNamed);
  std::size_t left = named;
  for (const std::uint64_t record : records) {
    if (left-- == 0) break;
    found.records += fmt::format("{}#{}", found.records.empty() ? "" : ", ", record);
  }
  if (records.size() > named) {
    found.records += fmt::format(" and {} others", records.size() - named);
  }
  return found;
}

std::size_t SameAudio::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace flowtts
