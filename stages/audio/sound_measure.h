#pragma once

#include <cstdint>

#include <flowtts/payloads.h>

namespace flowtts {

/// What a piece of audio is like as sound, whatever it says.
struct SoundMeasure {
  std::uint64_t samples = 0;
  std::uint64_t not_finite = 0;     ///< NaN and infinite ones. Where there are any, only `samples`
                                    ///< and `hash` mean something beside it.
  std::uint64_t clipped = 0;        ///< Beyond full scale.
  float peak = 0;                   ///< The largest magnitude; full scale is 1.
  double rms = 0;                   ///< Root of the mean square; full scale is 1.
  std::uint64_t longest_pause = 0;  ///< Samples: see below.
  std::uint64_t hash = 0;           ///< Of the samples as they are kept; 16 bits and floats differ.

  /// `rms` in decibels of full scale; -infinity for digital silence.
  double level_db() const;
};

/// Measures the samples of an Audio on the host, in the form in which it has them: 16 bits are not
/// made floats. Each sample is read once, a block at a time that stays in the cache between the
/// measures and the hash.
///
/// A pause is a stretch between two sounds, so not what is quiet before the first or after the
/// last: blocks of kPauseBlock samples whose peaks are all 40 dB and more below the loudest one's.
///
/// Any thread.
SoundMeasure measure(const Audio& audio);

inline constexpr std::uint64_t kPauseBlock = 256;  ///< 12 ms at 22,050 Hz.

}  // namespace flowtts
