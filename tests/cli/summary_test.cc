#include "cli/summary.h"

#include <doctest/doctest.h>

using namespace flowtts;
using namespace flowtts::cli;

namespace {

RunReport report_of(RunStatus status) {
  RunReport report;
  report.status = status;
  report.records = {200, 150, 45, 5, 0};
  report.items = {900, 850, 45, 5, 0};
  report.filtered_records = {{"sample", 40}};
  report.filtered_items = {{"empty", 3}, {"unspeakable", 42}};
  report.failed_items = {{"length_outside_tensor", 5}};
  report.seconds = 20;
  report.media_seconds = 3000;
  return report;
}

const std::string kCounts =
    "  records: read 200 = written 150 + filtered 45 + failed 5\n"
    "  filtered records by stage: sample 40\n"
    "  items: read 900 = written 850 + filtered 45 + failed 5\n"
    "  filtered items by reason: unspeakable 42, empty 3\n"
    "  failed items by error: length_outside_tensor 5\n";

}  // namespace

TEST_CASE("the summary has the ledgers, the reasons and what may be done about failures") {
  const Pipeline pipeline;
  CHECK(run_summary(pipeline, report_of(RunStatus::kSucceeded), false) ==
        ": done after 20 s; 50 min 0 s of audio, 150 audio s/s\n\n" + kCounts +
            "\n5 records failed, within run.on_error.max_failed (0). Give the run an output folder "
            "(run.output) to see which and why.\n");
  CHECK(run_summary(pipeline, report_of(RunStatus::kOverPolicy), false) ==
        ": too many records failed after 20 s; 50 min 0 s of audio, 150 audio s/s\n\n" + kCounts +
            "\n5 records of 200 failed; run.on_error.max_failed allows 0. Give the run an output "
            "folder (run.output) to see which and why.\n"
            "To accept so many: --set run.on_error.max_failed=5\n");
}

TEST_CASE("an interrupted run says what was left") {
  RunReport report = report_of(RunStatus::kInterrupted);
  report.records = {10, 4, 0, 0, 6};
  CHECK(ledger_line("records", report.records) ==
        "records: read 10 = written 4 + filtered 0 + failed 0 + unfinished 6");
  CHECK(
      run_summary(Pipeline(), report, false)
          .ends_with("\n6 records in flight were not finished. The rest of the input was left.\n"));
}

TEST_CASE("a run that goes on says how much had been done before") {
  RunReport report = report_of(RunStatus::kSucceeded);
  report.items.failed = report.records.failed = 0;
  report.records_done_before = 120;
  report.session = 3;
  const std::string text = run_summary(Pipeline(), report, false);
  CHECK(text.find("  120 records of them had been done before, in 2 sessions\n") !=
        std::string::npos);
  CHECK(text.find("audio s/s") == std::string::npos);  // not all of it is this session's
  report.already_complete = true;
  CHECK(run_summary(Pipeline(), report, false)
            .starts_with(": was done before; nothing was left to do; 50 min 0 s of audio\n"));
}

TEST_CASE("takes that were rejected are told by stage and by error, and so are warnings") {
  RunReport report = report_of(RunStatus::kSucceeded);
  StageReport check;
  check.id = "check";
  check.received = 1012;
  check.retakes = 12;
  check.failed = 5;
  report.stages = {check};
  report.retaken_items = {{"rejected_pause", 2}, {"rejected_silence", 10}};
  report.warned_items = {{"same_audio", 2}};
  CHECK(run_summary(Pipeline(), report, false)
            .find(kCounts + "  check: 17 of 1,012 takes rejected (1%), 12 of them made again\n"
                            "  takes made again by error: rejected_silence 10, rejected_pause 2\n"
                            "  warnings of items: same_audio 2\n") != std::string::npos);
}

TEST_CASE("devices have a row each, without a column that no device can fill") {
  RunReport report = report_of(RunStatus::kSucceeded);
  report.items.failed = report.records.failed = 0;
  StageReport stage;
  stage.id = "synthesize";
  DeviceReport device;
  device.device.id = {DeviceKind::kCuda, 1};
  device.lanes = 2;
  device.batches = 1200;
  device.items = 76800;
  device.busy_share = 0.973;
  device.fill_share = 0.99;
  device.useful_share = 1;
  device.queue_seconds = 0.25;
  stage.devices = {device};
  report.stages = {stage};
  CHECK(run_summary(Pipeline(), report, false)
            .ends_with(
                "\n  device  stage       lanes  batches   items  busy  filled  useful  waited\n"
                "  cuda:1  synthesize      2    1,200  76,800   97%     99%    100%  0.25 s\n"));
  DeviceReport& told = report.stages[0].devices[0];
  told.memory.peak = 3ULL << 29;
  told.active_share = 0.5;
  told.recoveries = {3, 3, 2, 1};
  told.recycled = 4;
  told.lost = "fell off the bus";
  CHECK(
      run_summary(Pipeline(), report, false)
          .ends_with("busy  active  filled  useful  waited  peak memory\n"
                     "  cuda:1  synthesize      2    1,200  76,800   97%     50%     99%    100%  "
                     "0.25 s       1.5GiB\n"
                     "  cuda:1: ran out of memory 3 times: 3 batches tried again, 2 cut in halves, "
                     "1 items failed\n"
                     "  cuda:1: loaded anew 4 times\n"
                     "  cuda:1: given up; the other devices did its work: fell off the bus\n"));
}
