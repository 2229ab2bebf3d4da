// What the graph and the executor cost where devices are many: a device stage that only sleeps, on
// logical CPU devices, through a whole run with its credits. No voice, no LibTorch.
//
//   devices_bench [--devices 8] [--batch-ms 5] [--seconds 3] [--repeat 5]
//
// Prints the speed of N devices against N times that of one, and of two devices of which one is
// four times as slow against the sum of both. The work grows with the speed, so that each run takes
// as long.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <flowtts/pipeline.h>
#include <flowtts/run.h>
#include <flowtts/stage.h>
#include <fmt/format.h>

#include "bench/align_file.h"
#include "bench/arguments.h"

namespace {

using namespace flowtts;
using namespace flowtts::bench;

constexpr int kBatch = 16;

struct Work {
  static constexpr std::string_view kPayloadName = "Work";
  std::uint32_t length = 0;
  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().field("length", length).end_object(); }
};

struct MakeWork final : Source<Work> {
  std::int64_t count = 0;

  static void describe(Spec<MakeWork>& spec) {
    spec.name("make_work").summary("Makes items.").param("count", &MakeWork::count, "How many.");
  }
  std::optional<SourceRecord<Work>> next(const KeepRecord& keep) {
    if (made_ == count) return std::nullopt;
    const auto number = static_cast<std::uint64_t>(made_++);
    RecordKey key{std::to_string(number), number, number};
    keep(key);
    return SourceRecord<Work>{key, number, Work{static_cast<std::uint32_t>(number % 97)}};
  }

 private:
  std::int64_t made_ = 0;
};
FLOWTTS_STAGE(MakeWork)

struct Pass final : Map<Work, Work> {
  static void describe(Spec<Pass>& spec) { spec.name("pass_on").summary("Passes items on."); }
  Work process(const Work& work, const Item&) const { return work; }
};
FLOWTTS_STAGE(Pass)

struct Sleep final : DeviceStage<Work, Work> {
  double first_ms = 5;
  double others_ms = 5;

  static void describe(Spec<Sleep>& spec) {
    spec.name("sleep")
        .summary("Sleeps on a device.")
        .param("first_ms", &Sleep::first_ms, "How long for a batch, on the first device.")
        .param("others_ms", &Sleep::others_ms, "And on the others.");
  }
  std::optional<Error> load(DeviceContext&) { return std::nullopt; }
  std::size_t length(const Work& work) const { return work.length; }
  std::vector<Result<Work>> process_batch(std::span<const BatchItem<Work>> items,
                                          DeviceContext& device) const {
    const std::chrono::duration<double, std::milli> time(device.device().index == 0 ? first_ms
                                                                                    : others_ms);
    std::this_thread::sleep_for(time);
    std::vector<Result<Work>> results;
    for (const auto& item : items) results.emplace_back(item.payload);
    return results;
  }
};
FLOWTTS_STAGE(Sleep)

struct Forget final : Sink<Work> {
  static void describe(Spec<Forget>& spec) { spec.name("forget").summary("Forgets items."); }
  std::optional<Error> process(const Work&, const Item&) const { return std::nullopt; }
};
FLOWTTS_STAGE(Forget)

/// Of devices by how long each takes for a batch: of the first, and of all others.
struct Devices {
  int count = 1;
  double first_ms = 5;
  double others_ms = 5;

  double ideal() const { return 1000 / first_ms + (count - 1) * 1000 / others_ms; }
};

/// Batches a second, measured for about so long.
double batches_a_second(const Devices& devices, double seconds) {
  const auto batches = std::max(1L, std::lround(devices.ideal() * seconds));
  std::string names = "cpu:0";
  for (int i = 1; i < devices.count; ++i) names += ", cpu:" + std::to_string(i);
  const std::string text = fmt::format(
      R"(flowtts: 1
name: devices
run: {{max_in_flight: 4096}}
stages:
  - {{id: load, type: make_work, with: {{count: {}}}}}
  - {{id: before, type: pass_on, concurrency: 2}}
  - {{id: sleep, type: sleep, devices: [{}], lanes: 1, batch: {{max_items: {}, max_wait_ms: 1000}},
     with: {{first_ms: {}, others_ms: {}}}}}
  - {{id: after, type: pass_on, concurrency: 2}}
  - {{id: out, type: forget, concurrency: 2}}
)",
      batches * kBatch, names, kBatch, devices.first_ms, devices.others_ms);
  Diagnostics diagnostics;
  auto pipeline = Pipeline::parse(text, "devices_bench", {}, diagnostics);
  for (const auto& found : diagnostics.sorted()) std::fprintf(stderr, "%s\n", found.text().c_str());
  if (!pipeline) give_up("the pipeline cannot be compiled");
  const RunReport report = run_to_end(*pipeline);
  return static_cast<double>(batches) / (report.seconds - report.start_seconds);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Speed of all devices together against the sum of their speeds alone.
void compare(const char* name, const Devices& devices, const Arguments& arguments) {
  const double seconds = arguments.number("seconds");
  std::vector<double> shares;
  std::vector<double> speeds;
  for (int i = 0; i < arguments.count("repeat"); ++i) {
    double alone = batches_a_second({1, devices.first_ms}, seconds);
    if (devices.first_ms == devices.others_ms) {
      alone *= devices.count;
    } else {
      alone += (devices.count - 1) * batches_a_second({1, devices.others_ms}, seconds);
    }
    speeds.push_back(batches_a_second(devices, seconds));
    shares.push_back(speeds.back() / alone);
  }
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  std::printf("%-36s %8.1f batches/s, %.3f of the devices alone (%.3f to %.3f)\n", name,
              median(speeds), median(shares), *least, *most);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(
      argc, argv,
      "usage: devices_bench [--devices 8] [--batch-ms 5] [--seconds 3] "
      "[--repeat 5]\n",
      {{"devices", "8"}, {"batch-ms", "5"}, {"seconds", "3"}, {"repeat", "5"}});
  const int devices = arguments.count("devices");
  const double time = arguments.number("batch-ms");
  if (devices < 1 || time <= 0 || arguments.number("seconds") <= 0 ||
      arguments.count("repeat") < 1) {
    arguments.refuse("all are more than nothing");
  }
  const std::string name = fmt::format("{} devices, {} ms a batch", devices, time);
  compare(name.c_str(), {devices, time, time}, arguments);
  compare("2 devices, one 4 times as slow", {2, time, 4 * time}, arguments);
}
