#include "stages/audio/audio_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <sndfile.h>

#include "stages/audio/pcm16.h"

namespace flowtts {
namespace {

// RIFF counts bytes in 32 bits.
constexpr std::uint64_t kMaxWavBytes = std::numeric_limits<std::uint32_t>::max() - 1024U;
constexpr std::uint32_t kMaxWavRate = std::numeric_limits<std::int32_t>::max();

/// A file in memory, for libsndfile.
struct Memory {
  std::string bytes;
  std::size_t position = 0;

  static Memory& of(void* user) { return *static_cast<Memory*>(user); }

  static sf_count_t length(void* user) { return static_cast<sf_count_t>(of(user).bytes.size()); }
  static sf_count_t tell(void* user) { return static_cast<sf_count_t>(of(user).position); }

  static sf_count_t seek(sf_count_t offset, int whence, void* user) {
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? tell(user) : length(user);
    of(user).position = static_cast<std::size_t>(std::max<sf_count_t>(0, base + offset));
    return tell(user);
  }

  static sf_count_t read(void* out, sf_count_t count, void* user) {
    Memory& memory = of(user);
    const std::size_t left = memory.bytes.size() - std::min(memory.bytes.size(), memory.position);
    const std::size_t taken = std::min(left, static_cast<std::size_t>(count));
    std::memcpy(out, memory.bytes.data() + memory.position, taken);
    memory.position += taken;
    return static_cast<sf_count_t>(taken);
  }

  static sf_count_t write(const void* in, sf_count_t count, void* user) {
    Memory& memory = of(user);
    const auto size = static_cast<std::size_t>(count);
    if (memory.bytes.size() < memory.position + size) memory.bytes.resize(memory.position + size);
    std::memcpy(memory.bytes.data() + memory.position, in, size);
    memory.position += size;
    return count;
  }
};

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, Close>;

int sndfile_format(AudioFormat format) {
  const int container = format.container == AudioContainer::kWav ? SF_FORMAT_WAV : SF_FORMAT_FLAC;
  switch (format.subtype) {
    case AudioSubtype::kPcm16:
      return container | SF_FORMAT_PCM_16;
    case AudioSubtype::kPcm24:
      return container | SF_FORMAT_PCM_24;
    case AudioSubtype::kFloat:
      return container | SF_FORMAT_FLOAT;
  }
  return container;
}

std::uint64_t sample_bytes(AudioSubtype subtype) {
  return subtype == AudioSubtype::kPcm16 ? 2 : subtype == AudioSubtype::kPcm24 ? 3 : 4;
}

Error encode_error(SNDFILE* file) { return {"encode_failed", sf_strerror(file)}; }

std::optional<Error> too_long(std::size_t samples, AudioFormat format) {
  if (format.container != AudioContainer::kWav ||
      samples * sample_bytes(format.subtype) <= kMaxWavBytes) {
    return std::nullopt;
  }
  return Error{"encode_failed",
               fmt::format("{} samples are more than a WAV file can hold", samples)};
}

/// The file that libsndfile makes of samples.
Result<std::string> file_of(std::span<const float> samples, std::uint32_t sample_rate,
                            AudioFormat format) {
  Memory memory;
  memory.bytes.reserve(samples.size() * sample_bytes(format.subtype) + 256);
  SF_VIRTUAL_IO io{Memory::length, Memory::seek, Memory::read, Memory::write, Memory::tell};
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = 1;
  info.format = sndfile_format(format);
  {
    const SoundFile file(sf_open_virtual(&io, SFM_WRITE, &info, &memory));
    if (!file) return encode_error(nullptr);
    sf_command(file.get(), SFC_SET_CLIPPING, nullptr, SF_TRUE);
    sf_command(file.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);  // It holds the time of day.
    const auto count = static_cast<sf_count_t>(samples.size());
    if (sf_write_float(file.get(), samples.data(), count) != count) return encode_error(file.get());
  }
  return std::move(memory.bytes);
}

bool is_wav16(AudioFormat format) {
  return format.container == AudioContainer::kWav && format.subtype == AudioSubtype::kPcm16;
}

/// What stands before the samples of a 16-bit WAV file with one channel, byte by byte.
std::string wav16_head(std::uint32_t sample_rate, std::size_t samples) {
  const auto data_bytes = static_cast<std::uint32_t>(samples * 2);
  std::string head;
  const auto put = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) head.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
  };
  head.append("RIFF");
  put(36 + data_bytes, 4);
  head.append("WAVEfmt ");
  put(16, 4);
  put(1, 2);  // whole numbers
  put(1, 2);  // channels
  put(sample_rate, 4);
  put(sample_rate * 2, 4);  // bytes a second
  put(2, 2);                // bytes of a sample of all channels
  put(16, 2);
  head.append("data");
  put(data_bytes, 4);
  return head;
}

