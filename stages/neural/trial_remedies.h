#pragma once

#include <string>

#include <flowtts/result.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// What the author of a voice can do about an Error of loading or speaking it, or about a finding
/// of a trial by its code; a sentence.
std::string remedy_for(const Error& error, const VoiceConfig& voice);

/// Whether an Error of loading is about the machine and not about the voice.
bool is_of_the_machine(const Error& error);

}  // namespace flowtts
