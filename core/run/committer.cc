#include "core/run/committer.h"

#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"

namespace flowtts {

Committer::Committer(OutputFolder& folder, std::vector<const PipelineStage*> stages,
                     std::chrono::duration<double> every, std::function<void(const Error&)> failed)
    : folder_(folder),
      stages_(std::move(stages)),
      every_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(every)),
      failed_(std::move(failed)),
      thread_([this] { work(); }) {}

void Committer::settled(DoneRecord record) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(record));
    wake = waiting_.size() == 1 || waiting_.size() == kMost;
  }
  if (wake) changed_.notify_one();
}

void Committer::finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::vector<DoneRecord> Committer::next_group() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finishing_ || !waiting_.empty(); });
  changed_.wait_for(lock, every_, [&] { return finishing_ || waiting_.size() >= kMost; });
  return std::exchange(waiting_, {});
}

void Committer::work() {
  while (true) {
    const std::vector<DoneRecord> group = next_group();
    if (group.empty()) return;  // finishing
    if (const auto error = commit(group)) {
      failed_(*error);
      return;
    }
  }
}

std::optional<Error> Committer::commit(const std::vector<DoneRecord>& group) {
  try {
    for (const PipelineStage* stage : stages_) {
      if (auto error = stage->stage->commit()) {
        error->message = fmt::format("stage '{}': {}", stage->id, error->message);
        error->fatal = true;
        return error;
      }
    }
    if (auto error = folder_.sync_failures()) return error;
    return folder_.journal().append(group);
  } catch (...) {
    Error error = error_from_exception();
    error.fatal = true;
    return error;
  }
}

}  // namespace flowtts
