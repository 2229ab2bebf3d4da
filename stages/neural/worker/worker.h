#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <flowtts/result.h>

#include "stages/neural/voice.h"
#include "stages/neural/worker/messages.h"
#include "stages/neural/worker/process.h"

namespace flowtts {

/// What the workers of a voice on a device have in common.
struct WorkerPlan {
  VoiceConfig voice;
  std::string device;                           ///< As the worker sees it: "cuda:0", or "cpu".
  std::uint64_t memory_bytes = 0;               ///< Of the device's memory, for one worker; 0: any.
  std::vector<std::string> environment;         ///< Of the processes, all of it.
  std::string name;                             ///< Before its lines in the log: "worker cuda:2".
  std::function<void(const std::string&)> log;  ///< Any thread.
};

/// One running process that speaks a voice: started, loaded and held to the protocol.
///
/// The first of a voice's workers loads alone, in this process and in others on the machine, so
/// that what models build in their folders at the first start is built once; later ones load side
/// by side (load_lock.h).
///
/// For one thread at a time. The destructor ends the process: in order where it is idle, by force
/// where it does not go.
class Worker {
 public:
  /// Starts a process and waits until its model is loaded. An Error with `retryable` may not come
  /// again; any other is about the voice or the worker's code, and so would come again: the
  /// protocol's version, the sample rate, the speakers, a program that is not there. Its message
  /// ends with what the process has printed last.
  /// \param number tells the workers of a plan apart in the log.
  static Result<std::unique_ptr<Worker>> start(const WorkerPlan& plan, int number,
                                               const std::stop_token& stop);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  struct Outcome {
    /// One for each item, in order; nothing for those that the worker has not answered.
    std::vector<std::optional<Result<VoiceSound>>> answers;
    /// Why the worker is of no use any more, and has been killed: its code is "worker_died",
    /// "worker_hung" or "worker_garbage".
    std::optional<Error> end;
  };

  /// Has the items spoken. Where `end` is empty, all have an answer.
  Outcome speak(std::span<const WorkerItem> items);

  const WorkerReady& ready() const { return ready_; }
  pid_t id() const { return process_->id(); }
  std::uint64_t spoken() const { return spoken_; }  ///< Items with an answer.

  /// Tells the process to end, and does not wait for it.
  void begin_close();

 private:
  Worker(const WorkerPlan& plan, std::unique_ptr<ChildProcess> process);
  std::optional<Error> load(const std::stop_token& stop);
  std::optional<Error> await_hello(WorkerChannel::Time deadline, const std::stop_token& stop);
  std::optional<Error> await_ready(WorkerChannel::Time deadline, const std::stop_token& stop);
  std::optional<Error> check_ready() const;
  /// The next message that is no sign of life, or how the wait ended.
  std::optional<WorkerMessage> next(WorkerChannel::Time deadline, bool heartbeat,
                                    const std::stop_token& stop, std::optional<Error>& end);
  Error ended(ChannelState state, bool in_time);
  Error garbage(const std::string& fault);
  std::string with_last_lines(std::string text) const;

  const WorkerPlan& plan_;
  std::unique_ptr<ChildProcess> process_;
  WorkerChannel channel_;
  WorkerReady ready_;
  std::uint64_t spoken_ = 0;
  bool idle_ = false;  ///< Loaded and not in the middle of anything.
};

}  // namespace flowtts
