#pragma once

#include <string>
#include <vector>

#include "stages/neural/cuda/cuda_module.h"

namespace flowtts {

/// How a filter's work is laid out on a GPU; the figures are the kernel's capitals.
struct ConverterLayout {
  std::uint32_t width = 0;    ///< Outputs of a tile that have coefficients of their own.
  std::uint32_t repeats = 0;  ///< How often that many outputs follow in a tile.
  std::uint32_t step = 0;     ///< Inputs from one repeat to the next.
  std::uint32_t span = 0;     ///< Inputs of a tile.
  std::uint32_t threads = 0;

  /// Error "filter_too_long", where a tile's inputs do not fit into shared memory.
  static Result<ConverterLayout> of(const PolyphaseFilter& filter);

  std::uint64_t tile() const { return std::uint64_t{width} * repeats; }

  /// What the compiler is told.
  std::vector<std::string> options(const PolyphaseFilter& filter, bool pcm_16) const;
};

// The functions of CudaModule.
AudioConverter* make_converter(int device, const PolyphaseFilter& filter, bool pcm_16, char* reason,
                               std::size_t reason_size);
bool convert(const AudioConverter* converter, const AudioRow* rows, std::size_t row_count,
             std::uint64_t longest_out, void* out, RowStats* stats, void* stream, char* reason,
             std::size_t reason_size);

}  // namespace flowtts
