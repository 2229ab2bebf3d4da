#include <algorithm>
#include <charconv>
#include <cmath>

#include <flowtts/pipeline.h>

#include "core/config/compiler.h"
#include "core/config/params.h"
#include "core/device/devices.h"

namespace flowtts {
namespace {

template <class T>
std::vector<ParamInfo> declare(void (*describe)(Spec<T>&)) {
  StageSpec spec;
  Spec<T> declared(spec);
  describe(declared);
  return std::move(spec.params);
}

}  // namespace

const std::vector<ParamInfo>& run_params() {
  static const std::vector<ParamInfo> kParams = declare<RunSettings>([](Spec<RunSettings>& spec) {
    spec.param("seed", &RunSettings::seed, "Every random choice of the run is drawn from it.")
        .param("output", &RunSettings::output,
               "The output folder; relative to the working directory.")
        .example("out/align")
        .param("max_in_flight", &RunSettings::max_in_flight,
               "The most records between the source and their settlement.")
        .range(1, 1e6)
        .unit("records")
        .param("memory_limit", &RunSettings::memory_limit,
               "The most payload bytes in flight, by the stages' own estimates.")
        .at_least(1 << 20)
        .example("4GiB")
        .param(
            "device_memory_limit", &RunSettings::device_memory_limit,
            "The most memory to take on each device, all that the run has there included: bytes, "
            "or a share of what the device has; 0 sets no limit.")
        .example("16GiB")
        .param("threads", &RunSettings::threads,
               "Threads for the CPU stages together; 0 takes the machine's cores.")
        .range(0, 1024)
        .unit("threads")
        .param("stall_after_s", &RunSettings::stall_after_s,
               "When the watchdog names a stage whose oldest item is still not done.")
        .range(0.1, 86400)
        .unit("seconds")
        .param(
            "hang_after_s", &RunSettings::hang_after_s,
            "When the watchdog acts. A batch that is on a lane for longer is taken back and run "
            "again item by item, so that the item at fault fails alone, as `hung`; loading a "
            "stage that takes longer ends the start; a run in which nothing at all has moved for "
            "so long, for an item that a CPU stage does not give back, ends with status 3. Must "
            "be longer than any batch and any loading may take. 0: never.")
        .range(0, 86400)
        .unit("seconds")
        .param("drain_s", &RunSettings::drain_s,
               "How long an interrupted run may finish what it has begun.")
        .range(0, 600)
        .unit("seconds")
        .param("commit_every_s", &RunSettings::commit_every_s,
               "How long a settled record waits at the most before it is synced to the disk, with "
               "all others that have come together, and counts as done. What is lost at a crash is "
               "made again.")
        .range(0, 3600)
        .unit("seconds");
  });
  return kParams;
}

const std::vector<ParamInfo>& on_error_params() {
  static const std::vector<ParamInfo> kParams = declare<RunSettings>([](Spec<RunSettings>& spec) {
    spec.param("retries", &RunSettings::retries,
               "How often an item is tried again after an error that may pass.")
        .range(0, 100)
        .unit("times")
        .param("retakes", &RunSettings::retakes,
               "How often a device stage makes an item anew, with other random numbers, after a "
               "stage behind it has rejected what it made.")
        .range(0, 100)
        .unit("times")
        .param("max_failed", &RunSettings::max_failed,
               "How many records may fail before the exit status says so: a number or a share.")
        .example("1%");
  });
  return kParams;
}

const std::vector<ParamInfo>& batch_params() {
  static const std::vector<ParamInfo> kParams =
      declare<BatchSettings>([](Spec<BatchSettings>& spec) {
        spec.param("max_items", &BatchSettings::max_items, "The most items in a batch.")
            .range(1, 65536)
            .unit("items")
            .param("max_wait_ms", &BatchSettings::max_wait_ms,
                   "How long the oldest item waits for company.")
            .range(0, 60000)
            .unit("milliseconds")
            .param("max_length", &BatchSettings::max_length,
                   "The most rows × longest length of a batch, in the stage's own unit; 0: any.")
            .at_least(0)
            .param("look_ahead", &BatchSettings::look_ahead,
                   "Of a stage that learns an item's true length by a first half: how many items "
                   "each device prepares before it finishes some. The more, the less padding.")
            .range(1, 1e6)
            .unit("items");
      });
  return kParams;
}

const std::vector<ParamInfo>& recycle_params() {
  static const std::vector<ParamInfo> kParams =
      declare<RecycleSettings>([](Spec<RecycleSettings>& spec) {
        spec.param("after_batches", &RecycleSettings::after_batches,
                   "Load a device's copy of the stage anew after so many batches; 0: never.")
            .at_least(0)
            .unit("batches")
            .param("when_reserved_over", &RecycleSettings::when_reserved_over,
                   "Load it anew when the run holds more of the device's memory; 0: never.")
            .example("8GiB");
      });
  return kParams;
}

std::optional<MemoryLimit> parse_memory_limit(std::string_view text) {
  MemoryLimit limit;
  // "010" looks octal, as YAML readers take it in different ways.
  if (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') return std::nullopt;
  if (!text.ends_with('%')) {
    const auto size = parse_byte_size(text);
    if (!size) return std::nullopt;
    limit.bytes = size->bytes;
    return limit;
  }
  bool share = false;
  const auto percent = parse_max_failed(text, share);
  if (!percent || *percent <= 0) return std::nullopt;
  limit.share = *percent / 100;
  return limit;
}

MemoryLimit RunSettings::memory_limit_on_devices() const {
  return parse_memory_limit(device_memory_limit).value_or(MemoryLimit{});
}

/// "12" is a number of records, "1.5%" a share of those read. Nothing where it is neither.
std::optional<double> parse_max_failed(std::string_view text, bool& share) {
  double number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  share = rest == "%";
  if (status != std::errc() || !std::isfinite(number) || number < 0 || (!rest.empty() && !share))
    return std::nullopt;
  if (share && number > 100) return std::nullopt;
  return number;
}

bool RunSettings::tolerates(std::uint64_t failed, std::uint64_t read) const {
  bool share = false;
  const double limit = parse_max_failed(max_failed, share).value_or(0);
  // Multiplied, not divided: 29% of 100 is 29, and 29 / 100.0 * 100 is not.
  if (share) return static_cast<double>(failed) * 100.0 <= limit * static_cast<double>(read);
  return static_cast<double>(failed) <= limit;
}

int PipelineStage::lanes_on(DeviceId device) const {
  return lanes > 0 ? lanes : automatic_lanes(device, devices);
}

std::uint64_t PipelineStage::device_bytes_on(DeviceId device) const {
  auto items = static_cast<std::size_t>(batch.max_items);
  if (const std::size_t most = stage->max_batch(device); most > 0) items = std::min(items, most);
  return device_bytes_once +
         device_bytes_each_item * items * static_cast<std::uint64_t>(lanes_on(device));
}

}  // namespace flowtts
