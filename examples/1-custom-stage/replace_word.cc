#include <regex>
#include <flowtts/payloads.h>
#include <flowtts/stage.h>

/// Replaces a word wherever a sentence says it.
struct ReplaceWord final : flowtts::Map<flowtts::Sentence, flowtts::Sentence> {
  std::string from, to;

  static void describe(flowtts::Spec<ReplaceWord>& spec) {
    spec.name("replace_word").summary("Replaces a word wherever a sentence says it.")
        .param("from", &ReplaceWord::from, "The word to look for.").required().example("km")
        .param("to", &ReplaceWord::to, "What is said instead.").required().example("kilometres");
  }
  flowtts::Sentence process(flowtts::Sentence sentence, const flowtts::Item&) const {
    sentence.spoken = std::regex_replace(sentence.spoken, std::regex("\\b" + from + "\\b"), to);
    return sentence;
  }
};
FLOWTTS_STAGE(ReplaceWord)
