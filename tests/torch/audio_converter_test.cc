#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <doctest/doctest.h>

#include "stages/audio/pcm16.h"
#include "stages/audio/polyphase.h"
#include "stages/audio/resampler.h"
#include "stages/neural/torch/cuda_loader.h"
#include "tests/torch/gpu.h"

// Resampling and conversion on a GPU. On a machine without one each test says that it was skipped.

using flowtts::AudioConverter;
using flowtts::AudioRow;
using flowtts::CudaModule;
using flowtts::PolyphaseFilter;
using flowtts::RowStats;
using flowtts::testing::kGpu;
using flowtts::testing::no_gpu;
using flowtts::testing::start_gpu;

namespace {

using Samples = std::vector<float>;

const c10::Device kDevice(c10::DeviceType::CUDA, 0);

/// Skips where FlowTTS was built without CUDA's headers.
const CudaModule* cuda_module() {
  const auto module = flowtts::load_cuda_module();
  if (module.ok()) return *module;
  MESSAGE("skipped: " << module.error().message);
  return nullptr;
}

PolyphaseFilter filter_of(std::uint32_t from, std::uint32_t to) {
  const auto filter = flowtts::design_polyphase(from, to);
  if (filter.is_error()) FAIL(filter.error().message);
  return *filter;
}

/// A row as it comes back: of floats or of 16 bits.
struct Made {
  std::vector<std::uint32_t> bits;  ///< Of each sample.
  RowStats stats{};

  bool operator==(const Made& other) const {
    return bits == other.bits && std::memcmp(&stats, &other.stats, sizeof stats) == 0;
  }
};

template <class T>
at::Tensor bytes_of(const std::vector<T>& values) {
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(values.size() * sizeof(T))}, at::kByte);
  if (!values.empty()) std::memcpy(bytes.mutable_data_ptr(), values.data(), bytes.nbytes());
  return bytes.to(kDevice);
}

struct Converter {
  const CudaModule& module;
  PolyphaseFilter filter;
  bool pcm_16;
  AudioConverter* handle = nullptr;

  Converter(const CudaModule& cuda, PolyphaseFilter with, bool pcm)
      : module(cuda), filter(std::move(with)), pcm_16(pcm) {
    std::array<char, 512> reason{};
    handle = module.make_converter(0, filter, pcm_16, reason.data(), reason.size());
    if (handle == nullptr) FAIL(std::string(reason.data()));
  }

  std::vector<Made> operator()(const std::vector<Samples>& rows) const {
    Samples all;
    std::vector<AudioRow> table;
    std::uint64_t made = kMargin, longest = 0;
    for (const Samples& row : rows) {
      const auto count = flowtts::resampled_length(row.size(), filter.from, filter.to);
      table.push_back({nullptr, row.size(), made, count});
      all.insert(all.end(), row.begin(), row.end());
      made += count;
      longest = std::max(longest, count);
    }
    const at::Tensor in = bytes_of(all);
    const auto* first = static_cast<const float*>(in.const_data_ptr());
    for (AudioRow& row : table) first = (row.in = first) + row.in_count;
    const at::Tensor device_table = bytes_of(table);
    const at::Tensor out =
        at::full({static_cast<std::int64_t>(made + kMargin)}, kUntouched,
                 at::TensorOptions(pcm_16 ? at::kShort : at::kFloat).device(kDevice));
    const at::Tensor stats = bytes_of(std::vector<RowStats>(rows.size(), RowStats{1e9F, 7, 7}));
    const c10::impl::VirtualGuardImpl cuda(c10::DeviceType::CUDA);
    std::array<char, 512> reason{};
    const bool done = module.convert(
        handle, static_cast<const AudioRow*>(device_table.const_data_ptr()), rows.size(), longest,
        out.mutable_data_ptr(), static_cast<RowStats*>(stats.mutable_data_ptr()),
        cuda.getStreamNativeHandle(cuda.getStream(kDevice)), reason.data(), reason.size());
    if (!done) FAIL(std::string(reason.data()));
    return taken_apart(out.cpu(), stats.cpu(), table);
  }

