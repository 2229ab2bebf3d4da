#pragma once

#include <optional>
#include <string>
#include <vector>

#include <flowtts/device.h>

namespace flowtts::cli {

/// `flowtts voice check`: tries a voice on devices and prints what was found.
struct VoiceCheckArguments {
  std::string file;
  std::vector<std::string> devices;  ///< As they were given; empty: every GPU, else the CPU.
  std::vector<std::string> texts;    ///< Empty: sentences of FlowTTS's own.
  bool json = false;
};

/// \return the exit status: 1 where something is wrong with the voice.
int check_voice(const VoiceCheckArguments& arguments);

/// "cpu", "cuda:1"; nothing where it is no device's name.
std::optional<DeviceId> parse_device(const std::string& text);

}  // namespace flowtts::cli
