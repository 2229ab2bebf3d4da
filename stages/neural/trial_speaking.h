#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/payloads.h>
#include <flowtts/result.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// Speaks in batches as the device executor makes them: of one class of lengths, of as many rows as
/// the engine's shapes say, planned first where the engine plans; at the end the audio is brought
/// home. On a thread with `binding` in force.
///
/// \param most the most sentences of a batch; 1: each alone.
/// \return one result an input, in order; what an engine throws is the Error of its batch.
std::vector<Result<Audio>> speak_trial(VoiceEngine& engine, LaneBinding* binding,
                                       std::span<const VoiceInput> inputs, std::size_t most,
                                       std::uint32_t sample_rate);

}  // namespace flowtts