  /// What the CPU makes of a row.
  Made expected(const Samples& row) const {
    const Samples floats = flowtts::resample(filter, row);
    Made made;
    for (const float value : floats) {
      if (!std::isfinite(value)) {
        ++made.stats.not_finite;
      } else {
        made.stats.peak = std::max(made.stats.peak, std::abs(value));
        made.stats.clipped += std::abs(value) > 1.0F ? 1U : 0U;
      }
      made.bits.push_back(pcm_16 ? bits_of(value) : std::bit_cast<std::uint32_t>(value));
    }
    return made;
  }

 private:
  static constexpr std::size_t kMargin = 5;
  static constexpr int kUntouched = 77;

  static std::uint32_t bits_of(float value) {
    if (!std::isfinite(value)) return 0;
    return static_cast<std::uint16_t>(flowtts::quantize(std::span(&value, 1))->samples[0]);
  }

  std::uint32_t bits_at(const at::Tensor& out, std::uint64_t at) const {
    if (pcm_16) return static_cast<std::uint16_t>(out.const_data_ptr<std::int16_t>()[at]);
    return std::bit_cast<std::uint32_t>(out.const_data_ptr<float>()[at]);
  }

  std::vector<Made> taken_apart(const at::Tensor& out, const at::Tensor& stats,
                                const std::vector<AudioRow>& table) const {
    std::vector<Made> rows(table.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::uint64_t n = 0; n < table[i].out_count; ++n) {
        rows[i].bits.push_back(bits_at(out, table[i].out_offset + n));
      }
      std::memcpy(&rows[i].stats,
                  static_cast<const std::uint8_t*>(stats.const_data_ptr()) + i * sizeof(RowStats),
                  sizeof(RowStats));
    }
    const auto end = static_cast<std::uint64_t>(out.numel());
    for (std::size_t i = 0; i < kMargin; ++i) {
      CHECK(out[static_cast<std::int64_t>(i)].item<float>() == kUntouched);
      CHECK(out[static_cast<std::int64_t>(end - 1 - i)].item<float>() == kUntouched);
    }
    return rows;
  }
};

std::size_t differences(const Made& a, const Made& b) {
  REQUIRE(a.bits.size() == b.bits.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.bits.size(); ++i) count += a.bits[i] != b.bits[i] ? 1 : 0;
  return count;
}

/// Loud noise, so that some of it is clipped, of all sorts of lengths.
std::vector<Samples> noise(const std::vector<std::size_t>& lengths) {
  std::mt19937 random(11);
  std::normal_distribution<float> value(0, 0.4F);
  std::vector<Samples> rows;
  for (const std::size_t length : lengths) {
    Samples& row = rows.emplace_back(length);
    std::ranges::generate(row, [&] { return value(random); });
  }
  return rows;
}

const std::vector<std::size_t> kLengths{16'001, 0,   1,     2,     3,      87,
                                        88,     177, 2'560, 2'561, 30'000, 4'999};

}  // namespace

TEST_CASE("A GPU filters and converts audio to the same bits as the CPU") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const CudaModule* module = cuda_module();
  if (module == nullptr) return;
  const std::vector<Samples> rows = noise(kLengths);
  std::uint32_t clipped = 0;
  for (const auto& [from, to] : {std::pair{16000U, 22050U},
                                 {22050U, 16000U},
                                 {24000U, 16000U},
                                 {16000U, 48000U},
                                 {48000U, 8000U},
                                 {11025U, 48000U},
                                 {22050U, 22050U}}) {
    for (const bool pcm_16 : {true, false}) {
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(pcm_16);
      const Converter converter(*module, filter_of(from, to), pcm_16);
      const std::vector<Made> made = converter(rows);
      REQUIRE(made.size() == rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].size());
        const Made expected = converter.expected(rows[i]);
        CHECK(differences(made[i], expected) == 0);
        CHECK(made[i].stats.peak == expected.stats.peak);
        CHECK(made[i].stats.clipped == expected.stats.clipped);
        CHECK(made[i].stats.not_finite == 0);
        clipped += made[i].stats.clipped;
      }
    }
  }
  CHECK(clipped > 0);
}

