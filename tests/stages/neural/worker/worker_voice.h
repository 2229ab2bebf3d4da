#pragma once

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "stages/neural/voice.h"
#include "stages/neural/worker/environment.h"
#include "stages/neural/worker/pool.h"
#include "tests/stages/temp_folder.h"

namespace flowtts::testing {

/// The voice file of the misbehaving worker, in a folder of its own.
class WorkerVoice {
 public:
  /// \param options members of the map `options`: "max_batch: 4, backwards: true".
  /// \param keys further lines of the voice file.
  explicit WorkerVoice(const std::string& options = "", const std::string& keys = "",
                       const std::string& argument = "") {
    std::filesystem::copy_file("tests/stages/neural/worker/fake_worker.py",
                               folder_.path() / "fake_worker.py");
    file_ = folder_.write(
        "fake.yaml", fmt::format("flowtts_voice: 1\nname: fake\nformat: worker\n"
                                 "command: [python3, fake_worker.py{}]\n"
                                 "options: {{state: \"{}\"{}}}\nsample_rate: 24000\n"
                                 "languages: [en]\nfront_end: {{type: text}}\n"
                                 "speakers: [anna, bob]\n{}",
                                 argument.empty() ? "" : ", " + argument, folder_.path().string(),
                                 options.empty() ? "" : ", " + options, keys));
  }

  const std::string& file() const { return file_; }
  std::filesystem::path folder() const { return folder_.path(); }

  VoiceConfig config() const {
    Result<VoiceConfig> voice = read_voice(file_, /*hash=*/true);
    REQUIRE_MESSAGE(voice.ok(), (voice.is_error() ? voice.error().message : ""));
    return *voice;
  }

  /// How many processes have loaded so far.
  std::size_t starts() const {
    std::ifstream stream(folder_.path() / "starts");
    std::size_t count = 0;
    for (std::string line; std::getline(stream, line);) ++count;
    return count;
  }

 private:
  TempFolder folder_;
  std::string file_;
};

/// Takes lines from any thread.
class Lines {
 public:
  RunContext::Words taker() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    };
  }
  std::string all() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const std::string& line : lines_) text += line + "\n";
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace flowtts::testing
