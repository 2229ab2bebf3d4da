#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <torch/script.h>

#include "stages/neural/torch/device_audio.h"
#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/voice.h"
#include "tests/stages/temp_folder.h"

namespace flowtts::testing {

/// A TorchScript module of the given methods, written to a file, as a voice of 1000 Hz and hop 10.
class TinyVoice {
 public:
  /// C++'s compiler of TorchScript knows data types by number only.
  static std::string with_type_numbers(std::string source) {
    for (const auto& [name, number] :
         {std::pair("torch.double", at::kDouble), std::pair("torch.float", at::kFloat),
          std::pair("torch.long", at::kLong), std::pair("torch.int", at::kInt)}) {
      const std::string digits = std::to_string(static_cast<int>(number));
      for (std::size_t at = 0; (at = source.find(name, at)) != std::string::npos;) {
        source.replace(at, std::string(name).size(), digits);
      }
    }
    return source;
  }

  /// \param source methods in TorchScript; in two parts where it has a `plan`.
  explicit TinyVoice(const std::string& source) {
    torch::jit::Module module("Tiny");
    module.define(with_type_numbers(source));
    config_.name = "tiny";
    config_.format = "torchscript";
    config_.model = folder_.path() / "tiny.pt";
    config_.sample_rate = 1000;
    config_.hop = 10;
    config_.speakers = {"one", "two"};
    if (source.find("def plan") != std::string::npos) {
      config_.plan_method = "plan";
      config_.render_method = "render";
    }
    module.save(config_.model.string());
  }

  const VoiceConfig& config() const { return config_; }

 private:
  TempFolder folder_;
  VoiceConfig config_;
};

/// The voice that FlowTTS comes with.
inline VoiceConfig default_voice() {
  const char* root = std::getenv("FLOWTTS_SOURCE_DIR");
  auto voice =
      read_voice(std::filesystem::path(root ? root : ".") / "configs/voices/default.yaml", false);
  if (!voice.ok()) throw std::runtime_error(voice.error().message);
  return std::move(voice).value();
}

/// A made-up sentence of so many tokens for the default voice, always the same for one number.
inline std::vector<std::int64_t> sentence_tokens(std::size_t count, std::uint32_t number) {
  std::vector<std::int64_t> tokens;
  std::uint32_t state = number * 2654435761U + 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    const std::int64_t phone = 1 + (state >> 16) % 47;
    const std::int64_t stress = (state >> 8) % 4 == 0 ? 64 : 0;
    const std::int64_t word_start = i % 4 == 1 ? 128 : 0;
    tokens.push_back(phone + stress + word_start);
  }
  tokens.front() = 51;  // a pause at the start
  tokens.back() = 53;   // a full stop
  return tokens;
}

/// What an engine made, brought to the host.
inline std::vector<Result<std::vector<float>>> on_host(std::vector<Result<VoiceSound>> sounds) {
  std::vector<Result<std::vector<float>>> samples;
  for (auto& sound : sounds) {
    if (!sound.ok()) {
      samples.emplace_back(sound.error());
    } else if (sound->on_device) {
      const at::Tensor host =
          static_cast<const TorchSamples&>(*sound->on_device).tensor().to(at::kCPU);
      const float* first = host.const_data_ptr<float>();
      samples.emplace_back(std::vector<float>(first, first + host.numel()));
    } else {
      samples.emplace_back(std::move(sound->samples));
    }
  }
  return samples;
}

/// What an engine speaks.
/// \param rows of the batch's shape; 0: as many as there are inputs.
inline std::vector<Result<std::vector<float>>> speak(VoiceEngine& engine,
                                                     std::span<const VoiceInput> inputs,
                                                     std::size_t rows = 0) {
  return on_host(engine.speak(inputs, rows));
}

/// The runtime "torch" bound to this thread.
inline std::unique_ptr<LaneBinding> bind_cpu() { return make_torch_runtime()->bind({}); }

}  // namespace flowtts::testing
