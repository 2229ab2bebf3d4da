#include "stages/neural/trial_texts.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "stages/audio/audio_gate.h"
#include "stages/text/front_end.h"

namespace flowtts {
namespace {

std::vector<std::string> own_texts(const std::vector<std::string>& languages) {
  const auto speaks = [&](std::string_view language) {
    return std::find(languages.begin(), languages.end(), language) != languages.end();
  };
  if (speaks("zh") && !speaks("en")) {
    return {"你好。",
            "今天天气怎么样？",
            "桌子上有一本书和一杯茶。",
            "船停在码头旁边，水很平静，看不见一个人。",
            "如果明天不下雨，我们就一起去山上，看看那座老房子。",
            "这张照片里，孩子们在公园的草地上放风筝，远处是一条河。"};
  }
  return {"Yes.",
          "What is that?",
          "The boat lies at the end of the jetty.",
          "Two children fly a red kite above the beach, and a dog runs after them.",
          "How many people are there in the picture, and what do they hold in their hands?",
          "The room is small but bright, with a table at the window, a shelf of old books, and a "
          "cat that sleeps on the only chair."};
}

/// Why a run would not speak this; nothing where it would.
std::optional<std::string> beyond_limits(const VoiceConfig& voice, const TrialText& one) {
  if (voice.max_tokens > 0 && one.tokens.size() > voice.max_tokens) {
    return fmt::format("has {} tokens, the voice takes {}", one.tokens.size(), voice.max_tokens);
  }
  const std::uint64_t words = length_of(one.text).words;
  if (voice.max_words > 0 && words > voice.max_words) {
    return fmt::format("has {} words, the voice takes {}", words, voice.max_words);
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<TrialText>> trial_texts(const VoiceConfig& voice,
                                           std::span<const std::string> wanted) {
  const auto front_end = make_front_end(voice.front_end, voice.front_end_options);
  if (!front_end.ok()) return front_end.error();
  std::vector<std::string> texts(wanted.begin(), wanted.end());
  if (texts.empty()) texts = own_texts(voice.languages);
  std::vector<TrialText> good;
  std::vector<std::string> refused;
  for (std::string& text : texts) {
    auto tokens = (*front_end)->tokens(text);
    std::optional<std::string> why;
    TrialText one{std::move(text), {}};
    if (tokens.ok()) {
      one.tokens = *std::move(tokens);
      why = beyond_limits(voice, one);
    } else {
      why = tokens.is_filtered() ? "is " + tokens.filtered().reason : tokens.error().message;
    }
    if (why) {
      refused.push_back(fmt::format("'{}' {}", one.text, *why));
    } else {
      good.push_back(std::move(one));
    }
  }
  if (!good.empty()) return good;
  return Error{"no_text",
               fmt::format("the voice '{}' can be given none of the sentences: {}; give one in its "
                           "language by --text",
                           voice.name, fmt::join(refused, "; "))};
}

}  // namespace flowtts
