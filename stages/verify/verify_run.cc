#include "stages/verify/verify_run.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "core/atomic_file.h"
#include "core/json_value.h"
#include "core/line_file.h"
#include "core/run/output_folder.h"
#include "core/sealed_line.h"
#include "stages/audio/audio_reader.h"
#include "stages/io/hash.h"
#include "stages/io/manifest_file.h"
#include "stages/verify/file_piece.h"
#include "stages/verify/verify_shards.h"

namespace flowtts {
namespace {

/// How many sentences are looked at together.
constexpr std::size_t kAtOnce = 4096;

/// What the manifest says of one piece of audio.
struct Claim {
  std::uint64_t record = 0;
  std::string where;  ///< "record 17 ('chat-0017'), turn 2, sentence 0"
  std::string path;
  std::string shard;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t samples = 0;
  std::uint64_t sample_rate = 0;
  std::string checksum;

  std::string name() const { return shard.empty() ? path : shard + ":" + path; }
};

/// The name of the manifest in a pipeline's configuration; empty where it writes none.
std::string manifest_name(const JournalContents& journal) {
  const JsonValue config = JsonValue::parse(journal.session->config_json);
  const JsonValue stages = config["stages"];
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string type = stages.at(i)["type"].text().value_or("");
    if (type != "write_manifest" && type != "write_webdataset") continue;
    const char* param = type == "write_manifest" ? "file" : "manifest";
    return stages.at(i)["with"][param].text().value_or("manifest.jsonl");
  }
  return {};
}

class Verifier {
 public:
  Verifier(std::filesystem::path folder, JournalContents journal)
      : folder_(std::move(folder)), journal_(std::move(journal)) {}

  Result<VerifyReport> verify() {
    report_.complete = journal_.complete();
    report_.records = journal_.done.size();
    for (const std::string& damage : journal_.damage) fault(std::nullopt, damage);
    if (!report_.complete)
      note("the run has not come to its end: the same command goes on with it");
    if (!journal_.session) return std::move(report_);
    const std::string manifest = manifest_name(journal_);
    if (manifest.empty()) {
      note("the pipeline writes no manifest, so that only the journal was looked at");
      return std::move(report_);
    }
    if (auto error = read_manifest(manifest)) return *error;
    look_for_missing(manifest);
    for (const ShardFault& found : wrong_in_shards(folder_, std::move(spans_), report_.complete)) {
      fault(found.record, found.text);
    }
    look_for_strays();
    std::stable_sort(
        report_.faults.begin(), report_.faults.end(),
        [](const VerifyFault& a, const VerifyFault& b) { return a.record < b.record; });
    return std::move(report_);
  }

 private:
  void fault(std::optional<std::uint64_t> record, std::string text) {
    const std::lock_guard lock(mutex_);
    report_.faults.push_back({record, std::move(text)});
  }
  void note(std::string text) { report_.notes.push_back(std::move(text)); }

  // --- the manifest ------------------------------------------------------------------------------

  std::optional<Error> read_manifest(const std::string& name) {
    const auto error = for_each_line(folder_ / name, [&](std::string_view line, bool ended) {
      report_.lines += 1;
      const std::string place = fmt::format("line {} of {}", report_.lines, name);
      if (!ended) {
        fault(std::nullopt, place + " was not written out");
      } else {
        read_line(line, place);
      }
      if (claims_.size() >= kAtOnce) look_at_audio();
    });
    look_at_audio();
    return error;
  }

  void read_line(std::string_view line, const std::string& place) {
    const std::optional<std::uint64_t> index = manifest_index(line);
    const auto object = unseal_line(line);
    if (!object || !index) {
      // Its index may be damaged as well, so a record is missing rather than this one at fault.
      fault(std::nullopt, place + " is damaged: its checksum is another");
      return;
    }
    if (!seen_.insert(*index).second) {
      fault(*index, fmt::format("{}: record {} is there twice", place, *index));
      return;
    }
    if (report_.complete && last_ && *index < *last_) {
      fault(std::nullopt,
            fmt::format("{}: record {} stands behind record {}", place, *index, *last_));
    }
    last_ = index;
    const JsonValue record = JsonValue::parse(*object);
    const std::string who = fmt::format("record {} ({})", *index, record["id"].json());
    Counts counts;
    for (const char* turns : {"conversations", "messages"}) {
      for (std::size_t turn = 0; turn < record[turns].size(); ++turn) {
        count(record[turns].at(turn)["sentences"], *index,
              fmt::format("{}, turn {}, sentence", who, turn), counts);
      }
    }
    count(record["files"], *index, who + ", file", counts);
    if (record["shard"]) spans_.push_back(span_of(*index, who, record["shard"]));
    hold_against_journal(*index, who, record["status"].text().value_or(""), counts);
  }

  static ClaimedSpan span_of(std::uint64_t index, const std::string& who, const JsonValue& shard) {
    return {index,
            who,
            shard["path"].text().value_or(""),
            shard["offset"].number().value_or(0),
            shard["bytes"].number().value_or(0),
            shard["xxh3"].text().value_or("")};
  }

  struct Counts {
    std::uint64_t written = 0;
    std::uint64_t filtered = 0;
    std::uint64_t failed = 0;
  };

