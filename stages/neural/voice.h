#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/payloads.h>
#include <flowtts/result.h>
#include <flowtts/stage_base.h>

#include "stages/neural/worker/settings.h"
#include "stages/text/front_end.h"

namespace flowtts {

/// A voice as its YAML file describes it: which model, how it is stored, who speaks, which front
/// end turns text into its tokens. A value; read-only once it has been read.
struct VoiceConfig {
  std::filesystem::path file;  ///< That it was read from.
  std::string name;
  std::string format;  ///< "torchscript", "tones", or another registered voice format.
  /// Absolute, or relative to the working directory; empty where the format has no model.
  std::filesystem::path model;
  std::uint32_t sample_rate = 0;  ///< Of the module's audio, hertz.
  std::uint32_t hop = 0;          ///< Samples a frame; 0 for a module without frames.
  std::vector<std::string> languages;
  std::string front_end;  ///< A registered front end: "flite_us".
  FrontEndOptions front_end_options;
  std::vector<std::string> speakers;  ///< The index is the module's speaker id.
  std::size_t max_tokens = 0;         ///< The longest sentence that the model was made for; 0: any.
  std::size_t max_words = 0;          ///< The same in words, as white space parts them.
  std::string plan_method;            ///< Empty for a one-part module (`forward`).
  std::string render_method;
  /// A Python file that exports the render part for `flowtts voice compile`, and is run by it
  /// alone; empty where the voice cannot be compiled.
  std::filesystem::path exporter;
  double min_seconds_per_word = 0;
  double max_seconds_per_word = 0;  ///< 0, as with characters: the voice does not say.
  double min_seconds_per_character = 0;
  double max_seconds_per_character = 0;
  WorkerSettings worker;  ///< Of the format "worker".
  /// XXH3-128 over the voice file, any model file, its front end's table and the files that its
  /// command names, 32 hex digits. What is in a model's folder is covered where `sha256` pins it.
  std::string hash;

  /// "default@3f2a90c1": the name and the hash's first 8 digits; the name where there is no hash.
  std::string label() const;
};

/// Reads a voice file. Errors name the file, line and column, what was found and what is allowed.
/// \param hash whether to read the model file for `hash`; without, only its existence is checked.
Result<VoiceConfig> read_voice(const std::filesystem::path& file, bool hash);

/// One sentence for a voice's model.
struct VoiceInput {
  std::span<const std::int64_t> tokens;
  std::int64_t speaker = 0;
  double speed = 1.0;      ///< 1 is the voice's own pace, 2 twice as fast.
  std::uint64_t seed = 0;  ///< For models that draw random numbers.
  /// What is said, for voices that have a front end of their own.
  std::string_view text = {};
};

/// A sentence that has been planned: how long it will be, and what its model needs to render it.
/// Stays on its device.
class VoicePlan {
 public:
  virtual ~VoicePlan() = default;
  std::size_t frames = 0;  ///< Of the voice's hop.
};
using VoicePlanPtr = std::shared_ptr<const VoicePlan>;

/// What a model made of a sentence, at the voice's rate: on the host, or still on the device.
struct VoiceSound {
  std::vector<float> samples;
  std::shared_ptr<const DeviceSamples> on_device;  ///< Where it is set, `samples` is empty.
  bool cut_short = false;  ///< The model came to its limit before it came to an end.
};

/// How a voice is to be opened.
struct VoiceOptions {
  DeviceShare share;               ///< What it may take of the device.
  std::string precision = "auto";  ///< "float32", "float16", "bfloat16"; "auto": see open_voice.
  std::string compiled = "auto";   ///< "auto", "always", "never".
  RunContext::Words log = {};      ///< What to say into the run's log, and
  RunContext::Words warn = {};     ///< what the user should see at once; may be empty.
};

/// A voice's model on one device. Loaded once a device; its calls are made by the device's lanes at
/// the same time, with the device bound.
///
/// Each call returns one result an input, in order. A batch is filled up to `rows` rows, so that a
/// sentence gives the same samples whatever its company. The Errors kOutOfMemoryCode and
/// kDeviceLostCode are about the whole batch; a sentence that the model cannot speak fails alone.
class VoiceEngine {
 public:
  virtual ~VoiceEngine() = default;

  /// Sounds have the model's returned length. A length outside the returned tensor is the Error
  /// "length_outside_tensor" of that item.
  virtual std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch,
                                                std::size_t rows) = 0;

  /// Whether sentences are better planned first and then rendered by their true length.
  virtual bool plans() const { return false; }
  virtual std::vector<Result<VoicePlanPtr>> plan(std::span<const VoiceInput> batch,
                                                 std::size_t rows);
  virtual std::vector<Result<VoiceSound>> render(std::span<const VoicePlan* const> batch,
                                                 std::size_t rows);

  /// The most items of a batch; 0: no limit of the model's own.
  virtual std::size_t max_batch() const = 0;
  virtual BatchShapes shapes() const { return {}; }         ///< By tokens.
  virtual BatchShapes render_shapes() const { return {}; }  ///< By frames.
  /// How many plans may wait where the device's memory bounds it; 0: as many as are wanted.
  virtual std::size_t look_ahead() const { return 0; }

  /// What decides the samples beside voice and input: "torchscript float32".
  virtual std::string numerics() const = 0;
  /// Whether the model draws random numbers, so that another seed gives other samples.
  virtual bool draws() const { return false; }
  /// Whether a sentence's samples were seen to differ with its company.
  virtual bool batch_dependent() const { return false; }
  /// Host memory of processes of its own, bytes; 0 where it has none.
  virtual std::uint64_t host_bytes() const { return 0; }
  /// What the user had better do; empty where all is well.
  virtual std::string advice() const { return ""; }
};

using VoiceEngineFactory = std::function<Result<std::shared_ptr<VoiceEngine>>(
    const VoiceConfig&, DeviceId, const VoiceOptions&)>;

/// Whether the voices of a format name a model.
enum class ModelFile {
  kRequired,
  kNone,
  kOptional,  ///< A file or a folder.
};

/// A kind of voice: how its model is stored, and what speaks it.
struct VoiceFormat {
  std::string name;  ///< What a voice file says under `format`.
  std::string
      runtime;  ///< The device runtime that its engines need: "torch", "host" for CPUs alone.
  VoiceEngineFactory factory;
  ModelFile model = ModelFile::kRequired;
};

/// Makes a format known. Before a run starts.
/// Throws std::logic_error where the name is taken: a mistake in a program.
void register_voice_format(VoiceFormat format);

/// Null where nobody has registered it. Valid for the life of the program. Thread-safe.
const VoiceFormat* find_voice_format(const std::string& name);

/// The registered formats, sorted.
std::vector<std::string> voice_formats();

/// Loads a voice's model onto a device; for "torchscript" this loads the LibTorch part of FlowTTS
/// first. Errors say which file or library is missing.
Result<std::shared_ptr<VoiceEngine>> open_voice(const VoiceConfig& voice, DeviceId device,
                                                const VoiceOptions& options);

}  // namespace flowtts
