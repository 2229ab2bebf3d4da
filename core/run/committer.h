#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/run/done_records.h"
#include "core/run/output_folder.h"

namespace flowtts {

/// Makes settled records done, a group at a time: lets the stages sync what they have written,
/// syncs the dead letters, and only then writes the group into the journal. One sync serves many
/// records, and no stage waits for it.
///
/// A group is closed when its first record has waited for `every`, or kMost have come together.
/// Where something cannot be synced, `failed` is told once, and nothing more becomes done.
///
/// Lifecycle: a thread of its own from construction to `finish`, which makes the last group done.
/// `settled` may be called from any thread until then.
class Committer {
 public:
  static constexpr std::size_t kMost = 4096;

  /// \param stages their `commit` is called, in this order.
  Committer(OutputFolder& folder, std::vector<const PipelineStage*> stages,
            std::chrono::duration<double> every, std::function<void(const Error&)> failed);
  ~Committer() { finish(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  void settled(DoneRecord record);
  void finish();

 private:
  void work();
  std::vector<DoneRecord> next_group();
  std::optional<Error> commit(const std::vector<DoneRecord>& group);

  OutputFolder& folder_;
  const std::vector<const PipelineStage*> stages_;
  const std::chrono::steady_clock::duration every_;
  const std::function<void(const Error&)> failed_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<DoneRecord> waiting_;
  bool finishing_ = false;
  std::thread thread_;  ///< Last: it starts when everything else is there.
};

}  // namespace flowtts
