#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/json.h>
#include <flowtts/payloads.h>
#include <flowtts/stage.h>
#include <fmt/format.h>

#include "core/atomic_file.h"
#include "core/json_value.h"
#include "core/line_file.h"
#include "core/sealed_line.h"
#include "stages/audio/audio_folder.h"
#include "stages/io/hash.h"
#include "stages/io/manifest_file.h"
#include "stages/io/manifest_line.h"
#include "stages/shards/shard_files.h"
#include "stages/shards/shard_layout.h"
#include "stages/shards/tar_format.h"

namespace flowtts {
namespace {

/// The bytes of a record in its shard: for each piece of audio a member of JSON and one of audio.
class RecordBytes {
 public:
  /// \return where the audio begins.
  std::uint64_t add(const AudioClip& clip, const std::string& json) {
    const std::string key = clip.file.path.substr(0, clip.file.path.find('.'));
    add_member(key + ".json", json);
    bytes_ += tar_header(clip.file.path, clip.file.bytes_in_file);
    const std::uint64_t begin = bytes_.size();
    bytes_ += clip.head;
    if (clip.body) {
      const auto& samples = clip.body->samples;
      bytes_.append(reinterpret_cast<const char*>(samples.data()),
                    samples.size() * sizeof(samples[0]));
    }
    bytes_ += tar_padding(clip.file.bytes_in_file);
    return begin;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void add_member(const std::string& name, const std::string& content) {
    bytes_ += tar_header(name, content.size());
    bytes_ += content;
    bytes_ += tar_padding(content.size());
  }

  std::string bytes_;
};

/// What stands beside a piece of audio.
std::string sample_json(const AudioFile& file, const Item& item) {
  JsonWriter json;
  json.begin_object().field("id", item.record.id).field("index", item.record.index);
  if (file.speech) {
    const Sentence& sentence = file.speech->sentence;
    json.field("turn", sentence.turn).field("sentence", sentence.index);
    if (sentence.conversation && sentence.turn < sentence.conversation->turns.size()) {
      json.field("role", sentence.conversation->turns[sentence.turn].role);
    }
    json.field("text", sentence.text)
        .field("spoken", sentence.spoken)
        .field("speaker", file.speech->speaker)
        .field("seed", file.speech->seed)
        .field("voice", file.speech->voice);
  }
  json.field("sample_rate", file.sample_rate)
      .field("samples", file.samples)
      .field("seconds", file.seconds())
      .end_object();
  return std::string(json.text());
}

/// Of the whole lines of a manifest, where each record stands in the shards.
std::vector<ShardSpan> spans_in(const std::filesystem::path& manifest) {
  std::vector<ShardSpan> spans;
  for_each_line(manifest, [&](std::string_view line, bool) {
    if (!is_sealed_line(line)) return;
    const JsonValue record = JsonValue::parse(line);
    const JsonValue shard = record["shard"];
    if (!shard) return;
    const std::string path = shard["path"].text().value_or("");
    const auto number = shard_number(path.substr(path.rfind('/') + 1));
    const std::uint64_t begin = shard["offset"].number().value_or(0);
    if (!number) return;
    spans.push_back({record["index"].number().value_or(0), *number, begin,
                     begin + shard["bytes"].number().value_or(0),
                     shard["samples"].number().value_or(0)});
  });
  return spans;
}

}  // namespace

/// Writes audio and what is known of it into tar shards, and a manifest.
struct WriteWebDataset final : Gather<AudioClip, ManifestLine> {
  std::string folder = "shards";
  std::string manifest = "manifest.jsonl";
  ByteSize max_bytes{std::uint64_t{1} << 30U};
  std::uint64_t max_samples = 10'000;

  static void describe(Spec<WriteWebDataset>& spec) {
    spec.name("write_webdataset")
        .summary("Writes audio into tar shards as WebDataset reads them, and a manifest.")
        .doc(
            "Behind `encode_audio`. For each piece of audio a shard has two members of one name: "
            "`.json`, which has `id`, `index`, `turn`, `sentence`, `role`, `text`, `spoken`, "
            "`speaker`, `seed`, `voice`, `sample_rate`, `samples` and `seconds`; and the audio. "
            "Records stand in the order of the input, the pieces of one together. `index.json` "
            "lists the shards for `wids`.\n\n"
            "The manifest is that of `write_manifest`; each line also has `shard`: the `path` of "
            "the tar file, and `offset`, `bytes`, `samples` and `xxh3` of what the record takes of "
            "it; each sentence has the `shard` and the `offset` at which its `audio` begins.\n\n"
            "Since records go into the shards in the order of the input, one that takes long holds "
            "up those behind it: `run.max_in_flight` and `run.memory_limit` bound how many.")
        .param("folder", &WriteWebDataset::folder,
               "The folder of the shards, below the run's output.")
        .param("manifest", &WriteWebDataset::manifest,
               "The manifest's name in the run's output folder.")
        .param("max_bytes", &WriteWebDataset::max_bytes,
               "How large a shard may be. Only a record that is larger alone exceeds it.")
        .at_least(1 << 16)
        .example("1GiB")
        .param("max_samples", &WriteWebDataset::max_samples,
               "How many pieces of audio a shard has at the most, but for the last record's.")
        .at_least(1)
        .unit("samples")
        .in_order()
        .may_end();
  }

