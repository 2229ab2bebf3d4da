#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <flowtts/result.h>

#include "stages/neural/voice.h"
#include "stages/neural/worker/channel.h"

/// The heads of the frames that FlowTTS and a worker exchange, as values. docs/workers.md is the
/// specification. Pure.
namespace flowtts {

inline constexpr int kWorkerProtocol = 1;

/// One sentence as a worker is asked for it.
struct WorkerItem {
  std::uint64_t id = 0;  ///< No other item of this worker has it.
  std::string text;
  std::span<const std::int64_t> tokens;  ///< Empty where the text is all.
  std::string speaker;
  double speed = 1;
  std::uint64_t seed = 0;
};

/// What a worker is told when it starts.
struct WorkerLoad {
  const VoiceConfig* voice = nullptr;
  std::string device;  ///< As the worker sees it: "cuda:0", or "cpu".
  std::uint64_t memory_bytes = 0;
  double heartbeat_s = 1;
};

std::string load_message(const WorkerLoad& load);
std::string synthesize_message(std::span<const WorkerItem> items);
std::string close_message();

struct WorkerHello {
  int protocol = 0;
  std::string sdk;
};

struct WorkerReady {
  std::uint32_t sample_rate = 0;
  std::vector<std::string> speakers;  ///< That the model knows; empty: it does not say.
  std::size_t max_batch = 1;
  bool batch_invariant = true;
  std::string device;  ///< That the model is really on.
  std::string numerics;
};

struct WorkerFailed {
  std::string message;
};

struct WorkerAlive {};

/// What became of an item: its sound, Filtered, or an Error that is the item's own.
struct WorkerAnswer {
  std::uint64_t id = 0;
  Result<VoiceSound> sound;
};

using WorkerMessage =
    std::variant<WorkerHello, WorkerReady, WorkerFailed, WorkerAlive, WorkerAnswer>;

/// Reads a frame of the worker's. Audio whose head and body do not agree, that is empty or not
/// finite is the Error of its item; anything else that is not as the protocol has it gives nothing,
/// and `fault` says what.
std::optional<WorkerMessage> read_message(const WorkerFrame& frame, std::string& fault);

}  // namespace flowtts
