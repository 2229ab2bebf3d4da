#pragma once

/// The program that resamples and converts audio on a GPU, in CUDA C++: compiled at run time for
/// the card and for the figures that the capitals stand for (audio_converter.cc says which), so
/// that loops have known lengths and no division is left.
///
/// A block makes a tile of WIDTH * REPEATS outputs of one row. Their inputs go into shared memory
/// once. A thread makes REPEATS outputs that are WIDTH apart, a multiple of UP, so that they have
/// the same coefficients: each is read once for all of them, by neighbouring threads from
/// neighbouring addresses. Each output is summed in the order of the taps, from its own row alone,
/// so that it has the same bits wherever in a batch its row stands.
namespace flowtts {

inline constexpr const char* kConvertKernelName = "convert";
inline constexpr const char* kConvertCoefficientsName = "coefficients";

inline constexpr const char* kConvertKernel = R"cuda(
typedef unsigned long long Count;

struct Row {
  const float* in;
  Count in_count;
  Count out_offset;
  Count out_count;
};

struct Stats {
  unsigned peak_bits;  // Floats without sign are in the order of their bits.
  unsigned clipped;
  unsigned not_finite;
};

__device__ bool is_finite(float value) {
  return (__float_as_uint(value) & 0x7FFFFFFFu) < 0x7F800000u;
}

#if PCM_16
typedef short Sample;
// To 32 bits, to the nearest whole number and to full scale beyond it; the upper half stays.
__device__ Sample sample_of(float value) {
  return is_finite(value) ? (Sample)(__float2int_rn(value * 2147483648.0f) >> 16) : (Sample)0;
}
#else
typedef float Sample;
__device__ Sample sample_of(float value) { return value; }
#endif

#if TAPS > 1
extern "C" { __device__ float coefficients[TAPS * UP]; }
#endif

__device__ void watch(Stats& stats, float value) {
  if (!is_finite(value)) {
    ++stats.not_finite;
    return;
  }
  const unsigned bits = __float_as_uint(value) & 0x7FFFFFFFu;
  stats.peak_bits = max(stats.peak_bits, bits);
  stats.clipped += bits > 0x3F800000u ? 1u : 0u;
}

__device__ void add_up(Stats mine, Stats* all) {
  for (int distance = 16; distance > 0; distance /= 2) {
    mine.peak_bits = max(mine.peak_bits, __shfl_down_sync(0xFFFFFFFFu, mine.peak_bits, distance));
    mine.clipped += __shfl_down_sync(0xFFFFFFFFu, mine.clipped, distance);
    mine.not_finite += __shfl_down_sync(0xFFFFFFFFu, mine.not_finite, distance);
  }
  if (threadIdx.x % 32 != 0) return;
  if (mine.peak_bits) atomicMax(&all->peak_bits, mine.peak_bits);
  if (mine.clipped) atomicAdd(&all->clipped, mine.clipped);
  if (mine.not_finite) atomicAdd(&all->not_finite, mine.not_finite);
}

extern "C" __global__ void __launch_bounds__(THREADS)
convert(const Row* rows, unsigned row_count, Sample* out, Stats* stats) {
  __shared__ float inputs[SPAN];
  const Count first_out = (Count)blockIdx.x * (WIDTH * REPEATS);
  const long long first_in = (long long)blockIdx.x * (STEP * REPEATS) - LEAD;
  for (unsigned index = blockIdx.y; index < row_count; index += gridDim.y) {
    const Row row = rows[index];
    if (first_out >= row.out_count) continue;
    __syncthreads();  // The row before may still be read.
    for (int i = threadIdx.x; i < SPAN; i += THREADS) {
      const long long at = first_in + i;
      inputs[i] = at >= 0 && at < (long long)row.in_count ? row.in[at] : 0.0f;
    }
    __syncthreads();
    Stats mine = {0, 0, 0};
    for (int column = threadIdx.x; column < WIDTH; column += THREADS) {
      const float* in = inputs + column * DOWN / UP;
      float sums[REPEATS];
#if TAPS > 1
#pragma unroll
      for (int k = 0; k < REPEATS; ++k) sums[k] = 0.0f;
      const float* coefficient = coefficients + column % UP;
#pragma unroll 8
      for (int tap = 0; tap < TAPS; ++tap) {
        const float c = coefficient[tap * UP];
#pragma unroll
        for (int k = 0; k < REPEATS; ++k) sums[k] = fmaf(in[tap + k * STEP], c, sums[k]);
      }
#else
#pragma unroll
      for (int k = 0; k < REPEATS; ++k) sums[k] = in[k * STEP];
#endif
#pragma unroll
      for (int k = 0; k < REPEATS; ++k) {
        const Count n = first_out + column + k * WIDTH;
        if (n >= row.out_count) break;
        out[row.out_offset + n] = sample_of(sums[k]);
        watch(mine, sums[k]);
      }
    }
    __syncwarp();
    add_up(mine, &stats[index]);
  }
}
)cuda";

}  // namespace flowtts
