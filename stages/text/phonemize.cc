#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/neural/voice.h"
#include "stages/neural/voice_checks.h"
#include "stages/text/front_end.h"
#include "stages/text/scan.h"

namespace flowtts {

/// Turns a sentence into the tokens that a voice's model reads.
struct Phonemize final : Map<Sentence, Phonemes> {
  std::filesystem::path voice;

  static void describe(Spec<Phonemize>& spec) {
    spec.name("phonemize")
        .summary("Turns each sentence into the tokens that the voice's model reads.")
        .doc(
            "The voice's file names its front end. A sentence that the front end has no sounds "
            "for (another script, symbols only, or words of another script among its own) is "
            "filtered as `unspeakable` and never spoken as noise or in part. One with more tokens "
            "or words than the voice's limits is the error `sentence_too_long`. For a voice that "
            "reads text itself (`front_end: {type: text}`) or a table of characters "
            "(`front_end: {type: characters, table: FILE}`) a token is a character.")
        .param("voice", &Phonemize::voice, "The voice's YAML file.")
        .required()
        .neutral()
        .example("configs/voices/default.yaml");
  }

  std::string content() const {
    const Result<VoiceConfig> config = read_voice(voice, /*hash=*/true);
    return config.ok() ? config->hash : std::string();
  }

  void check(Checker& checker) const {
    const std::optional<VoiceConfig> config = check_voice(voice, checker);
    if (!config) return;
    if (const auto front_end = make_front_end(config->front_end, config->front_end_options);
        front_end.is_error()) {
      checker.error("voice", front_end.error().message);
    }
    checker.note("front end " + config->front_end + " of voice " + config->name);
  }

  std::optional<Error> open(const RunContext&) {
    Result<Tools> tools = prepare();
    if (tools.is_error()) return tools.error();
    tools_ = std::make_shared<const Tools>(std::move(tools).value());
    return std::nullopt;
  }

  Result<Phonemes> process(Sentence sentence, const Item&) const {
    Result<std::vector<std::int64_t>> tokens = tools_->front_end->tokens(sentence.spoken);
    if (tokens.is_filtered()) return tokens.filtered();
    if (tokens.is_error()) return tokens.error();
    const std::size_t most = tools_->config.max_tokens;
    if (most > 0 && tokens->size() > most) {
      return Error{"sentence_too_long",
                   "the sentence has " + std::to_string(tokens->size()) + " tokens, the voice '" +
                       tools_->config.name + "' takes " + std::to_string(most) +
                       "; a lower max_words in split_sentences makes shorter ones"};
    }
    const std::size_t most_words = tools_->config.max_words;
    if (const std::size_t words = count_words(sentence.spoken);
        most_words > 0 && words > most_words) {
      return Error{"sentence_too_long",
                   "the sentence has " + std::to_string(words) + " words, the voice '" +
                       tools_->config.name + "' takes " + std::to_string(most_words) +
                       "; a lower max_words in split_sentences makes shorter ones"};
    }
    return Phonemes{std::move(sentence), std::move(tokens).value()};
  }

  double growth() const { return 5; }  // About one token of 8 bytes a letter.

 private:
  static std::size_t count_words(std::string_view text) {
    std::size_t words = 0;
    bool within = false;
    for (const char c : text) {
      const bool space = scan::is_space(c);
      if (!space && !within) ++words;
      within = !space;
    }
    return words;
  }

  struct Tools {
    VoiceConfig config;
    std::shared_ptr<const FrontEnd> front_end;
  };

  Result<Tools> prepare() const {
    Result<VoiceConfig> config = read_voice(voice, false);
    if (!config.ok()) return config.error();
    Result<std::shared_ptr<const FrontEnd>> front_end =
        make_front_end(config->front_end, config->front_end_options);
    if (!front_end.ok()) return front_end.error();
    return Tools{std::move(config).value(), std::move(front_end).value()};
  }

  std::shared_ptr<const Tools> tools_;
};

FLOWTTS_STAGE(Phonemize)

}  // namespace flowtts