Result<EncodedAudio> wav16(std::shared_ptr<const Pcm16> pcm, std::uint32_t sample_rate) {
  if (sample_rate == 0 || sample_rate > kMaxWavRate) {
    return Error{"encode_failed",
                 fmt::format("a WAV file cannot have a sample rate of {} Hz", sample_rate)};
  }
  return EncodedAudio{wav16_head(sample_rate, pcm->samples.size()), pcm, pcm->peak, pcm->clipped};
}

}  // namespace

std::optional<AudioFormat> AudioFormat::of(std::string_view container, std::string_view subtype) {
  AudioFormat format;
  if (container == "flac") {
    format.container = AudioContainer::kFlac;
  } else if (container != "wav") {
    return std::nullopt;
  }
  if (subtype == "pcm_24") {
    format.subtype = AudioSubtype::kPcm24;
  } else if (subtype == "float" && container == "wav") {
    format.subtype = AudioSubtype::kFloat;
  } else if (subtype != "pcm_16") {
    return std::nullopt;
  }
  return format;
}

std::array<std::string_view, 2> EncodedAudio::pieces() const {
  // A WAV file has the lower byte first.
  static_assert(std::endian::native == std::endian::little);
  if (!body) return {head, {}};
  return {head,
          {reinterpret_cast<const char*>(body->samples.data()),
           body->samples.size() * sizeof(std::int16_t)}};
}

std::string EncodedAudio::bytes() const {
  const auto [first, second] = pieces();
  return std::string(first).append(second);
}

Result<EncodedAudio> encode_audio(std::span<const float> samples, std::uint32_t sample_rate,
                                  AudioFormat format) {
  if (is_wav16(format)) {
    if (const std::optional<Error> error = too_long(samples.size(), format)) return *error;
    Result<Pcm16> pcm = quantize(samples);
    if (!pcm) return pcm.error();
    return wav16(std::make_shared<const Pcm16>(std::move(*pcm)), sample_rate);
  }
  if (const std::optional<Error> error = objection_to(samples)) return *error;
  if (const std::optional<Error> error = too_long(samples.size(), format)) return *error;
  EncodedAudio encoded;
  for (const float sample : samples) {
    const float magnitude = std::abs(sample);
    encoded.peak = std::max(encoded.peak, magnitude);
    if (magnitude > 1.0F && format.subtype != AudioSubtype::kFloat) ++encoded.clipped;
  }
  Result<std::string> file = file_of(samples, sample_rate, format);
  if (!file) return file.error();
  encoded.head = std::move(*file);
  return encoded;
}

Result<EncodedAudio> encode_audio(const Audio& audio, AudioFormat format) {
  if (!audio.pcm) return encode_audio(audio.samples, audio.sample_rate, format);
  const Pcm16& pcm = *audio.pcm;
  if (is_wav16(format)) {
    if (pcm.samples.empty()) return objection_to({}).value();
    if (const std::optional<Error> error = too_long(pcm.samples.size(), format)) return *error;
    return wav16(audio.pcm, audio.sample_rate);
  }
  // Through floating point, which holds 16 bits exactly and which all subtypes take back exactly.
  Result<EncodedAudio> encoded = encode_audio(audio.floats(), audio.sample_rate, format);
  if (!encoded) return encoded;
  encoded->peak = pcm.peak;
  encoded->clipped = pcm.clipped;
  return encoded;
}

}  // namespace flowtts
