#include <flowtts/payloads.h>

#include <algorithm>
#include <utility>

namespace flowtts {
namespace {

void write_speech(JsonWriter& json, const Speech& speech) {
  json.field("speaker", speech.speaker).field("seed", speech.seed).field("voice", speech.voice);
}

double seconds_of(std::uint64_t samples, std::uint32_t sample_rate) {
  return sample_rate == 0 ? 0 : static_cast<double>(samples) / sample_rate;
}

std::vector<float> floats_of(const Pcm16& pcm) {
  std::vector<float> floats(pcm.samples.size());
  std::ranges::transform(pcm.samples, floats.begin(),
                         [](std::int16_t sample) { return static_cast<float>(sample) * 0x1p-15F; });
  return floats;
}

}  // namespace

std::size_t Conversation::bytes() const {
  std::size_t bytes = sizeof(*this) + id.capacity() + extra.capacity();
  for (const Turn& turn : turns) {
    bytes += sizeof(turn) + turn.role.capacity() + turn.label.capacity() + turn.text.capacity() +
             turn.spoken.capacity() + turn.extra.capacity() + turn.raw_value.capacity();
  }
  return bytes;
}

void Conversation::to_json(JsonWriter& json) const {
  json.begin_object().field("id", id).raw_members(extra).key("turns").begin_array();
  for (const Turn& turn : turns) {
    json.begin_object()
        .field("role", turn.role)
        .field("text", turn.text)
        .field("spoken", turn.spoken)
        .raw_members(turn.extra)
        .end_object();
  }
  json.end_array().end_object();
}

// The conversation is shared by all of its sentences and counted where it was made.
std::size_t Sentence::bytes() const { return sizeof(*this) + text.capacity() + spoken.capacity(); }

void Sentence::to_json(JsonWriter& json) const {
  json.begin_object()
      .field("turn", turn)
      .field("index", index)
      .field("text", text)
      .field("spoken", spoken)
      .end_object();
}

std::size_t Phonemes::bytes() const {
  return sizeof(*this) - sizeof(sentence) + sentence.bytes() +
         tokens.capacity() * sizeof(tokens[0]);
}

void Phonemes::to_json(JsonWriter& json) const {
  json.begin_object().key("sentence");
  sentence.to_json(json);
  json.key("tokens").begin_array();
  for (const std::int64_t token : tokens) json.value(token);
  json.end_array().end_object();
}

std::size_t Speech::bytes() const {
  return sizeof(*this) - sizeof(sentence) + sentence.bytes() + speaker.capacity() +
         voice.capacity();
}

std::vector<float> Audio::floats() const& { return pcm ? floats_of(*pcm) : samples; }

std::vector<float> Audio::floats() && { return pcm ? floats_of(*pcm) : std::move(samples); }

double Audio::seconds() const { return seconds_of(size(), sample_rate); }

std::size_t Audio::bytes() const {
  return sizeof(*this) + samples.capacity() * sizeof(float) +
         (pcm ? sizeof(*pcm) + pcm->samples.capacity() * sizeof(std::int16_t) : 0) +
         (speech ? speech->bytes() : 0);
}

// The dead-letter file keeps how the audio came to be, not its samples: they can be made again.
void Audio::to_json(JsonWriter& json) const {
  json.begin_object().field("sample_rate", sample_rate).field("samples", size());
  if (speech) {
    json.key("sentence");
    speech->sentence.to_json(json);
    write_speech(json, *speech);
  }
  json.end_object();
}

double AudioFile::seconds() const { return seconds_of(samples, sample_rate); }

std::size_t AudioFile::bytes() const {
  return sizeof(*this) + path.capacity() + (speech ? speech->bytes() : 0);
}

void AudioFile::to_json(JsonWriter& json) const {
  json.begin_object()
      .field("audio", path)
      .field("sample_rate", sample_rate)
      .field("samples", samples)
      .field("seconds", seconds());
  if (speech) {
    json.key("sentence");
    speech->sentence.to_json(json);
    write_speech(json, *speech);
  }
  json.end_object();
}

std::size_t AudioClip::bytes() const {
  return sizeof(*this) - sizeof(file) + file.bytes() + head.capacity() +
         (body ? sizeof(*body) + body->samples.capacity() * sizeof(std::int16_t) : 0);
}

std::size_t ManifestLine::bytes() const { return sizeof(*this) + json.capacity(); }

void ManifestLine::to_json(JsonWriter& json_writer) const { json_writer.raw(json); }

}  // namespace flowtts
