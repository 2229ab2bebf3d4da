#include "stages/neural/cuda/audio_converter.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include <c10/util/StringUtil.h>
#include <cuda_runtime_api.h>

#include "stages/neural/cuda/convert_kernel.h"
#include "stages/neural/cuda/nvrtc.h"

namespace flowtts {

struct AudioConverter {
  int device = 0;
  ConverterLayout layout;
  CUfunction kernel = nullptr;
};

namespace {

// What a block may have without asking for more.
constexpr std::uint64_t kSharedBytes = 48 * 1024;
constexpr std::uint32_t kMostThreads = 512;
constexpr std::uint32_t kLeastWidth = 256;
constexpr std::uint32_t kMostRepeats = 8;
constexpr std::size_t kMostRowsOfBlocks = 65'535;

static_assert(sizeof(AudioRow) == 32 && sizeof(RowStats) == 12, "the kernel's own structs");

constexpr std::uint32_t round_up(std::uint32_t value, std::uint32_t to) {
  return (value + to - 1) / to * to;
}

/// Makes a device this thread's, and the one before again.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    result_ = cudaGetDevice(&before_);
    // Set even where it is that one already: the driver's functions want its context.
    if (result_ == cudaSuccess) result_ = cudaSetDevice(device);
    changed_ = before_ != device;
  }
  ~OnDevice() {
    if (changed_ && result_ == cudaSuccess) cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  cudaError_t result() const { return result_; }

 private:
  int before_ = 0;
  bool changed_ = false;
  cudaError_t result_;
};

Error cuda_error(const char* what, cudaError_t result) {
  cudaGetLastError();  // LibTorch would take what is kept there for a failure of its own
  return {"cuda_failed", c10::str(what, ": ", cudaGetErrorString(result))};
}

Result<std::string> architecture(int device) {
  int major = 0, minor = 0;
  cudaError_t result = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (result == cudaSuccess) {
    result = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  }
  if (result != cudaSuccess) return cuda_error("the device's compute capability", result);
  return c10::str("--gpu-architecture=sm_", major, minor);
}

std::optional<Error> copy_coefficients(const DriverFunctions& driver, CUmodule module,
                                       const PolyphaseFilter& filter) {
  if (filter.taps == 1) return std::nullopt;
  CUdeviceptr address = 0;
  std::size_t bytes = 0;
  const CUresult found = driver.get_global(&address, &bytes, module, kConvertCoefficientsName);
  if (found != CUDA_SUCCESS) return Error{"cuda_failed", driver.reason(found)};
  cudaError_t copied = cudaMemcpy(reinterpret_cast<void*>(address), filter.coefficients.data(),
                                  std::min(bytes, filter.coefficients.size() * sizeof(float)),
                                  cudaMemcpyHostToDevice);
  // It may return before they are all there, and LibTorch's streams do not wait for this one.
  if (copied == cudaSuccess) copied = cudaStreamSynchronize(nullptr);
  if (copied != cudaSuccess) return cuda_error("copying the filter", copied);
  return std::nullopt;
}

/// All converters of the process, and the programs they were made of: cards of one kind share them.
class Converters {
 public:
  static Converters& global() {
    static Converters converters;
    return converters;
  }

  Result<AudioConverter*> get(int device, const PolyphaseFilter& filter, bool pcm_16) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<AudioConverter>& found = made_[{device, filter.from, filter.to, pcm_16}];
    if (!found) {
      Result<AudioConverter> converter = make(device, filter, pcm_16);
      if (!converter) return converter.error();
      found = std::make_unique<AudioConverter>(*converter);
    }
    return found.get();
  }

 private:
  Result<AudioConverter> make(int device, const PolyphaseFilter& filter, bool pcm_16) {
    const Result<DriverFunctions>& driver = DriverFunctions::get();
    if (!driver) return driver.error();
    const Result<ConverterLayout> layout = ConverterLayout::of(filter);
    if (!layout) return layout.error();
    const OnDevice on_device(device);
    if (on_device.result() != cudaSuccess) return cuda_error("the device", on_device.result());
    const Result<std::string> card = architecture(device);
    if (!card) return card.error();
    std::vector<std::string> options = layout->options(filter, pcm_16);
    options.push_back(*card);
    const Result<const std::string*> program = compiled(options);
    if (!program) return program.error();

    CUmodule module = nullptr;
    CUfunction kernel = nullptr;
    CUresult result = driver->load_module(&module, (*program)->data());
    if (result == CUDA_SUCCESS) result = driver->get_function(&kernel, module, kConvertKernelName);
    if (result != CUDA_SUCCESS) return Error{"cuda_failed", driver->reason(result)};
    if (const auto error = copy_coefficients(*driver, module, filter)) return *error;
    return AudioConverter{device, *layout, kernel};
  }

