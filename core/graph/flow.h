#pragma once

#include <memory>

#include "core/device/executor.h"
#include "core/run/done_records.h"
#include "core/run/run_state.h"

namespace flowtts {

/// The oneTBB flow graph of a pipeline, made once, run once: a node for each line of CPU stages,
/// which one thread works through with an item, for each device stage and each gather.
///
/// Lifecycle: constructed with everything that it refers to, then `run`. Threads: its own, which
/// end with `run`, but for those that are in a stage's call when the run is abandoned.
class Flow final {
 public:
  /// \param executor null where the pipeline has no device stage.
  /// \param done     the records that earlier sessions have done.
  Flow(Pipeline& pipeline, RunState& state, DeviceExecutor* executor, const DoneRecords& done);
  ~Flow();
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  /// Reads the source to its end and returns when every record has settled or was cancelled: true;
  /// or when the state says that the run is abandoned: false. Then this, the state and the executor
  /// must be kept for ever (keep_for_ever), since threads come back to them; the stages are shared
  /// with the pipeline.
  bool run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
