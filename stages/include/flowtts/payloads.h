#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <flowtts/payload.h>

/// The payload types of the built-in stages, in the order in which a record goes through them:
/// Conversation ─► Sentence ─► Phonemes ─► Audio ─► AudioFile ─► ManifestLine, or, where audio goes
/// into shards, Audio ─► AudioClip ─► ManifestLine.
namespace flowtts {

/// One turn of a conversation.
struct Turn {
  std::string role;    ///< Normalised: "human", "gpt", "system", "tool", or the name in lower case.
  std::string label;   ///< The role as the input wrote it; empty where it had none.
  std::string text;    ///< The original text.
  std::string spoken;  ///< What is to be said of it: the text, until `clean_text` has seen it.
  std::string extra;   ///< JSON members of the turn that FlowTTS does not read, as `"a":1,"b":2`.
  /// The value as JSON where it was not a string but null, a number, or a list of parts whose texts
  /// `text` holds; empty where it was a string or missing.
  std::string raw_value;
};

/// Which of the customary shapes a record had; its manifest line has the same.
enum class ConversationShape {
  kShareGpt,      ///< `conversations: [{from, value}]`
  kOpenAi,        ///< `messages: [{role, content}]`
  kShareGptRole,  ///< `conversations: [{role, content}]`
  kOpenAiFrom,    ///< `messages: [{from, value}]`
};

/// A record of the input.
struct Conversation {
  static constexpr std::string_view kPayloadName = "Conversation";

  std::string id;          ///< As text; made from the record's index where the input has none.
  bool id_given = true;    ///< Whether the input had an id.
  bool id_number = false;  ///< Whether the input's id was a JSON number.
  ConversationShape shape = ConversationShape::kShareGpt;
  std::vector<Turn> turns;
  std::string extra;  ///< Other JSON members of the record (image, model, ...), as `"a":1,"b":2`.

  std::size_t bytes() const;
  void to_json(JsonWriter& json) const;
};

/// A piece of a turn that is spoken in one breath.
struct Sentence {
  static constexpr std::string_view kPayloadName = "Sentence";

  std::shared_ptr<const Conversation> conversation;  ///< What it was split from; never null.
  std::uint32_t turn = 0;                            ///< Index into `conversation->turns`.
  std::uint32_t index = 0;                           ///< Its place among the turn's sentences.
  std::string text;    ///< The piece as split; the pieces joined give the turn's spoken text.
  std::string spoken;  ///< What the voice is asked to say: `text` without outer white space.

  std::size_t bytes() const;
  void to_json(JsonWriter& json) const;
};

/// A sentence as a voice's model reads it.
struct Phonemes {
  static constexpr std::string_view kPayloadName = "Phonemes";

  Sentence sentence;
  std::vector<std::int64_t> tokens;  ///< Token ids of the voice's front end; never empty.

  std::size_t bytes() const;
  void to_json(JsonWriter& json) const;
};

/// How a piece of audio came to be spoken.
struct Speech {
  Sentence sentence;
  std::string speaker;           ///< The speaker's name in the voice.
  std::uint64_t seed = 0;        ///< What the random choices for this sentence were drawn from.
  std::string voice;             ///< The voice's name and content hash: "default@3f2a...".
  bool batch_dependent = false;  ///< Whether the samples may differ with what was spoken beside it.
  double speed = 1;              ///< That was asked for; 1 is the voice's own pace.
  int take = 1;                  ///< Which one it is; see Item::take.
  bool seeded = false;           ///< Whether another seed gives other samples.
  bool cut_short = false;        ///< The model came to its limit before it came to an end.
  std::uint64_t tokens_hash = 0;  ///< Of what the model read, whoever spoke it.

  std::size_t bytes() const;
};

/// One channel of sound in the 16 bits that a file has: 32768 is full scale, 1.0. Half the bytes of
/// floating point. `quantize` (stages/audio/pcm16.h) makes it and says how a value is rounded.
/// There is none of sound with a NaN or an infinity in it, on a CPU as on a GPU: these would be
/// hidden.
struct Pcm16 {
  std::vector<std::int16_t> samples;
  float peak = 0;             ///< The largest magnitude before clipping; full scale is 1.
  std::uint64_t clipped = 0;  ///< Samples beyond full scale that were set to it.
};

/// Sound that lies in a device's memory. Only in the lanes of the device executor: what leaves them
/// has been brought to the host.
class DeviceSamples {
 public:
  virtual ~DeviceSamples() = default;
  virtual std::size_t size() const = 0;
};

/// One channel of sound, in one of two forms: floating point in `samples`, or 16 bits in `pcm`,
/// and then `samples` is empty. A stage that only wants the sound asks `size()` and `floats()`,
/// which are right for both.
struct Audio {
  static constexpr std::string_view kPayloadName = "Audio";

  std::vector<float> samples;     ///< Full scale is [-1, 1]; values outside are possible.
  std::uint32_t sample_rate = 0;  ///< Hertz.
  std::shared_ptr<const Speech> speech = nullptr;  ///< Null where it was not synthesized.
  std::shared_ptr<const Pcm16> pcm = nullptr;      ///< Null where `samples` holds the sound.
  std::shared_ptr<const DeviceSamples> on_device = nullptr;  ///< Null outside of lanes.

  /// How many samples there are, in either form.
  std::size_t size() const {
    if (on_device) return on_device->size();
    return pcm ? pcm->samples.size() : samples.size();
  }

  /// The samples as floating point: a copy, or `samples` themselves of an Audio that is given up.
  /// What had 16 bits has them again after `quantize`.
  std::vector<float> floats() const&;
  std::vector<float> floats() &&;

  double seconds() const;
  std::size_t bytes() const;
  void to_json(JsonWriter& json) const;
};

/// Audio that has been written.
struct AudioFile {
  static constexpr std::string_view kPayloadName = "AudioFile";

  std::string path;  ///< Relative to the output folder, with '/'; in a shard, the member's name.
  std::uint32_t sample_rate = 0;  ///< Hertz.
  std::uint64_t samples = 0;
  std::uint64_t clipped = 0;  ///< Samples beyond full scale, written at full scale.
  float peak = 0;             ///< Largest magnitude before clipping; full scale is 1.
  std::shared_ptr<const Speech> speech = nullptr;  ///< Null where it was not synthesized.
  std::uint64_t bytes_in_file = 0;
  std::uint64_t checksum = 0;  ///< XXH3-64 of the file.
  std::string shard = {};      ///< The tar file that holds it, relative as `path`; else empty.
  std::uint64_t offset = 0;    ///< Of the audio in the shard, bytes.

  double seconds() const;
  std::size_t bytes() const;
  void to_json(JsonWriter& json) const;
};

/// An audio file that has been encoded and lies in memory, for a sink that puts several into one.
struct AudioClip {
  static constexpr std::string_view kPayloadName = "AudioClip";

  AudioFile file;    ///< `path` is its name, with extension and without folder.
  std::string head;  ///< The file, or what stands in it before `body`.
  std::shared_ptr<const Pcm16> body = nullptr;  ///< The rest; null where there is none.

  double seconds() const { return file.seconds(); }
  std::size_t bytes() const;
  void to_json(JsonWriter& json) const { file.to_json(json); }
};

/// What became of a record, as its line of the manifest says it.
struct ManifestLine {
  static constexpr std::string_view kPayloadName = "ManifestLine";

  std::string json;  ///< One JSON object, without a line break.

  std::size_t bytes() const;
  void to_json(JsonWriter& json_writer) const;
};

}  // namespace flowtts
