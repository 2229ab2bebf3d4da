#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>
#include <fmt/format.h>

#include "stages/audio/audio_reader.h"
#include "stages/io/content_hash.h"
#include "stages/io/id_table.h"

namespace flowtts {

/// Reads audio files.
struct ReadAudio final : Source<Audio> {
  std::string path;
  double max_seconds = 3600;

  static void describe(Spec<ReadAudio>& spec) {
    spec.name("read_audio")
        .summary("Reads audio files, each as one channel.")
        .doc(
            "In the order of their names. A record's id is the file's path below the folder, "
            "without extension. Channels are mixed into their mean. A file that cannot be read "
            "becomes a failed record.")
        .param("path", &ReadAudio::path,
               "A file, a folder (with all below it), or a pattern with `*`, `?` and `[...]`.")
        .required()
        .neutral()
        .example("\"recordings/*.flac\"")
        .param("max_seconds", &ReadAudio::max_seconds, "A longer file is a failed record.")
        .unit("seconds")
        .range(1, 1e6);
  }

  void check(Checker& checker) const {
    const auto files = find_audio_files(path);
    if (!files) {
      checker.error("path", files.error().message);
    } else {
      checker.note("reads " + std::to_string(files->size()) + " audio files");
    }
  }

  /// Of names, sizes and times of change: the files themselves may be too many to read twice.
  std::string content() const {
    const auto files = find_audio_files(path);
    if (!files) return {};
    ContentHash hash;
    std::error_code unknown;
    for (const NamedFile& file : *files) {
      hash.add_bytes(fmt::format(
          "{}\n{}\n{}\n", file.name, std::filesystem::file_size(file.path, unknown),
          std::filesystem::last_write_time(file.path, unknown).time_since_epoch().count()));
    }
    return hash.hex();
  }

  std::optional<Error> open(const RunContext&) {
    auto files = find_audio_files(path);
    if (!files) return files.error();
    reading_ = std::make_shared<Reading>();
    reading_->files = std::move(*files);
    return std::nullopt;
  }

  std::optional<Error> close() {
    reading_.reset();
    return std::nullopt;
  }

  std::optional<SourceRecord<Audio>> next(const KeepRecord& keep) {
    while (reading_->next < reading_->files.size()) {
      const NamedFile& file = reading_->files[reading_->next];
      RecordKey key{file.name, 0, reading_->next, 0};
      key.occurrence = reading_->ids.count(folded_id_hash(key.id));
      ++reading_->next;
      if (keep(key)) return SourceRecord<Audio>{key, 0, read_audio_file(file.path, max_seconds)};
    }
    return std::nullopt;
  }

 private:
  struct Reading {
    std::vector<NamedFile> files;
    std::size_t next = 0;
    IdTable ids;
  };
  std::shared_ptr<Reading> reading_;
};

FLOWTTS_STAGE(ReadAudio)

}  // namespace flowtts