  Result<const std::string*> compiled(const std::vector<std::string>& options) {
    const auto found = programs_.find(options);
    if (found != programs_.end()) return &found->second;
    Result<std::string> program = compile_cuda(kConvertKernel, options);
    if (!program) return program.error();
    return &programs_.emplace(options, std::move(*program)).first->second;
  }

  std::mutex mutex_;
  std::map<std::tuple<int, std::uint32_t, std::uint32_t, bool>, std::unique_ptr<AudioConverter>>
      made_;
  std::map<std::vector<std::string>, std::string> programs_;
};

std::optional<Error> launch(const AudioConverter& converter, const AudioRow* rows,
                            std::size_t row_count, std::uint64_t longest_out, void* out,
                            RowStats* stats, CUstream stream) {
  if (row_count > std::numeric_limits<std::uint32_t>::max()) {
    return Error{"too_many_rows", c10::str(row_count, " rows at once")};
  }
  const OnDevice on_device(converter.device);
  if (on_device.result() != cudaSuccess) return cuda_error("the device", on_device.result());
  const cudaError_t zeroed = cudaMemsetAsync(stats, 0, row_count * sizeof(RowStats), stream);
  if (zeroed != cudaSuccess) return cuda_error("setting the figures to zero", zeroed);
  const std::uint64_t tiles = (longest_out + converter.layout.tile() - 1) / converter.layout.tile();
  if (tiles == 0) return std::nullopt;
  const DriverFunctions& driver = DriverFunctions::get().value();
  auto count = static_cast<std::uint32_t>(row_count);
  void* arguments[] = {&rows, &count, &out, &stats};
  const CUresult launched =
      driver.launch(converter.kernel, static_cast<unsigned>(tiles),
                    static_cast<unsigned>(std::min(row_count, kMostRowsOfBlocks)), 1,
                    converter.layout.threads, 1, 1, 0, stream, arguments, nullptr);
  if (launched != CUDA_SUCCESS) return Error{"cuda_failed", driver.reason(launched)};
  return std::nullopt;
}

void say(const Error& error, char* reason, std::size_t reason_size) {
  std::snprintf(reason, reason_size, "%s", error.message.c_str());
}

}  // namespace

Result<ConverterLayout> ConverterLayout::of(const PolyphaseFilter& filter) {
  const std::uint32_t copies = (kLeastWidth + filter.up - 1) / filter.up;
  for (const std::uint32_t wide : {copies, 1U}) {
    for (std::uint32_t repeats = kMostRepeats; repeats > 0; repeats /= 2) {
      const std::uint64_t width = std::uint64_t{wide} * filter.up;
      const std::uint64_t step = std::uint64_t{wide} * filter.down;
      const std::uint64_t span =
          (width - 1) * filter.down / filter.up + (repeats - 1) * step + filter.taps;
      if (span * sizeof(float) > kSharedBytes) continue;
      ConverterLayout layout;
      layout.width = static_cast<std::uint32_t>(width);
      layout.repeats = repeats;
      layout.step = static_cast<std::uint32_t>(step);
      layout.span = static_cast<std::uint32_t>(span);
      const std::uint32_t rounds = (layout.width + kMostThreads - 1) / kMostThreads;
      layout.threads = round_up((layout.width + rounds - 1) / rounds, 32);
      return layout;
    }
  }
  return Error{"filter_too_long",
               c10::str("a filter of ", filter.taps, " taps from ", filter.from, " to ", filter.to,
                        " Hz does not fit into a GPU's shared memory")};
}

std::vector<std::string> ConverterLayout::options(const PolyphaseFilter& filter,
                                                  bool pcm_16) const {
  std::vector<std::string> options{"--std=c++17"};
  const auto define = [&](const char* name, std::uint32_t value) {
    options.push_back(c10::str("--define-macro=", name, "=", value));
  };
  define("UP", filter.up);
  define("DOWN", filter.down);
  define("TAPS", filter.taps);
  define("LEAD", filter.lead);
  define("WIDTH", width);
  define("REPEATS", repeats);
  define("STEP", step);
  define("SPAN", span);
  define("THREADS", threads);
  define("PCM_16", pcm_16 ? 1 : 0);
  return options;
}

AudioConverter* make_converter(int device, const PolyphaseFilter& filter, bool pcm_16, char* reason,
                               std::size_t reason_size) {
  const Result<AudioConverter*> converter = Converters::global().get(device, filter, pcm_16);
  if (converter) return *converter;
  say(converter.error(), reason, reason_size);
  return nullptr;
}

bool convert(const AudioConverter* converter, const AudioRow* rows, std::size_t row_count,
             std::uint64_t longest_out, void* out, RowStats* stats, void* stream, char* reason,
             std::size_t reason_size) {
  if (row_count == 0) return true;
  const std::optional<Error> error =
      launch(*converter, rows, row_count, longest_out, out, stats, static_cast<CUstream>(stream));
  if (error) say(*error, reason, reason_size);
  return !error;
}

}  // namespace flowtts
