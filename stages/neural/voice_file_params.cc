#include "stages/neural/voice_file_params.h"

#include <utility>

#include "stages/neural/voice.h"
#include "stages/text/front_end.h"

namespace flowtts {

std::vector<ParamInfo> top_level_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("flowtts_voice", &VoiceFile::version, "the version of the format, 1")
      .required()
      .param("name", &VoiceFile::name, "what the voice is called")
      .required()
      .param("format", &VoiceFile::format, "how the model is stored")
      .required()
      .one_of(voice_formats())
      .param("model", &VoiceFile::model, "the model file, relative to the voice file")
      .param("sample_rate", &VoiceFile::sample_rate, "of the model's audio")
      .required()
      .range(1'000, 384'000)
      .unit("hertz")
      .param("hop", &VoiceFile::hop, "samples a frame")
      .range(1, 100'000)
      .unit("samples")
      .param("languages", &VoiceFile::languages, "what it speaks: en, de, ...")
      .param("speakers", &VoiceFile::speakers, "names; the place is the model's speaker id")
      .required()
      .param("precision", &VoiceFile::precision, "what the model computes in")
      .one_of({"float32"});
  return std::move(params.params);
}

std::vector<ParamInfo> front_end_params(bool characters) {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("type", &VoiceFile::front_end, "what turns text into tokens")
      .required()
      .one_of(front_end_types());
  if (characters) {
    Spec<VoiceFile>(params)
        .param("table", &VoiceFile::table,
               "the JSON file with each character's token, relative to the voice file")
        .required()
        .param("add_blank", &VoiceFile::add_blank, "whether the token 0 is around each character")
        .param("lower", &VoiceFile::lower, "whether capitals are read as small letters");
  }
  return std::move(params.params);
}

std::vector<ParamInfo> limits_params(bool workers) {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("max_tokens", &VoiceFile::max_tokens,
             "the longest sentence that the model was made for")
      .at_least(1)
      .unit("tokens")
      .param("max_words", &VoiceFile::max_words, "the same, as white space parts words")
      .at_least(1)
      .unit("words");
  if (workers) {
    Spec<VoiceFile>(params)
        .param("max_batch", &VoiceFile::max_batch, "the most sentences that it is given at once")
        .at_least(1)
        .unit("sentences");
  }
  return std::move(params.params);
}

std::vector<ParamInfo> parts_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("plan", &VoiceFile::plan, "the method, or the package's model, that plans durations")
      .required()
      .param("render", &VoiceFile::render,
             "the method, or the package's model, that makes the audio")
      .required();
  return std::move(params.params);
}

std::vector<ParamInfo> compile_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("exporter", &VoiceFile::exporter,
             "the Python file that exports the render part, relative to the voice file")
      .required();
  return std::move(params.params);
}

}  // namespace flowtts
