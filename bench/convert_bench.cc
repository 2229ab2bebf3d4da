// How fast a GPU resamples and converts audio to 16 bits, beside libsoxr on one core.
//
//   convert_bench [ROWS] [SECONDS-OF-EACH]
//
// Samples and results stay in the GPU's memory: what is measured is the kernel alone. Repeats until
// a second has gone by.

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "stages/audio/pcm16.h"
#include "stages/audio/polyphase.h"
#include "stages/audio/resampler.h"
#include "stages/neural/torch/cuda_loader.h"
#include "stages/neural/torch/torch_runtime.h"

namespace {

using namespace flowtts;
using Clock = std::chrono::steady_clock;

constexpr DeviceId kGpu{DeviceKind::kCuda, 0};
const c10::Device kDevice(c10::DeviceType::CUDA, 0);

struct Work {
  std::uint32_t from, to;
  bool pcm_16;
  std::size_t rows;
  double seconds;  ///< Of each row.

  std::size_t samples() const { return static_cast<std::size_t>(seconds * from); }
};

/// Seconds that a call takes, the first not counted.
double measure(const std::function<void()>& work, const std::function<void()>& finish) {
  work();
  finish();
  const auto start = Clock::now();
  double elapsed = 0;
  int calls = 0;
  while (elapsed < 1) {
    for (int i = 0; i < 20; ++i) work();
    finish();
    calls += 20;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return elapsed / calls;
}

void print(const char* who, const Work& work, double seconds) {
  const double audio = static_cast<double>(work.rows) * work.seconds;
  std::printf(
      "%-8s %6u -> %6u Hz %-6s %4zu x %5.1f s  %9.3f ms  %12.0f audio-s/s  %.3g samples/s\n", who,
      work.from, work.to, work.pcm_16 ? "pcm_16" : "float", work.rows, work.seconds, seconds * 1e3,
      audio / seconds, audio * work.to / seconds);
}

std::string on_gpu(const CudaModule& module, const Work& work) {
  std::array<char, 512> reason{};
  const auto filter = design_polyphase(work.from, work.to);
  if (!filter) return filter.error().message;
  const AudioConverter* converter =
      module.make_converter(0, *filter, work.pcm_16, reason.data(), reason.size());
  if (converter == nullptr) return reason.data();
  const auto made = resampled_length(work.samples(), work.from, work.to);
  const auto floats = at::TensorOptions(at::kFloat).device(kDevice);
  const auto rows = static_cast<std::int64_t>(work.rows);
  const at::Tensor in = at::randn({rows, static_cast<std::int64_t>(work.samples())}, floats) * 0.1;
  const at::Tensor out = at::empty({rows, static_cast<std::int64_t>(made)},
                                   floats.dtype(work.pcm_16 ? at::kShort : at::kFloat));
  std::vector<AudioRow> table;
  for (std::size_t row = 0; row < work.rows; ++row) {
    table.push_back(
        {in.const_data_ptr<float>() + row * work.samples(), work.samples(), row * made, made});
  }
  at::Tensor bytes = at::empty({rows * static_cast<std::int64_t>(sizeof(AudioRow))}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), table.data(), bytes.nbytes());
  bytes = bytes.to(kDevice);
  const at::Tensor stats = at::empty({rows * 3}, floats);
  const c10::impl::VirtualGuardImpl cuda(c10::DeviceType::CUDA);
  void* stream = cuda.getStreamNativeHandle(cuda.getStream(kDevice));
  bool fine = true;
  const double seconds = measure(
      [&] {
        fine = module.convert(converter, static_cast<const AudioRow*>(bytes.const_data_ptr()),
                              work.rows, made, out.mutable_data_ptr(),
                              static_cast<RowStats*>(stats.mutable_data_ptr()), stream,
                              reason.data(), reason.size()) &&
               fine;
      },
      [&] { cuda.synchronizeDevice(0); });
  if (!fine) return reason.data();
  print("gpu", work, seconds);
  return "";
}

void on_cpu(const Work& work) {
  const std::vector<float> samples(work.samples(), 0.1F);
  const double seconds = measure(
      [&] {
        const auto made = resample(samples, work.from, work.to, ResampleQuality::kHigh);
        if (work.pcm_16 && !quantize(*made).ok()) std::abort();
      },
      [] {});
  print("libsoxr", {work.from, work.to, work.pcm_16, 1, work.seconds}, seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t rows = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 128;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 4;
  const bool gpu = !visible_gpus().empty();
  if (!gpu) std::printf("no GPU here: libsoxr alone\n");
  const auto runtime = make_torch_runtime();
  for (const Work& work : {Work{16000, 22050, true, rows, seconds},
                           {16000, 22050, false, rows, seconds},
                           {22050, 16000, true, rows, seconds},
                           {24000, 16000, true, rows, seconds},
                           {16000, 16000, true, rows, seconds},
                           {16000, 22050, true, 1, seconds}}) {
    if (gpu) {
      const auto started = runtime->start(kGpu, {});
      const auto module = load_cuda_module();
      const Error* error = started.is_error()  ? &started.error()
                           : module.is_error() ? &module.error()
                                               : nullptr;
      const auto binding = error == nullptr ? runtime->bind(kGpu) : nullptr;
      const std::string problem = error != nullptr ? error->message : on_gpu(**module, work);
      if (!problem.empty()) {
        std::fprintf(stderr, "convert_bench: %s\n", problem.c_str());
        return 1;
      }
    }
    if (work.rows > 1 && work.from != work.to) on_cpu(work);
  }
}
