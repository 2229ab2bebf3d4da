#include "stages/neural/worker/worker.h"

#include <algorithm>
#include <map>
#include <utility>

#include <flowtts/diagnostics.h>
#include <fmt/format.h>

#include "stages/neural/worker/load_lock.h"

namespace flowtts {
namespace {

using Clock = WorkerChannel::Clock;
using Time = WorkerChannel::Time;

constexpr double kHeartbeatSeconds = 1;
/// A worker that was told to end has this long to free what it holds.
constexpr std::chrono::seconds kGrace{3};
/// What remains of a dead process is gone in no time.
constexpr std::chrono::seconds kUntilReaped{10};

Time in(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::filesystem::path model_of(const VoiceConfig& voice) {
  return voice.model.empty() ? voice.file : voice.model;
}

Error refused(std::string message) { return {"worker_refused", std::move(message)}; }

Error stopped() { return {"cancelled", "the run was ended first", true}; }

}  // namespace

Worker::Worker(const WorkerPlan& plan, std::unique_ptr<ChildProcess> process)
    : plan_(plan), process_(std::move(process)), channel_(process_->take_socket()) {}

Worker::~Worker() {
  if (!idle_) return;
  begin_close();
  process_->wait(kGrace);
}

void Worker::begin_close() {
  channel_.send(close_message(), Clock::now(), {});
  channel_.close_sending();
}

// --- starting
// -------------------------------------------------------------------------------------

Result<std::unique_ptr<Worker>> Worker::start(const WorkerPlan& plan, int number,
                                              const std::stop_token& stop) {
  LoadLock lock(model_of(plan.voice), stop);
  if (!lock.held()) return stopped();
  ProcessPlan process;
  process.command = plan.voice.worker.command;
  process.folder = std::filesystem::absolute(plan.voice.file).parent_path();
  process.environment = plan.environment;
  process.line = [log = plan.log,
                  name = fmt::format("{}/{}", plan.name, number)](const std::string& line) {
    if (log) log(fmt::format("{}: {}", name, line));
  };
  auto child = ChildProcess::start(std::move(process));
  if (!child.ok()) return child.error();
  std::unique_ptr<Worker> worker(new Worker(plan, std::move(child).value()));
  if (auto failure = worker->load(stop)) return *std::move(failure);
  lock.loaded();
  worker->idle_ = true;
  return worker;
}

std::optional<Error> Worker::load(const std::stop_token& stop) {
  const Time deadline = in(plan_.voice.worker.start_timeout_s);
  const WorkerLoad request{&plan_.voice, plan_.device, plan_.memory_bytes, kHeartbeatSeconds};
  // A worker that is gone already says so when it is read.
  channel_.send(load_message(request), deadline, stop);
  if (auto failure = await_hello(deadline, stop)) return failure;
  if (auto failure = await_ready(deadline, stop)) return failure;
  return check_ready();
}

std::optional<Error> Worker::await_hello(Time deadline, const std::stop_token& stop) {
  std::optional<Error> end;
  const auto message = next(deadline, /*heartbeat=*/false, stop, end);
  if (!message) return end;
  const auto* hello = std::get_if<WorkerHello>(&*message);
  if (!hello) return garbage("its first frame is no hello");
  if (hello->protocol == kWorkerProtocol) return std::nullopt;
  return refused(fmt::format(
      "the worker speaks version {} of the protocol (SDK {}), this FlowTTS version {}: it has to "
      "use the flowtts_worker.py of this FlowTTS, which is on its PYTHONPATH",
      hello->protocol, hello->sdk.empty() ? "unknown" : hello->sdk, kWorkerProtocol));
}

std::optional<Error> Worker::await_ready(Time deadline, const std::stop_token& stop) {
  std::optional<Error> end;
  auto message = next(deadline, /*heartbeat=*/false, stop, end);
  if (!message) return end;
  if (const auto* failed = std::get_if<WorkerFailed>(&*message)) {
    process_->wait(kGrace);  // so that all of its traceback is here
    return Error{"worker_load_failed",
                 with_last_lines(fmt::format("the worker's load failed: {}", failed->message)),
                 /*retryable=*/true};
  }
  auto* ready = std::get_if<WorkerReady>(&*message);
  if (!ready) return garbage("it answered before it was asked");
  ready_ = std::move(*ready);
  return std::nullopt;
}

/// What the worker says of itself against what the voice file says of it.
std::optional<Error> Worker::check_ready() const {
  const VoiceConfig& voice = plan_.voice;
  if (ready_.sample_rate != voice.sample_rate) {
    return refused(fmt::format(
        "the voice file says {} Hz, and the worker makes {} Hz: 'sample_rate' "
        "in {} has to be {}",
        voice.sample_rate, ready_.sample_rate, voice.file.string(), ready_.sample_rate));
  }
  for (const std::string& speaker : voice.speakers) {
    const std::vector<std::string>& known = ready_.speakers;
    if (known.empty() || std::find(known.begin(), known.end(), speaker) != known.end()) continue;
    return refused(
        fmt::format("the voice file has the speaker '{}', which the model has not; it has "
                    "{}{}",
                    speaker, list_words(known), did_you_mean(speaker, known)));
  }
  return std::nullopt;
}

// --- speaking
// -------------------------------------------------------------------------------------

Worker::Outcome Worker::speak(std::span<const WorkerItem> items) {
  Outcome outcome;
  outcome.answers.resize(items.size());
  std::map<std::uint64_t, std::size_t> waiting;
  for (std::size_t i = 0; i < items.size(); ++i) waiting.emplace(items[i].id, i);
  const Time deadline = in(plan_.voice.worker.item_timeout_s * static_cast<double>(items.size()));
  idle_ = false;
  const ChannelState sent = channel_.send(synthesize_message(items), deadline, {});
  if (sent == ChannelState::kTimeout) outcome.end = ended(sent, true);
  while (!waiting.empty() && !outcome.end) {
    auto message = next(deadline, /*heartbeat=*/true, {}, outcome.end);
    if (!message) break;
    auto* answer = std::get_if<WorkerAnswer>(&*message);
    const auto place = answer ? waiting.find(answer->id) : waiting.end();
    if (place == waiting.end()) {
      outcome.end = garbage(answer ? fmt::format("it answered item {}, which was not asked or is "
                                                 "answered already",
                                                 answer->id)
                                   : "it sent a frame of the start in the middle of its work");
      break;
    }
    outcome.answers[place->second] = std::move(answer->sound);
    waiting.erase(place);
    ++spoken_;
  }
  idle_ = !outcome.end;
  return outcome;
}

std::optional<WorkerMessage> Worker::next(Time deadline, bool heartbeat,
                                          const std::stop_token& stop, std::optional<Error>& end) {
  const auto most_silence = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(plan_.voice.worker.heartbeat_timeout_s));
  // It may have been silent before it was asked for anything.
  const Time begin = Clock::now();
  for (;;) {
    const Time silent = std::max(begin, channel_.heard()) + most_silence;
    const Time until = heartbeat ? std::min(deadline, silent) : deadline;
    WorkerFrame frame;
    const ChannelState state = channel_.receive(frame, until, stop);
    if (state == ChannelState::kTimeout && until < deadline &&
        channel_.heard() + most_silence > Clock::now()) {
      continue;  // a part of a frame has come
    }
    if (state == ChannelState::kGarbage) {
      end = garbage("what it sent is no frame");
      return std::nullopt;
    }
    if (state != ChannelState::kFrame) {
      end = ended(state, until == deadline);
      return std::nullopt;
    }
    std::string fault;
    std::optional<WorkerMessage> message = read_message(frame, fault);
    if (!message) {
      end = garbage(fault);
      return std::nullopt;
    }
    if (!std::holds_alternative<WorkerAlive>(*message)) return message;
  }
}

/// Kills what is left of the process, and says what became of it.
Error Worker::ended(ChannelState state, bool at_deadline) {
  if (state == ChannelState::kStopped) return stopped();
  if (state == ChannelState::kClosed) {
    const bool by_itself = process_->wait(kGrace);
    process_->kill();
    process_->wait(kUntilReaped);
    return {"worker_died",
            with_last_lines(by_itself ? fmt::format("the worker has died: {}", process_->ending())
                                      : "the worker has closed its connection"),
            /*retryable=*/true};
  }
  process_->kill();
  process_->wait(kUntilReaped);
  return {"worker_hung",
          with_last_lines(at_deadline ? "the worker did not finish in time"
                                      : fmt::format("the worker gave no sign of life for {} s",
                                                    plan_.voice.worker.heartbeat_timeout_s)),
          /*retryable=*/true};
}

Error Worker::garbage(const std::string& fault) {
  process_->kill();
  process_->wait(kUntilReaped);
  return {"worker_garbage",
          with_last_lines(fmt::format("the worker does not keep to the protocol: {}", fault)),
          /*retryable=*/true};
}

std::string Worker::with_last_lines(std::string text) const {
  const std::string lines = process_->last_lines();
  return lines.empty() ? text : fmt::format("{}; its last lines:\n{}", text, lines);
}

}  // namespace flowtts
