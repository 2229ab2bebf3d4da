#pragma once

#include <memory>

#include "stages/neural/voice.h"

namespace flowtts {

/// A voice without a model, for trying out pipelines, disks and settings, and for tests of faults:
/// of each token of a sentence it makes a tone that glides from the pitch of the token before.
///
/// A tone takes 60 to 100 ms at speed 1; pitch and length follow from the token and the speaker,
/// the phase at which a sentence begins, and a few cents of pitch, from the seed. The samples are
/// made with integers and single multiplications from a table, so that they are the same bits on
/// every machine, and whatever the batch. The peak is at 0.25, and a
/// sentence as loud as speech is recorded, 18 dB below full scale.
///
/// On the CPU only. Thread-safe; thousands of sentences a second and core. There is nothing to be
/// compiled and no other precision than float32: options that ask for them are the fatal Errors
/// "not_compiled" and "bad_precision".
Result<std::shared_ptr<VoiceEngine>> open_tones(const VoiceConfig& voice, DeviceId device,
                                                const VoiceOptions& options);

}  // namespace flowtts
