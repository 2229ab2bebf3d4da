#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

#include "stages/neural/voice.h"

/// What is kept between runs of voices: compiled packages, and small notes of what was measured.
/// Each lies in a folder of its own for every voice, card, version of torch and precision:
///
///     ROOT/voices-1/HASH/NVIDIA-H200-torch-2.11.0-float16/
///       compiled.json          names the package and tells of it; replaced last
///       render-1f2e3d4c.pt2    the package
///       lock, work-PID/        of a compile at work (voices/compile.py)
///       NOTE.json              a note
///
/// ROOT is $FLOWTTS_CACHE_DIR, else $XDG_CACHE_HOME/flowtts, else ~/.cache/flowtts. All of it may
/// be deleted at any time. Reading neither loads LibTorch nor opens a package. Any thread and
/// process.
namespace flowtts {

inline constexpr int kVoiceCacheFormat = 1;

struct VoiceKey {
  std::string voice_hash;
  std::string card;           ///< As `card_name` says it.
  std::string torch_version;  ///< "2.11.0".
  std::string precision;      ///< "float32", "float16", "bfloat16".
};

/// A compiled render part.
struct CompiledVoice {
  VoiceKey key;
  std::string voice;              ///< The voice's name.
  std::filesystem::path package;  ///< For AotiRenderer.
  std::uint64_t bytes = 0;
  double compile_seconds = 0;
  /// Of the module that was compiled against the voice's own, before compiling: the largest
  /// difference of a sample, and that of the spectra as a share of the level.
  double largest_difference = 0;
  double spectral_error = 0;
};

/// Where everything is kept; empty where no variable says it and there is no home.
std::filesystem::path cache_root();

/// The key's folder, which need not exist; empty where there is no root.
std::filesystem::path cache_folder(const VoiceKey& key);

/// The package of this voice for this card, where it is there whole and was made by the voice's
/// present exporter. The voice must have been read with its hash.
std::optional<CompiledVoice> find_compiled(const VoiceConfig& voice, const std::string& card,
                                           const std::string& torch_version,
                                           const std::string& precision);

/// The package that a folder of the cache holds, whoever's it is; nothing where it is torn.
std::optional<CompiledVoice> read_compiled(const std::filesystem::path& folder);

/// All whole packages, sorted by folder.
std::vector<CompiledVoice> list_compiled();

/// XXH3-128 of a voice's exporter, 32 hex digits; empty where it has none or it cannot be read.
std::string exporter_hash(const VoiceConfig& voice);

/// A note (a small text, usually JSON) under a file name such as "preflight.json"; nothing where it
/// is not there.
std::optional<std::string> read_note(const VoiceKey& key, const std::string& name);

/// Replaces a note as a whole: a reader sees the former or the new one.
std::optional<Error> write_note(const VoiceKey& key, const std::string& name,
                                std::string_view text);

}  // namespace flowtts
