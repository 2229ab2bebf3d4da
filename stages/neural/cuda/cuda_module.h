#pragma once

#include <cstddef>
#include <cstdint>

#include "stages/audio/polyphase.h"

/// What FlowTTS needs of CUDA beyond LibTorch's device-independent interface: libflowtts_cuda.so,
/// built where CUDA's headers are, loaded when a GPU is used, never linked.
namespace flowtts {

inline constexpr const char* kCudaModuleFile = "libflowtts_cuda.so";
inline constexpr const char* kCudaModuleEntry = "flowtts_cuda_module";

/// One channel for `convert`: an element of a table in the device's memory.
struct AudioRow {
  const float* in;           ///< In the device's memory.
  std::uint64_t in_count;    ///< Samples.
  std::uint64_t out_offset;  ///< Where its output begins, in samples from `out`.
  std::uint64_t out_count;   ///< `resampled_length` of in_count. No two rows' outputs may overlap.
};

/// What `convert` says of a row, an element of a table in the device's memory.
struct RowStats {
  float peak;                ///< The largest magnitude before clipping, of what is finite.
  std::uint32_t clipped;     ///< Outputs beyond full scale. As floats they stay so.
  std::uint32_t not_finite;  ///< Outputs that are NaN or infinite, 0 in 16 bits: no sound.
};

/// Resamples and converts on one device, for one pair of rates and one form of sample.
struct AudioConverter;

/// The module's functions. Callable from any thread once LibTorch has initialised CUDA. Each says
/// by its result whether it succeeded, and if not, why, in `reason`, cut to its size.
struct CudaModule {
  std::size_t struct_size;
  const char* version;  ///< Of the FlowTTS that it was built with.

  /// Bounds what LibTorch's allocator takes of a GPU.
  bool (*limit_memory)(int device, std::uint64_t bytes, char* reason, std::size_t reason_size);

  /// The converter for a filter (equal rates have one as well), which gives 16-bit samples as
  /// `quantize` makes them, or floats. Compiles a program for the device when it is first asked
  /// for, which takes tenths of a second and synchronises: before the work begins, and not while a
  /// CUDA graph is captured. The same for the same rates and form; valid for the life of the
  /// process. Null where it cannot be made: LibTorch's NVRTC is missing, or the filter is too long.
  AudioConverter* (*make_converter)(int device, const PolyphaseFilter& filter, bool pcm_16,
                                    char* reason, std::size_t reason_size);

  /// Puts on a stream of the converter's device: `stats` are set to zero and each row's samples are
  /// filtered, converted and stored. Never synchronises; may be captured into a CUDA graph. A row's
  /// output has the same bits whatever the other rows are: those of `resample` and `quantize` on
  /// the CPU.
  ///
  /// \param rows        row_count of them, in the device's memory, where they are read when the
  ///                    stream gets there; likewise `stats`.
  /// \param longest_out the largest out_count; a row's outputs beyond it are not made.
  /// \param out         16-bit samples or floats, in the device's memory.
  /// \param stream      a cudaStream_t.
  bool (*convert)(const AudioConverter* converter, const AudioRow* rows, std::size_t row_count,
                  std::uint64_t longest_out, void* out, RowStats* stats, void* stream, char* reason,
                  std::size_t reason_size);
};

using CudaModuleEntry = const CudaModule*();

}  // namespace flowtts