TEST_CASE("On a GPU audio is converted to the same bits alone, in any company, on another lane") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const CudaModule* module = cuda_module();
  if (module == nullptr) return;
  const Converter converter(*module, filter_of(16000, 22050), true);
  std::vector<Samples> rows = noise(kLengths);
  const std::vector<Made> together = converter(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK((converter({rows[i]}).front() == together[i]));
  }
  std::ranges::reverse(rows);
  std::vector<Made> reversed;
  std::thread([&] {
    const auto lane = runtime->bind(kGpu);
    reversed = converter(rows);
  }).join();
  std::ranges::reverse(reversed);
  CHECK((reversed == together));
}

TEST_CASE("On a GPU a NaN is counted in its own row, and no other row knows of it") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const CudaModule* module = cuda_module();
  if (module == nullptr) return;
  std::vector<Samples> rows = noise({4'000, 4'000, 4'000, 4'000});
  rows[1][2'000] = std::numeric_limits<float>::quiet_NaN();
  rows[2][3'999] = -std::numeric_limits<float>::infinity();
  for (const auto& [from, to] : {std::pair{16000U, 22050U}, {16000U, 16000U}}) {
    for (const bool pcm_16 : {true, false}) {
      const Converter converter(*module, filter_of(from, to), pcm_16);
      const std::vector<Made> made = converter(rows);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i);
        const Made expected = converter.expected(rows[i]);
        CHECK((expected.stats.not_finite > 0) == (i == 1 || i == 2));
        CHECK(made[i].stats.not_finite == expected.stats.not_finite);
        CHECK(made[i].stats.peak == expected.stats.peak);
        // A NaN's own bits are not told apart.
        if (pcm_16 || i == 0 || i == 3) CHECK(differences(made[i], expected) == 0);
      }
    }
  }
}

TEST_CASE("On a GPU no rows, and more rows than a grid has lines, are converted") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const CudaModule* module = cuda_module();
  if (module == nullptr) return;
  const Converter converter(*module, filter_of(16000, 22050), true);
  CHECK(converter({}).empty());
  CHECK(converter({{}, {}}).size() == 2);
  CHECK(converter({{}})[0].stats.peak == 0);

  const std::vector<Samples> few = noise({10, 20, 30});
  std::vector<Samples> many;
  for (std::size_t i = 0; i < 70'001; ++i) many.push_back(few[i % few.size()]);
  const std::vector<Made> expected = converter(few), made = converter(many);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < made.size(); ++i) wrong += made[i] == expected[i % 3] ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("A GPU's converter is made once, and a filter that is too long for it is refused") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const CudaModule* module = cuda_module();
  if (module == nullptr) return;
  std::vector<AudioConverter*> made(4);
  std::vector<std::thread> threads;
  for (AudioConverter*& each : made) {
    threads.emplace_back([&] { each = Converter(*module, filter_of(16000, 22050), true).handle; });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(made == std::vector<AudioConverter*>(4, made[0]));
  CHECK(Converter(*module, filter_of(16000, 22050), false).handle != made[0]);
  CHECK(Converter(*module, filter_of(22050, 16000), true).handle != made[0]);

  std::array<char, 512> reason{};
  CHECK(module->make_converter(0, filter_of(384000, 4000), true, reason.data(), reason.size()) ==
        nullptr);
  CHECK(std::string(reason.data()).starts_with("a filter of "));
  reason = {};
  CHECK(module->make_converter(99, filter_of(16000, 22050), true, reason.data(), reason.size()) ==
        nullptr);
  CHECK(reason[0] != '\0');
}
