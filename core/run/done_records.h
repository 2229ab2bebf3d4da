#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/record.h"

namespace flowtts {

/// What became of one record, as the journal keeps it.
struct DoneRecord {
  std::uint64_t index = 0;
  std::uint64_t content_hash = 0;
  Ending status = Ending::kWritten;
  RecordTally items;
};

/// The records that a journal says are done, by their place in the input. About 100 bytes each.
///
/// Not for several threads at once, but for calls that only read.
class DoneRecords {
 public:
  /// A record that is there already is replaced: it was done again.
  void add(DoneRecord record) { records_[record.index] = std::move(record); }
  void remove(std::uint64_t index) { records_.erase(index); }

  const DoneRecord* find(std::uint64_t index) const {
    const auto found = records_.find(index);
    return found == records_.end() ? nullptr : &found->second;
  }
  std::size_t size() const { return records_.size(); }

  /// A record of that place that says something else than the one that was done counts as a new
  /// one: the user has accepted that the input changed.
  void let_changed_be_new() { changed_are_new_ = true; }
  bool changed_are_new() const { return changed_are_new_; }

  auto begin() const { return records_.begin(); }
  auto end() const { return records_.end(); }

 private:
  std::map<std::uint64_t, DoneRecord> records_;
  bool changed_are_new_ = false;
};

}  // namespace flowtts
