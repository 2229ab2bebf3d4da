#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/result.h>
#include <flowtts/stage_base.h>

#include "stages/neural/trial_texts.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// Something that was noticed about a voice.
struct VoiceFinding {
  bool fault = true;    ///< It breaks the contract; otherwise it is worth knowing.
  std::string code;     ///< "not_repeatable", or the code of the Error that it is about.
  std::string message;  ///< What was found and what is allowed.
  std::string remedy;   ///< What to do.
};

/// From the least to the most of what was measured.
struct MeasuredRange {
  double low = 0;
  double high = 0;
};

/// What came of trying a voice on a device.
struct VoiceTrial {
  DeviceInfo device;
  std::string numerics;       ///< Empty where the voice could not be loaded.
  std::size_t max_batch = 0;  ///< 0: no limit of the model's own.
  std::size_t speakers = 0;   ///< How many spoke,
  std::size_t sentences = 0;  ///< how many sentences that were,
  std::size_t spoken = 0;     ///< and how many of them came out as audio.
  double audio_seconds = 0;   ///< Of them.
  double load_seconds = 0;
  double alone_speed = 0;          ///< Audio seconds a second, one at a time; 0: not measured.
  double batch_speed = 0;          ///< The same in batches, as far as these sentences fill them.
  std::uint64_t host_bytes = 0;    ///< That loading and speaking added, workers' own included.
  std::uint64_t device_bytes = 0;  ///< Likewise of a GPU's memory; 0 for a CPU.
  MeasuredRange seconds_per_character;
  MeasuredRange seconds_per_word;
  double quietest_db = 0;  ///< Level of the quietest sentence, full scale being 0.
  std::vector<VoiceFinding> findings;

  bool good() const;
  /// Whether the voice has lost its device, after which the process had better end by std::_Exit:
  /// what libraries do with it at exit could hang or throw.
  bool lost_device() const;
};

struct VoiceTrialOptions {
  DeviceId device;
  std::size_t most_speakers = 8;  ///< Of a voice that has more, some from all over its list.
  RunContext::Words log = {};
  RunContext::Words warn = {};
};

/// Loads a voice onto a device and speaks the sentences as the stage `synthesize` does: by the same
/// engine, on a thread with the same runtime bound, in the same batches. Each alone, all again
/// alone, and all in batches of two orders; what comes is held against the promises of VoiceEngine
/// and against the voice's gate.
///
/// What is wrong with the voice is a finding. Errors are about the machine: no such device, a
/// library that is missing, no memory.
///
/// \param voice read with its hash.
/// \param texts not empty.
Result<VoiceTrial> try_voice(const VoiceConfig& voice, std::span<const TrialText> texts,
                             const VoiceTrialOptions& options);

}  // namespace flowtts
