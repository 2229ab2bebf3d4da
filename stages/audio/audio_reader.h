#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

namespace flowtts {

/// An audio file as one channel, the mean of its channels, in floating point. Any form that
/// libsndfile reads. Any thread.
/// Errors: "unreadable_audio", "too_long" (more than `max_seconds`), both with the path.
Result<Audio> read_audio_file(const std::filesystem::path& path, double max_seconds);

/// What the head of an audio file says of it.
struct AudioInfo {
  std::uint32_t sample_rate = 0;  ///< Hertz.
  std::uint64_t samples = 0;      ///< Of each channel.
  int channels = 0;
};

/// Of a whole file that lies in memory. Error "unreadable_audio".
Result<AudioInfo> audio_info(std::string_view file);

/// A file, and what it is called: its path below the folder that was named, without extension.
struct NamedFile {
  std::filesystem::path path;
  std::string name;
};

/// The audio files that `where` names, sorted by name: a file, every one in a folder and below it
/// (by extension; hidden ones and links to folders are passed over), or a pattern with `*`, `?` and
/// `[...]`. Error "no_audio" where there are none, "unreadable" where a folder cannot be listed.
Result<std::vector<NamedFile>> find_audio_files(const std::string& where);

}  // namespace flowtts
