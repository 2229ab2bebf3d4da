#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/graph/record.h"
#include "core/run/done_records.h"
#include "core/run/run_state.h"

namespace flowtts {

/// Where the graph begins: the source, and the record filters that it asks itself.
struct SourceStages {
  std::size_t source = 0;
  std::vector<std::size_t> filters;
  std::size_t last() const { return filters.empty() ? source : filters.back(); }
};

/// Reads the records from the source, decides which of them enter, waits for their credits, and
/// sends them into the graph. The only part that waits for credits.
///
/// Threads: one, which may block in the source.
class Reader {
 public:
  /// \param listener of the records.
  /// \param gathers  how many gathers a record meets.
  Reader(std::vector<PipelineStage>& stages, SourceStages at, std::size_t gathers, RunState& state,
         const DoneRecords& done, RecordListener& listener)
      : stages_(stages),
        at_(std::move(at)),
        gathers_(gathers),
        state_(state),
        reading_(state.reading()),
        done_(done),
        listener_(listener) {}

  /// To the end of the source, or until nothing more is to be read. Errors end the run.
  /// \param send takes a record's packet, for all followers of the last of the source's stages.
  void read(const std::function<void(const PacketPtr&)>& send);

 private:
  /// A record filter's own mistake: the record is made, and fails.
  struct FilterError {
    std::size_t filter;
    Error error;
  };
  using Asked = std::optional<FilterError>;

  bool is_done(const RecordKey& key);
  bool keep(const RecordKey& key, Asked& failed);
  bool keep_when_made(const RecordKey& key);
  bool may_enter(AnySourceRecord& record, std::size_t& made_by);
  bool enter(AnySourceRecord next, std::size_t made_by,
             const std::function<void(const PacketPtr&)>& send);
  std::uint64_t weight(const AnyPayload& origin) const;

  std::vector<PipelineStage>& stages_;
  const SourceStages at_;
  const std::size_t gathers_;
  RunState& state_;
  const std::stop_token reading_;
  const DoneRecords& done_;
  RecordListener& listener_;
  /// The records that the source has asked about, may make and has not made yet.
  std::unordered_multimap<std::uint64_t, Asked> asked_;
  std::uint64_t entered_ = 0;  ///< Records.
};

}  // namespace flowtts
