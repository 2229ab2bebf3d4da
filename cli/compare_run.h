#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>

#include <flowtts/result.h>

#include "stages/neural/voice.h"

/// What `flowtts compare` does with each of its voices: the align pipeline, into a folder of its
/// own, which is then read back.
namespace flowtts::cli {

/// What all voices are given.
struct ComparePlan {
  std::filesystem::path input;
  std::filesystem::path output;  ///< Each voice's folder is below it.
  std::uint64_t records = 20;    ///< Of the input.
  std::size_t max_words = 40;    ///< Of a sentence.
  std::uint64_t seed = 42;
};

/// A sentence's place: the record's in the input, the turn's and its own.
using SentencePlace = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

/// What a voice made of a sentence.
struct ComparedSentence {
  std::string record;  ///< Its id.
  std::string text;    ///< What was to be said.
  std::string audio;   ///< The file, relative to the voice's folder; empty where there is none.
  double seconds = 0;
  std::string speaker;
  std::string reason;   ///< Why there is no audio, in a word: "unspeakable", "rejected_pause".
  std::string message;  ///< The same at length, where more is to be said.
};

struct CompareFigures {
  std::string numerics;
  std::uint64_t written = 0;
  std::map<std::string, std::uint64_t> failures;  ///< Sentences without audio, by reason or error.
  std::uint64_t retaken = 0;                      ///< Takes that were rejected and made again.
  double audio_seconds = 0;
  /// Without `load_seconds`; 0: not known, since the run was done in several sessions.
  double work_seconds = 0;
  double load_seconds = 0;
  std::uint64_t device_bytes = 0;  ///< The most on all GPUs together; 0: not known.
  double least_per_character = 0;  ///< Seconds; of the sentences that were written.
  double usual_per_character = 0;  ///< The median.
  double most_per_character = 0;
};

/// A column of the page.
struct ComparedVoice {
  std::filesystem::path file;
  std::string name;
  std::string folder;                     ///< Below the plan's output.
  std::string problem;                    ///< Why not all was spoken; empty where it was.
  bool refused = false;                   ///< Because of its file or folder: nothing was started.
  std::optional<VoiceConfig> config;      ///< Nothing where the file could not be read.
  std::optional<CompareFigures> figures;  ///< Nothing where no run came to an end.
  /// The most that its run added to what this process and its workers have; what an earlier voice
  /// has brought in (LibTorch) is not counted again. 0: nothing was left to be done.
  std::uint64_t host_bytes = 0;
  std::map<SentencePlace, ComparedSentence> sentences;
};

/// Speaks with the voice and fills its column; `voice.config` and `voice.folder` are there. A run
/// that was begun with the same plan goes on. Shows progress on stderr.
/// \return whether threads hang or a device is lost, so that the process had better end by
///         std::_Exit once all is told.
bool speak_compared(const ComparePlan& plan, ComparedVoice& voice, const std::stop_token& stop);

/// Fills figures and sentences from the run's folder. Errors: "no_run", "unreadable".
std::optional<Error> read_compared(const std::filesystem::path& folder, ComparedVoice& voice);

}  // namespace flowtts::cli
