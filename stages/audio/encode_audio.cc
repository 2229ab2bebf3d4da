#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>
#include <fmt/format.h>

#include "stages/audio/audio_encoder.h"
#include "stages/audio/audio_names.h"
#include "stages/io/hash.h"

namespace flowtts {

/// Makes each piece of audio a file in memory.
struct EncodeAudio final : Map<Audio, AudioClip> {
  std::string format = "wav";
  std::string subtype = "pcm_16";
  std::string name = "sft_{id}_{turn}_{sentence}";

  static void describe(Spec<EncodeAudio>& spec) {
    spec.name("encode_audio")
        .summary("Makes each piece of audio a file in memory, for a stage that puts many into one.")
        .doc(
            "What `write_audio` says of forms and names holds here as well. A dot in a name is "
            "written `%2e`: in a shard, what stands before the first dot names the sample.")
        .param("format", &EncodeAudio::format, "The form of file.")
        .one_of({"wav", "flac"})
        .param("subtype", &EncodeAudio::subtype, "How samples are kept. FLAC has no `float`.")
        .one_of({"pcm_16", "pcm_24", "float"})
        .param("name", &EncodeAudio::name, kNameDoc)
        .example("\"{index}_{speaker}_{turn}_{sentence}\"");
  }

  void check(Checker& checker) const {
    if (!AudioFormat::of(format, subtype)) {
      checker.error("subtype", "flac has no subtype 'float'; allowed are pcm_16 and pcm_24");
    }
    const Result<FileNameTemplate> names = FileNameTemplate::parse(name);
    if (!names) checker.error("name", names.error().message);
  }

  std::optional<Error> open(const RunContext&) {
    Result<FileNameTemplate> names = FileNameTemplate::parse(name);
    if (!names) return names.error();
    names_ = std::make_shared<const FileNameTemplate>(std::move(*names));
    return std::nullopt;
  }

  Result<AudioClip> process(const Audio& audio, const Item& item) const {
    Result<std::string> file_name = names_->name(names_of(audio, item));
    if (!file_name) return file_name.error();
    const AudioFormat wanted = AudioFormat::of(format, subtype).value_or(AudioFormat{});
    Result<EncodedAudio> encoded = encode_audio(audio, wanted);
    if (!encoded) return encoded.error();
    AudioClip clip;
    clip.file = file_of(audio, *encoded);
    clip.file.path = fmt::format("{}.{}", without_dots(*file_name), wanted.extension());
    clip.head = std::move(encoded->head);
    clip.body = std::move(encoded->body);
    return clip;
  }

 private:
  static std::string without_dots(const std::string& name) {
    std::string out;
    for (const char c : name) {
      if (c == '.') {
        out += "%2e";
      } else {
        out += c;
      }
    }
    return out;
  }

  std::shared_ptr<const FileNameTemplate> names_;
};

FLOWTTS_STAGE(EncodeAudio)

}  // namespace flowtts