  void check(Checker& checker) const {
    if (manifest.empty() || manifest.front() == '.' || manifest.find('/') != std::string::npos) {
      checker.error("manifest", fmt::format("'{}' is not a plain file name such as "
                                            "'manifest.jsonl'",
                                            manifest));
    }
    const std::string wrong = folder_objection(folder);
    if (!wrong.empty()) checker.error("folder", fmt::format("'{}' {}", folder, wrong));
  }

  std::optional<Error> open(const RunContext& context) {
    if (context.output.empty()) {
      return Error{"no_output", "write_webdataset needs the run's output folder: set run.output"};
    }
    std::error_code failed;
    std::filesystem::create_directories(context.output / folder, failed);
    if (failed) return write_error("make the folder", context.output / folder, failed.value());

    auto state = std::make_shared<State>(context.output, folder);
    std::map<std::uint32_t, std::uint64_t> sizes = state->files.sizes();
    for (const ShardSpan& span : spans_in(context.output / manifest)) {
      // Of a shard that was cut short, the place of each record is known all the same.
      std::uint64_t& size = sizes[span.shard];
      if (context.earlier && size < span.end) {
        context.earlier->redo(span.record,
                              fmt::format("{} has lost its end", state->files.path_of(span.shard)));
      }
      size = std::max(size, span.end);
    }
    auto opened = ManifestFile::open(context.output / manifest, context.earlier);
    if (!opened) return opened.error();
    state->manifest = std::move(*opened);
    state->layout.emplace(ShardLimits{max_bytes.bytes, max_samples},
                          spans_in(context.output / manifest), sizes);
    if (auto error = state->files.cut(*state->layout)) return error;
    state_ = std::move(state);
    return std::nullopt;
  }

  std::optional<Error> commit() const {
    if (auto error = state_->files.sync()) return error;
    return state_->manifest->sync();
  }

  std::optional<Error> close() {
    const std::shared_ptr<State> state = std::exchange(state_, nullptr);
    if (!state) return std::nullopt;
    if (auto error = state->files.finish(*state->layout)) return error;
    return state->manifest->sort();
  }

  Result<ManifestLine> process(const Gathered<AudioClip>& gathered, const Item& item) const {
    auto [made, error] = write(gathered, item);
    if (error) {
      // What could not be written must end the run: the shard has no place for a second try.
      error->fatal = true;
      return *error;
    }
    return ManifestLine{std::move(made)};
  }

 private:
  struct State {
    State(const std::filesystem::path& root, const std::string& below) : files(root, below) {}
    ShardFiles files;
    std::optional<ShardLayout> layout;
    std::shared_ptr<ManifestFile> manifest;
  };

  std::pair<std::string, std::optional<Error>> write(const Gathered<AudioClip>& gathered,
                                                     const Item& item) const {
    Gathered<AudioFile> files{gathered.origin, gathered.offset, {}, gathered.ended};
    RecordBytes record;
    std::vector<AudioFile> audio;
    for (const auto& arrived : gathered.arrived) {
      audio.push_back(arrived.payload->file);
      audio.back().offset = record.add(*arrived.payload, sample_json(audio.back(), item));
    }
    std::string more;
    if (!record.bytes().empty()) {
      const ShardSpan span =
          state_->layout->place(item.record.index, record.bytes().size(), audio.size());
      if (auto error = state_->files.write(span, record.bytes())) return {{}, error};
      const std::string path = state_->files.path_of(span.shard);
      for (std::size_t i = 0; i < audio.size(); ++i) {
        audio[i].shard = path;
        audio[i].offset += span.begin;
        files.arrived.push_back(
            {gathered.arrived[i].path, std::make_shared<const AudioFile>(std::move(audio[i]))});
      }
      more = shard_member(path, span, hash64(record.bytes()));
    }
    std::string line = seal_line(manifest_line(item.record, files, more));
    auto error = state_->manifest->append(line);
    return {std::move(line), std::move(error)};
  }

  static std::string shard_member(const std::string& path, const ShardSpan& span,
                                  std::uint64_t checksum) {
    JsonWriter json;
    json.begin_object()
        .field("path", path)
        .field("offset", span.begin)
        .field("bytes", span.end - span.begin)
        .field("samples", span.samples)
        .field("xxh3", fmt::format("{:016x}", checksum))
        .end_object();
    return fmt::format("\"shard\":{}", json.text());
  }

  std::shared_ptr<State> state_;
};

FLOWTTS_STAGE(WriteWebDataset)

}  // namespace flowtts
