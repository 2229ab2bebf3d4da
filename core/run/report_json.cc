#include <flowtts/json.h>
#include <flowtts/run.h>

namespace flowtts {
namespace {

void write_ledger(JsonWriter& json, const char* name, const Ledger& ledger) {
  json.key(name)
      .begin_object()
      .field("read", ledger.read)
      .field("written", ledger.written)
      .field("filtered", ledger.filtered)
      .field("failed", ledger.failed)
      .field("unfinished", ledger.unfinished)
      .end_object();
}

void write_counts(JsonWriter& json, const char* name,
                  const std::map<std::string, std::uint64_t>& counts) {
  json.key(name).begin_object();
  for (const auto& [reason, count] : counts) json.field(reason, count);
  json.end_object();
}

void write_device(JsonWriter& json, const DeviceReport& device) {
  json.begin_object()
      .field("device", device.device.id.text())
      .field("name", device.device.name)
      .field("lanes", device.lanes)
      .field("batches", device.batches)
      .field("items", device.items)
      .field("busy_share", device.busy_share)
      .field("fill_share", device.fill_share)
      .field("useful_share", device.useful_share)
      .field("first_half_useful_share", device.first_half_useful_share)
      .field("queue_seconds", device.queue_seconds)
      .field("load_seconds", device.load_seconds);
  if (device.active_share >= 0) json.field("active_share", device.active_share);
  json.key("memory")
      .begin_object()
      .field("reserved_bytes", device.memory.reserved)
      .field("allocated_bytes", device.memory.allocated)
      .field("peak_bytes", device.memory.peak)
      .end_object();
  json.key("recoveries")
      .begin_object()
      .field("out_of_memory", device.recoveries.out_of_memory)
      .field("retried", device.recoveries.retried)
      .field("halved", device.recoveries.halved)
      .field("failed", device.recoveries.failed)
      .field("ceiling", device.ceiling)
      .end_object();
  json.field("recycled", device.recycled);
  if (device.hung > 0) json.field("hung", device.hung);
  if (!device.numerics.empty()) json.field("numerics", device.numerics);
  if (!device.lost.empty()) json.field("lost", device.lost);
  json.end_object();
}

void write_stage(JsonWriter& json, const StageReport& stage) {
  json.begin_object()
      .field("id", stage.id)
      .field("type", stage.type)
      .field("received", stage.received)
      .field("made", stage.made)
      .field("filtered", stage.filtered)
      .field("failed", stage.failed)
      .field("retried", stage.retried)
      .field("retakes", stage.retakes)
      .field("busy_seconds", stage.busy_seconds)
      .field("queued_most", stage.queued_most);
  if (!stage.devices.empty()) {
    json.key("devices").begin_array();
    for (const DeviceReport& device : stage.devices) write_device(json, device);
    json.end_array();
  }
  json.end_object();
}

const char* state_name(RunStatus status) {
  switch (status) {
    case RunStatus::kSucceeded:
      return "succeeded";
    case RunStatus::kOverPolicy:
      return "over_policy";
    case RunStatus::kRefused:
      return "refused";
    case RunStatus::kEnvironment:
      return "environment_failed";
    case RunStatus::kInterrupted:
      return "interrupted";
  }
  return "";
}

}  // namespace

std::string report_json(const Pipeline& pipeline, const RunReport& report) {
  JsonWriter json;
  json.begin_object()
      .field("flowtts", version())
      .field("pipeline", pipeline.name())
      .field("file", pipeline.file())
      .field("state", state_name(report.status))
      .field("seed", pipeline.settings().seed);
  if (report.error) json.field("error", report.error->message);
  json.field("seconds", report.seconds)
      .field("start_seconds", report.start_seconds)
      .field("media_seconds", report.media_seconds);
  write_ledger(json, "records", report.records);
  write_ledger(json, "items", report.items);
  json.field("session", report.session).field("records_done_before", report.records_done_before);
  write_counts(json, "filtered_records", report.filtered_records);
  write_counts(json, "filtered_items", report.filtered_items);
  write_counts(json, "failed_items", report.failed_items);
  write_counts(json, "retaken_items", report.retaken_items);
  write_counts(json, "warned_items", report.warned_items);
  json.field("most_records_in_flight", report.most_records_in_flight)
      .field("most_bytes_in_flight", report.most_bytes_in_flight);
  if (report.abandoned_threads > 0) json.field("abandoned_threads", report.abandoned_threads);
  json.key("stages").begin_array();
  for (const StageReport& stage : report.stages) write_stage(json, stage);
  json.end_array();
  json.key("config").raw(pipeline.config_json()).end_object();
  return std::string(json.text());
}

const char* version() { return FLOWTTS_VERSION; }

}  // namespace flowtts
