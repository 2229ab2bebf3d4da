#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/diagnostics.h>
#include <flowtts/registry.h>

namespace flowtts {

/// The `run:` part of a pipeline file.
struct RunSettings {
  std::uint64_t seed = 0;
  std::filesystem::path output;           ///< Empty: the run writes no files of its own.
  int max_in_flight = 256;                ///< Records between the source and their settlement.
  ByteSize memory_limit{4ULL << 30};      ///< Payload bytes in flight.
  std::string device_memory_limit = "0";  ///< On each device: bytes or a share; "0": what it has.
  int threads = 0;                        ///< For CPU stages together; 0: the machine's cores.
  double stall_after_s = 60;              ///< When the watchdog speaks up.
  double drain_s = 8;                     ///< How long an interrupted run may finish what it began.
  int retries = 2;                        ///< Of an item whose error is retryable.
  std::string max_failed = "0";           ///< Records: a number or a share ("1%").

  MemoryLimit memory_limit_on_devices() const;

  /// Whether so many failed records are within the policy.
  bool tolerates(std::uint64_t failed, std::uint64_t read) const;
};

/// How a lane of a device stage gathers batches.
struct BatchSettings {
  int max_items = 64;
  double max_wait_ms = 20;
  std::int64_t max_length = 0;  ///< Rows × longest length, in the stage's own unit; 0: no limit.
  int look_ahead = 4096;        ///< Items that a device prepares before it finishes some.
};

/// When a device's copy of a device stage is loaded anew. 0: never.
struct RecycleSettings {
  std::int64_t after_batches = 0;
  ByteSize when_reserved_over;  ///< Of the device's memory.
};

/// A stage of a compiled pipeline.
struct PipelineStage {
  std::string id;
  SourcePosition where;
  const StageType* type = nullptr;
  std::unique_ptr<AnyStage> stage;  ///< Configured and checked.
  int concurrency = 1;
  std::string runtime;            ///< The device runtime of a device stage.
  std::vector<DeviceId> devices;  ///< Of a device stage.
  int lanes = 0;                  ///< A device; 0: chosen at run time.
  BatchSettings batch;
  RecycleSettings recycle;
  std::vector<std::size_t> from;       ///< Indexes into `Pipeline::stages`.
  std::vector<std::size_t> followers;  ///< Likewise.
  const PayloadInfo* in = nullptr;     ///< Null for a source.
  const PayloadInfo* out = nullptr;    ///< Null for a sink.
  bool in_reader = false;              ///< A record filter that the source asks itself.
  bool on_host = false;  ///< A map that could run in a lane, and is to run on the CPU.
  bool in_lane = false;  ///< A map that runs in the lanes of the device stage before it.
  /// Payload bytes that a byte of what this stage makes becomes further down, where that is most.
  double growth_after = 1;
  std::vector<std::string> notes;       ///< What the stage says of itself for the plan.
  std::uint64_t device_bytes_once = 0;  ///< See Checker::device_bytes; both 0: not known.
  std::uint64_t device_bytes_each_item = 0;

  /// Of a device stage: the lanes that it has on a device, chosen where `lanes` is 0, and the
  /// memory that it needs there at the most, bytes; 0 where the stage does not say.
  int lanes_on(DeviceId device) const;
  std::uint64_t device_bytes_on(DeviceId device) const;
};

/// A pipeline file, compiled: every name resolved, every type checked, every stage configured.
///
/// Lifecycle: made by `read` or `parse`, then only read, except that `run` opens and closes its
/// stages; one run at a time.
class Pipeline {
 public:
  struct Options {
    std::vector<std::string> overrides;  ///< `--set` arguments, "sample.alpha=0.1".
    std::function<std::optional<std::string>(const std::string&)>
        environment;  ///< Default: getenv.
    /// The machine's GPUs, for `devices: auto`; default: visible_gpus().
    std::function<std::vector<DeviceInfo>()> gpus;
    const StageRegistry* registry = &StageRegistry::global();
  };

  /// Compiles a file. All findings go to `diagnostics`; nothing is returned where one is an error.
  static std::optional<Pipeline> read(const std::filesystem::path& file, const Options& options,
                                      Diagnostics& diagnostics);
  static std::optional<Pipeline> parse(std::string_view text, const std::string& file,
                                       const Options& options, Diagnostics& diagnostics);

  const std::string& name() const { return name_; }
  const std::string& file() const { return file_; }
  const RunSettings& settings() const { return settings_; }
  const std::vector<PipelineStage>& stages() const { return stages_; }
  std::vector<PipelineStage>& stages() { return stages_; }

  /// The file as it took effect, variables and `--set` put in: one JSON object.
  const std::string& config_json() const { return config_json_; }

 private:
  friend class PipelineCompiler;

  std::string name_;
  std::string file_;
  RunSettings settings_;
  std::vector<PipelineStage> stages_;  ///< In the file's order, which need not be the flow's.
  std::string config_json_;
};

/// The `run:`, stage-level and `batch:` keys by the same declarations as stages' parameters, for
/// `flowtts describe` and the JSON schema.
const std::vector<ParamInfo>& run_params();
const std::vector<ParamInfo>& on_error_params();
const std::vector<ParamInfo>& batch_params();
const std::vector<ParamInfo>& recycle_params();

}  // namespace flowtts