  /// Counts the items of a list, and notes down what they claim to have written.
  void count(const JsonValue& items, std::uint64_t record, const std::string& where,
             Counts& counts) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const JsonValue item = items.at(i);
      const std::string status = item["status"].text().value_or("");
      if (status == "filtered") counts.filtered += 1;
      if (status == "failed") counts.failed += 1;
      const auto path = item["audio"].text();
      if (!path) continue;
      counts.written += 1;
      Claim claim;
      claim.record = record;
      claim.where = fmt::format("{} {}", where, i);
      claim.path = *path;
      claim.shard = item["shard"].text().value_or("");
      claim.offset = item["offset"].number().value_or(0);
      claim.bytes = item["bytes"].number().value_or(0);
      claim.samples = item["samples"].number().value_or(0);
      claim.sample_rate = item["sample_rate"].number().value_or(0);
      claim.checksum = item["xxh3"].text().value_or("");
      claims_.push_back(std::move(claim));
    }
  }

  void hold_against_journal(std::uint64_t index, const std::string& who, const std::string& status,
                            const Counts& counts) {
    const DoneRecord* done = journal_.done.find(index);
    if (!done) {
      if (report_.complete) fault(index, who + " has a line, and the journal does not know it");
      return;  // in an unfinished run it is made again
    }
    const char* ended = done->status == Ending::kWritten    ? "written"
                        : done->status == Ending::kFiltered ? "filtered"
                                                            : "failed";
    if (status != ended) {
      fault(index,
            fmt::format("{} is '{}' in the manifest and '{}' in the journal", who, status, ended));
    }
    if (counts.written != done->items.written) {
      fault(index, fmt::format("{} has {} pieces of audio in the manifest and {} in the journal",
                               who, counts.written, done->items.written));
    }
  }

  void look_for_missing(const std::string& manifest) {
    for (const auto& [index, record] : journal_.done) {
      if (seen_.contains(index)) continue;
      fault(index, fmt::format("record {} is done and has no whole line in {}", index, manifest));
    }
  }

  // --- the audio
  // -----------------------------------------------------------------------------------

  void look_at_audio() {
    report_.sentences += claims_.size();
    for (const Claim& claim : claims_) {
      if (!names_.insert(claim.name()).second) {
        fault(claim.record,
              fmt::format("{}: {} is somebody else's as well", claim.where, claim.name()));
      }
    }
    std::atomic<std::size_t> next = 0;
    std::atomic<std::uint64_t> bytes = 0;
    const auto work = [&] {
      for (std::size_t i = next++; i < claims_.size(); i = next++) {
        const std::string wrong = wrong_with(claims_[i], bytes);
        if (!wrong.empty()) {
          fault(claims_[i].record,
                fmt::format("{}: {} {}", claims_[i].where, claims_[i].name(), wrong));
        }
      }
    };
    {
      std::vector<std::jthread> threads;
      const unsigned count = std::max(1U, std::thread::hardware_concurrency());
      for (unsigned i = 1; i < count; ++i) threads.emplace_back(work);
      work();
    }
    report_.bytes += bytes;
    claims_.clear();
  }

  /// What is wrong with a piece of audio; empty where nothing is.
  std::string wrong_with(const Claim& claim, std::atomic<std::uint64_t>& bytes) const {
    if (!is_below(claim.path) || (!claim.shard.empty() && !is_below(claim.shard))) {
      return "is no path below the output folder";
    }
    const std::filesystem::path file = folder_ / (claim.shard.empty() ? claim.path : claim.shard);
    const auto content =
        claim.shard.empty() ? read_file(file) : read_piece(file, claim.offset, claim.bytes);
    if (!content.ok()) return content.error().message;
    bytes += content->size();
    if (content->size() != claim.bytes) {
      return fmt::format("has {} bytes, expected {}", content->size(), claim.bytes);
    }
    const std::string_view piece(*content);
    const std::string checksum = fmt::format("{:016x}", checksum_of(std::span(&piece, 1)));
    if (checksum != claim.checksum) {
      return fmt::format("has the checksum {}, expected {}", checksum, claim.checksum);
    }
    const Result<AudioInfo> info = audio_info(piece);
    if (!info.ok()) return "is no audio file: " + info.error().message;
    if (info->sample_rate != claim.sample_rate || info->samples != claim.samples) {
      return fmt::format("has {} samples at {} Hz, expected {} at {} Hz", info->samples,
                         info->sample_rate, claim.samples, claim.sample_rate);
    }
    return "";
  }

  /// Files in the folders of audio that no line names: of an interrupted session, or a stranger's.
  void look_for_strays() {
    std::set<std::string> folders;
    for (const std::string& name : names_) {
      if (name.find(':') == std::string::npos) folders.insert(name.substr(0, name.find('/')));
    }
    std::uint64_t strays = 0;
    std::string first;
    std::error_code unreadable;
    for (const std::string& below : folders) {
      for (const auto& entry :
           std::filesystem::recursive_directory_iterator(folder_ / below, unreadable)) {
        const std::string name = entry.path().lexically_relative(folder_).generic_string();
        if (!entry.is_regular_file(unreadable) || names_.contains(name)) continue;
        if (strays++ == 0) first = name;
      }
    }
    if (strays > 0) {
      note(fmt::format("{} files stand beside the audio that the manifest does not name, as {}",
                       strays, first));
    }
  }

  const std::filesystem::path folder_;
  const JournalContents journal_;
  std::mutex mutex_;
  VerifyReport report_;
  std::set<std::uint64_t> seen_;
  std::optional<std::uint64_t> last_;
  std::vector<Claim> claims_;
  std::vector<ClaimedSpan> spans_;
  std::unordered_set<std::string> names_;
};

}  // namespace

std::vector<std::uint64_t> VerifyReport::records_at_fault() const {
  std::set<std::uint64_t> indexes;
  for (const VerifyFault& fault : faults) {
    if (fault.record) indexes.insert(*fault.record);
  }
  return {indexes.begin(), indexes.end()};
}

Result<VerifyReport> verify_run(const std::filesystem::path& folder) {
  auto journal = read_journal(folder / OutputFolder::kJournal);
  if (!journal.ok()) return journal.error();
  return Verifier(folder, std::move(*journal)).verify();
}

}  // namespace flowtts
