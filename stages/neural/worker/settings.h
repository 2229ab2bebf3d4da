#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

class Diagnostics;
namespace yaml {
class Node;
}

/// What a voice file of the formats "worker" and "onnx" says of its processes. A value.
struct WorkerSettings {
  /// The program and its arguments, as the voice file has them; for "onnx" the Python alone. The
  /// processes work in the voice file's folder, so paths in it are relative to that.
  std::vector<std::string> command;
  std::string options;          ///< A map for the worker's code as JSON; empty where there is none.
  std::uint64_t max_batch = 0;  ///< The most items of a batch; 0: what the worker says.
  double start_timeout_s = 600;           ///< From the start until the model is loaded.
  double item_timeout_s = 120;            ///< For each item of a batch.
  double heartbeat_timeout_s = 60;        ///< Without a sign of life while it works.
  std::uint64_t memory = 0;               ///< Host memory of a process, bytes; 0: found out.
  std::uint64_t recycle_after_items = 0;  ///< Items after which a process is replaced; 0: never.
  /// The files that command or options name: the voice's hash covers them.
  std::vector<std::filesystem::path> files;
};

/// The keys of a voice file that are about workers.
std::span<const std::string_view> worker_keys();

/// Reads what is said of processes, whatever runs in them, and reports what is wrong.
WorkerSettings read_process_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                     Diagnostics& diagnostics);

/// Reads all that a voice of the format "worker" has, and reports what is wrong.
WorkerSettings read_worker_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                    Diagnostics& diagnostics);

/// Reports those that a voice of another format has.
void refuse_worker_keys(const yaml::Node& voice, std::string_view format, Diagnostics& diagnostics);

/// A YAML value as JSON: plain scalars by YAML's types, quoted ones as text.
std::string json_of(const yaml::Node& node);

}  // namespace flowtts
