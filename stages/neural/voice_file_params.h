#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <flowtts/spec.h>

#include "stages/neural/model_io.h"
#include "stages/neural/worker/settings.h"

namespace flowtts {

/// What a voice file holds, in the shape in which YAML has it.
struct VoiceFile {
  int version = 0;
  std::string name;
  std::string format;
  std::filesystem::path model;
  std::uint32_t sample_rate = 0;
  std::uint32_t hop = 0;
  std::vector<std::string> languages;
  std::vector<std::string> speakers;
  std::string precision = "float32";

  std::string front_end;
  std::filesystem::path table;
  bool add_blank = false;
  bool lower = false;
  std::uint64_t max_tokens = 0;
  std::uint64_t max_words = 0;
  std::uint64_t max_batch = 0;
  std::string plan;
  std::string render;
  std::filesystem::path exporter;
  ModelIo io;
  WorkerSettings worker;
};

// The parameters of a voice file's blocks, each a field of VoiceFile.

std::vector<ParamInfo> top_level_params();
/// \param characters whether the front end is a table of characters.
std::vector<ParamInfo> front_end_params(bool characters);
/// \param workers whether the format has processes of its own.
std::vector<ParamInfo> limits_params(bool workers);
std::vector<ParamInfo> parts_params();
std::vector<ParamInfo> compile_params();

}  // namespace flowtts
