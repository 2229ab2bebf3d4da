#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// The folder that a stage writes its files into, spread over 256 subfolders by a hash of a key, so
/// that a million files make folders of some four thousand. Subfolders are made when first needed.
///
/// While one object is open on a folder for one extension, no other can be: two stages that give
/// files the same names would otherwise overwrite each other's. Any thread.
class AudioFolder {
 public:
  /// \param root   the run's output folder; exists.
  /// \param folder a relative path below it, without "..".
  /// Errors: "write_failed"; "folder_in_use", which names the folder.
  static Result<std::shared_ptr<AudioFolder>> open(const std::filesystem::path& root,
                                                   const std::string& folder,
                                                   std::string_view extension);
  ~AudioFolder();
  AudioFolder(const AudioFolder&) = delete;
  AudioFolder& operator=(const AudioFolder&) = delete;

  /// Makes the subfolder of `key` if need be, and returns its path below the root: "audio/3f".
  Result<std::string> subfolder(std::string_view key);

  const std::filesystem::path& root() const { return root_; }

 private:
  AudioFolder(std::filesystem::path root, std::string folder, std::string claim);

  const std::filesystem::path root_;
  const std::string folder_;
  const std::string claim_;
  std::mutex mutex_;
  std::array<bool, 256> made_{};
};

/// What is wrong with `folder` as a path below the output folder; empty where nothing is.
std::string folder_objection(std::string_view folder);

}  // namespace flowtts
