#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "core/atomic_file.h"
#include "stages/audio/audio_encoder.h"
#include "stages/audio/audio_folder.h"
#include "stages/audio/audio_names.h"
#include "stages/io/unsynced_files.h"

namespace flowtts {

/// Writes each piece of audio into a file of its own.
struct WriteAudio final : Map<Audio, AudioFile> {
  std::string format = "wav";
  std::string subtype = "pcm_16";
  std::string name = "sft_{id}_{turn}_{sentence}";
  std::string folder = "audio";
  bool sync = true;

  static void describe(Spec<WriteAudio>& spec) {
    spec.name("write_audio")
        .summary("Writes each piece of audio into a file of its own.")
        .doc(
            "Files are spread over 256 subfolders of `folder` by their record. A file is there as "
            "a whole or not at all, and no file is ever overwritten by another's. Ids that cannot "
            "stand in a file name are made harmless, and those that repeat in the input get a "
            "number, so that no two names are the same, on file systems without letter case as "
            "well. Samples beyond full scale are set to full scale and counted.")
        .param("format", &WriteAudio::format, "The form of file.")
        .one_of({"wav", "flac"})
        .param("subtype", &WriteAudio::subtype, "How samples are kept. FLAC has no `float`.")
        .one_of({"pcm_16", "pcm_24", "float"})
        .param("name", &WriteAudio::name, kNameDoc)
        .example("\"{index}_{speaker}_{turn}_{sentence}\"")
        .param("folder", &WriteAudio::folder, "The folder below the run's output.")
        .param("sync", &WriteAudio::sync,
               "Whether files are made to last through a power cut before their record counts as "
               "done: many together, once in `run.commit_every_s`. Without, a power cut can cost "
               "files that the manifest names.")
        .neutral()
        .may_end();
  }

  void check(Checker& checker) const {
    if (!AudioFormat::of(format, subtype)) {
      checker.error("subtype", "flac has no subtype 'float'; allowed are pcm_16 and pcm_24");
    }
    const Result<FileNameTemplate> names = FileNameTemplate::parse(name);
    if (!names) checker.error("name", names.error().message);
    const std::string wrong = folder_objection(folder);
    if (!wrong.empty()) checker.error("folder", fmt::format("'{}' {}", folder, wrong));
  }

  // A file and what it was made of are gone once it is written; a 16-bit WAV file is never made as
  // a whole.
  double growth() const { return format == "wav" && subtype == "pcm_16" ? 0.1 : 1; }

  std::optional<Error> open(const RunContext& context) {
    if (context.output.empty()) {
      return Error{"no_output", "write_audio needs the run's output folder: set run.output"};
    }
    Result<FileNameTemplate> names = FileNameTemplate::parse(name);
    if (!names) return names.error();
    auto opened = AudioFolder::open(context.output, folder, format);
    if (!opened) return opened.error();
    names_ = std::make_shared<const FileNameTemplate>(std::move(*names));
    folder_ = std::move(*opened);
    unsynced_ = std::make_shared<UnsyncedFiles>();
    goes_on_ = context.earlier != nullptr;
    return std::nullopt;
  }

  std::optional<Error> commit() const { return unsynced_->sync(); }

  std::optional<Error> close() {
    folder_.reset();
    return std::nullopt;
  }

  Result<AudioFile> process(const Audio& audio, const Item& item) const {
    Result<std::string> file_name = names_->name(names_of(audio, item));
    if (!file_name) return file_name.error();
    const AudioFormat wanted = AudioFormat::of(format, subtype).value_or(AudioFormat{});
    const Result<EncodedAudio> encoded = encode_audio(audio, wanted);
    if (!encoded) return encoded.error();
    const Result<std::string> below = folder_->subfolder(safe_id(item.record));
    if (!below) return below.error();

    AudioFile file = file_of(audio, *encoded);
    file.path = fmt::format("{}/{}.{}", *below, *file_name, wanted.extension());
    // Only what an earlier attempt, take or session has left of the same item may be replaced.
    const WriteMode mode{item.attempt > 1 || item.take > 1 || goes_on_, false};
    const std::filesystem::path path = folder_->root() / file.path;
    if (auto error = write_file(path, encoded->pieces(), mode)) return *error;
    if (sync) unsynced_->add(path);
    return file;
  }

 private:
  std::shared_ptr<const FileNameTemplate> names_;
  std::shared_ptr<AudioFolder> folder_;
  std::shared_ptr<UnsyncedFiles> unsynced_;
  bool goes_on_ = false;  ///< Whether earlier sessions may have left files.
};

FLOWTTS_STAGE(WriteAudio)

}  // namespace flowtts
