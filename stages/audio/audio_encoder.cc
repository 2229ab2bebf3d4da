#include "stages/audio/audio_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <sndfile.h>

namespace flowtts {
namespace {

// RIFF counts bytes in 32 bits.
constexpr std::uint64_t kMaxWavBytes = std::numeric_limits<std::uint32_t>::max() - 1024U;

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

std::optional<Error> objection(std::span<const float> samples, AudioFormat format) {
  if (samples.empty()) return Error{"empty_audio", "there are no samples to write"};
  const auto bad = std::ranges::find_if(samples, [](float x) { return !std::isfinite(x); });
  if (bad != samples.end()) {
    return Error{"not_finite",
                 fmt::format("sample {} of {} is {}", bad - samples.begin(), samples.size(), *bad)};
  }
  if (format.container == AudioContainer::kWav &&
      samples.size() * sample_bytes(format.subtype) > kMaxWavBytes) {
    return Error{"encode_failed",
                 fmt::format("{} samples are more than a WAV file can hold", samples.size())};
  }
  return std::nullopt;
}

std::optional<Error> write_samples(Memory& memory, std::span<const float> samples,
                                   std::uint32_t sample_rate, AudioFormat format) {
  SF_VIRTUAL_IO io{Memory::length, Memory::seek, Memory::read, Memory::write, Memory::tell};
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = 1;
  info.format = sndfile_format(format);
  const SoundFile file(sf_open_virtual(&io, SFM_WRITE, &info, &memory));
  if (!file) return encode_error(nullptr);
  sf_command(file.get(), SFC_SET_CLIPPING, nullptr, SF_TRUE);
  sf_command(file.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);  // It holds the time of day.
  const auto count = static_cast<sf_count_t>(samples.size());
  if (sf_write_float(file.get(), samples.data(), count) != count) return encode_error(file.get());
  return std::nullopt;
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

Result<EncodedAudio> encode_audio(std::span<const float> samples, std::uint32_t sample_rate,
                                  AudioFormat format) {
  if (const std::optional<Error> error = objection(samples, format)) return *error;
  EncodedAudio encoded;
  for (const float sample : samples) {
    const float magnitude = std::abs(sample);
    encoded.peak = std::max(encoded.peak, magnitude);
    if (magnitude > 1.0F && format.subtype != AudioSubtype::kFloat) ++encoded.clipped;
  }
  Memory memory;
  memory.bytes.reserve(samples.size() * sample_bytes(format.subtype) + 256);
  if (const auto error = write_samples(memory, samples, sample_rate, format)) return *error;
  encoded.bytes = std::move(memory.bytes);
  return encoded;
}

}  // namespace flowtts
