#pragma once

#include <optional>
#include <span>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

namespace flowtts {

/// Why samples are no sound: "empty_audio"; "not_finite" (a NaN or infinity, with its place).
/// Nothing where they are. Any thread.
std::optional<Error> objection_to(std::span<const float> samples);

/// Gives samples the 16 bits that a file has. A value is taken to 32 bits, full scale to 2^31,
/// rounded to the nearest and halves to even; beyond full scale it is set to full scale, never
/// wrapped; the upper 16 bits stay. Those are libsndfile's steps into a 16-bit WAV file, bit for
/// bit, so that a file is the same whoever converted. (Into FLAC libsndfile rounds at once to 16
/// bits, so that floats given to it may come out a step apart.) Any thread. Errors: those of
/// `objection_to`.
Result<Pcm16> quantize(std::span<const float> samples);

}  // namespace flowtts
