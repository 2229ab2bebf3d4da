#pragma once

#include <cstddef>

#include "stages/neural/voice.h"

namespace flowtts {

/// Whether a sentence's samples differ with its company: speaks made-up sentences of several
/// lengths alone, together and in another order, in batches of so many rows, and compares the bits.
/// False also where they cannot be spoken. A sample of what happens, not a proof. On a lane's
/// thread.
bool depends_on_batch(VoiceEngine& engine, std::size_t rows);

}  // namespace flowtts
