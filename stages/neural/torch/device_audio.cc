#include "stages/neural/torch/device_audio.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>

#include "stages/audio/resampler.h"
#include "stages/neural/torch/cuda_loader.h"

namespace flowtts {
namespace {

constexpr std::size_t kReason = 512;

Error cannot_convert(std::string_view reason) {
  return {
      "no_converter",
      c10::str("audio cannot be converted on the GPU: ", reason, "; give the stage 'devices: cpu'"),
      false, true};
}

const TorchSamples& on_device(const Audio& audio) {
  return static_cast<const TorchSamples&>(*audio.on_device);
}

/// Host memory as bytes on the device.
at::Tensor send(const void* data, std::size_t bytes, at::Device device) {
  const auto count = static_cast<std::int64_t>(bytes);
  return at::from_blob(const_cast<void*>(data), {count}, at::kByte).to(device);
}

/// What has been brought home of one sound.
Result<Audio> landed(const Audio& audio, const std::byte* samples, const std::byte* stats_bytes) {
  const TorchSamples& sound = on_device(audio);
  Audio home{{}, audio.sample_rate, audio.speech};
  RowStats stats{};
  if (stats_bytes != nullptr) std::memcpy(&stats, stats_bytes, sizeof stats);
  if (stats.not_finite > 0) {
    Error error{"not_finite", c10::str(stats.not_finite, " of the ", sound.size(),
                                       " samples are NaN or infinite: this is no sound")};
    error.retake = audio.speech != nullptr && audio.speech->seeded;
    return error;
  }
  if (sound.is_pcm()) {
    const auto* first = reinterpret_cast<const std::int16_t*>(samples);
    home.pcm = std::make_shared<const Pcm16>(
        Pcm16{{first, first + sound.size()}, stats.peak, stats.clipped});
  } else {
    const auto* first = reinterpret_cast<const float*>(samples);
    home.samples.assign(first, first + sound.size());
  }
  return home;
}

}  // namespace

Result<SoundConverter::Way> SoundConverter::find(std::uint32_t from, std::uint32_t to,
                                                 bool pcm_16) {
  const auto known = ways_.find({from, to, pcm_16});
  if (known != ways_.end()) return known->second;
  const auto filter = design_polyphase(from, to);
  if (!filter.ok()) return cannot_convert(filter.error().message);
  const auto module = load_cuda_module();
  if (!module.ok()) return cannot_convert(module.error().message);
  std::array<char, kReason> reason{};
  const AudioConverter* converter =
      (*module)->make_converter(device_.index(), *filter, pcm_16, reason.data(), reason.size());
  if (converter == nullptr) return cannot_convert(reason.data());
  return ways_.emplace(std::tuple(from, to, pcm_16), Way{*filter, converter}).first->second;
}

std::vector<Result<Audio>> SoundConverter::convert(std::span<const Audio* const> sounds,
                                                   std::uint32_t rate, bool pcm_16) {
  if (sounds.empty()) return {};
  const std::uint32_t from = sounds.front()->sample_rate;
  const auto way = find(from, rate, pcm_16);
  if (!way.ok()) return {sounds.size(), way.error()};

  std::vector<AudioRow> rows;
  std::uint64_t total = 0;
  std::uint64_t longest = 0;
  for (const Audio* sound : sounds) {
    const at::Tensor& samples = on_device(*sound).tensor();
    const std::uint64_t count = resampled_length(sound->size(), from, rate);
    rows.push_back({samples.const_data_ptr<float>(), sound->size(), total, count});
    total += count;
    longest = std::max(longest, count);
  }
  const auto options = at::TensorOptions().device(device_);
  const at::Tensor out = at::empty({static_cast<std::int64_t>(total)},
                                   options.dtype(pcm_16 ? at::kShort : at::kFloat));
  const auto stats_bytes = static_cast<std::int64_t>(sizeof(RowStats));
  const auto count = static_cast<std::int64_t>(rows.size());
  const at::Tensor stats = at::empty({count * stats_bytes}, options.dtype(at::kByte));
  const at::Tensor table = send(rows.data(), rows.size() * sizeof(AudioRow), device_);

  const auto module = load_cuda_module();
  std::array<char, kReason> reason{};
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  if (!(*module)->convert(way->converter, static_cast<const AudioRow*>(table.const_data_ptr()),
                          rows.size(), longest, out.mutable_data_ptr(),
                          static_cast<RowStats*>(stats.mutable_data_ptr()), stream.native_handle(),
                          reason.data(), reason.size())) {
    return {sounds.size(), cannot_convert(reason.data())};
  }
  std::vector<Result<Audio>> converted;
  for (std::size_t i = 0; i < sounds.size(); ++i) {
    Audio audio{{}, rate, sounds[i]->speech};
    audio.on_device = std::make_shared<TorchSamples>(
        out.narrow(0, static_cast<std::int64_t>(rows[i].out_offset),
                   static_cast<std::int64_t>(rows[i].out_count)),
        stats.narrow(0, static_cast<std::int64_t>(i) * stats_bytes, stats_bytes));
    converted.emplace_back(std::move(audio));
  }
  return converted;
}

void SoundCarrier::bring_home(std::span<Result<AnyPayload>> payloads) {
  struct Place {
    std::size_t payload;
    std::int64_t samples = 0;  ///< Bytes from the beginning.
    std::int64_t stats = -1;
  };
  std::vector<Place> places;
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const Audio* audio = payloads[i].ok() ? payloads[i]->as<Audio>() : nullptr;
    if (audio != nullptr && audio->on_device) places.push_back({i});
  }
  if (places.empty()) return;
  const auto sound = [&](const Place& place) -> const TorchSamples& {
    return on_device(*payloads[place.payload]->as<Audio>());
  };
  // Floats before 16 bits before what is told of them, so that all stand where they may.
  std::stable_partition(places.begin(), places.end(),
                        [&](const Place& place) { return !sound(place).is_pcm(); });
  std::vector<at::Tensor> parts;
  std::int64_t bytes = 0;
  const auto add = [&](const at::Tensor& part) {
    parts.push_back(part.view(at::kByte));
    return std::exchange(bytes, bytes + parts.back().numel());
  };
  for (Place& place : places) place.samples = add(sound(place).tensor());
  for (Place& place : places) {
    if (sound(place).stats().defined()) place.stats = add(sound(place).stats());
  }
  const at::Tensor host = pinned(bytes).narrow(0, 0, bytes);
  host.copy_(at::cat(parts), /*non_blocking=*/true);
  wait();
  const auto* first = static_cast<const std::byte*>(host.const_data_ptr());
  for (const Place& place : places) {
    auto home = landed(*payloads[place.payload]->as<Audio>(), first + place.samples,
                       place.stats < 0 ? nullptr : first + place.stats);
    if (home.ok()) {
      payloads[place.payload] = AnyPayload::of(std::move(*home));
    } else {
      payloads[place.payload] = home.error();
    }
  }
}

void SoundCarrier::wait() const {
  const c10::impl::VirtualGuardImpl guard(device_.type());
  guard.synchronizeStream(guard.getStream(device_));
}

at::Tensor SoundCarrier::pinned(std::int64_t bytes) {
  if (!pinned_.defined() || pinned_.numel() < bytes) {
    pinned_ = at::Tensor();
    constexpr std::int64_t kLeast = 16 << 20;
    pinned_ = at::empty({std::max(kLeast, bytes + bytes / 2)},
                        at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  }
  return pinned_;
}

}  // namespace flowtts
