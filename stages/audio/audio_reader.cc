#include "stages/audio/audio_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <glob.h>
#include <sndfile.h>

namespace flowtts {
namespace {

namespace fs = std::filesystem;

constexpr sf_count_t kFramesAtOnce = 16'384;

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

/// A file in memory, as libsndfile reads one.
struct MemoryFile {
  std::string_view bytes;
  sf_count_t at = 0;
};

sf_count_t memory_length(void* user) {
  return static_cast<sf_count_t>(static_cast<MemoryFile*>(user)->bytes.size());
}
sf_count_t memory_seek(sf_count_t offset, int whence, void* user) {
  auto& file = *static_cast<MemoryFile*>(user);
  if (whence == SEEK_CUR) offset += file.at;
  if (whence == SEEK_END) offset += memory_length(user);
  return file.at = std::clamp<sf_count_t>(offset, 0, memory_length(user));
}
sf_count_t memory_read(void* out, sf_count_t count, void* user) {
  auto& file = *static_cast<MemoryFile*>(user);
  count = std::min(count, memory_length(user) - file.at);
  std::copy_n(file.bytes.data() + file.at, count, static_cast<char*>(out));
  file.at += count;
  return count;
}
sf_count_t memory_write(const void*, sf_count_t, void*) { return 0; }
sf_count_t memory_tell(void* user) { return static_cast<MemoryFile*>(user)->at; }

void append_mean(std::vector<float>& out, const std::vector<float>& frames, sf_count_t count,
                 std::size_t channels) {
  for (std::size_t frame = 0; frame < static_cast<std::size_t>(count); ++frame) {
    float sum = 0;
    for (std::size_t channel = 0; channel < channels; ++channel) {
      sum += frames[frame * channels + channel];
    }
    out.push_back(sum / static_cast<float>(channels));
  }
}

bool is_audio(const fs::path& path) {
  static constexpr std::array<std::string_view, 11> kExtensions{
      ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"};
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kExtensions, extension) != kExtensions.end();
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

NamedFile named(const fs::path& path, const fs::path& folder) {
  return {path, path.lexically_relative(folder).replace_extension().generic_string()};
}

std::optional<Error> list_folder(const fs::path& folder, std::vector<NamedFile>& files) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (is_hidden(entry->path())) {
      if (entry->is_directory(ignored)) entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored) && is_audio(entry->path())) {
      files.push_back(named(entry->path(), folder));
    }
  }
  if (!error) return std::nullopt;
  return Error{"unreadable",
               fmt::format("'{}' cannot be listed: {}", folder.string(), error.message())};
}

// What stands before the first folder whose name is a pattern.
fs::path fixed_part(const std::string& pattern) {
  const std::size_t wild = pattern.find_first_of("*?[");
  const std::size_t slash = pattern.substr(0, wild).rfind('/');
  return slash == std::string::npos ? fs::path(".") : fs::path(pattern.substr(0, slash + 1));
}

void list_matches(const std::string& pattern, std::vector<NamedFile>& files) {
  glob_t found{};
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    const fs::path folder = fixed_part(pattern);
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      const fs::path path(found.gl_pathv[i]);
      std::error_code ignored;
      if (!fs::is_regular_file(path, ignored)) continue;
      files.push_back(named(folder == "." ? fs::path(".") / path : path, folder));
    }
  }
  ::globfree(&found);
}

}  // namespace

Result<Audio> read_audio_file(const fs::path& path, double max_seconds) {
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, Close> file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file) {
    return Error{"unreadable_audio",
                 fmt::format("'{}' cannot be read: {}", path.string(), sf_strerror(nullptr))};
  }
  Audio audio;
  audio.sample_rate = static_cast<std::uint32_t>(info.samplerate);
  const auto limit = static_cast<std::size_t>(max_seconds * info.samplerate);
  const auto channels = static_cast<std::size_t>(info.channels);
  std::vector<float> frames(static_cast<std::size_t>(kFramesAtOnce) * channels);
  // The header's own count of frames may be wrong, or a file cut short.
  for (sf_count_t count = 0;
       (count = sf_readf_float(file.get(), frames.data(), kFramesAtOnce)) > 0;) {
    append_mean(audio.samples, frames, count, channels);
    if (audio.samples.size() > limit) {
      return Error{"too_long",
                   fmt::format("'{}' is longer than {} seconds", path.string(), max_seconds)};
    }
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR) {
    return Error{"unreadable_audio",
                 fmt::format("'{}' cannot be read after sample {}: {}", path.string(),
                             audio.samples.size(), sf_strerror(file.get()))};
  }
  return audio;
}

Result<AudioInfo> audio_info(std::string_view bytes) {
  MemoryFile memory{bytes};
  SF_VIRTUAL_IO io{memory_length, memory_seek, memory_read, memory_write, memory_tell};
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, Close> file(sf_open_virtual(&io, SFM_READ, &info, &memory));
  if (!file) return Error{"unreadable_audio", sf_strerror(nullptr)};
  return AudioInfo{static_cast<std::uint32_t>(info.samplerate),
                   static_cast<std::uint64_t>(info.frames), info.channels};
}

Result<std::vector<NamedFile>> find_audio_files(const std::string& where) {
  std::vector<NamedFile> files;
  std::error_code ignored;
  if (fs::is_directory(where, ignored)) {
    if (std::optional<Error> error = list_folder(where, files)) return std::move(*error);
  } else if (fs::is_regular_file(where, ignored)) {
    files.push_back(named(where, fs::path(where).parent_path()));
  } else {
    list_matches(where, files);
  }
  if (files.empty()) {
    return Error{"no_audio",
                 fmt::format("'{}' names no audio file: it is neither one, nor a folder "
                             "or pattern with any",
                             where)};
  }
  std::ranges::sort(files, [](const NamedFile& a, const NamedFile& b) {
    return std::pair(a.name, a.path) < std::pair(b.name, b.path);
  });
  return files;
}

}  // namespace flowtts
