#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/io/roles.h"
#include "stages/text/scan.h"
#include "stages/text/sentence_splitter.h"

namespace flowtts {

/// Makes the sentences of a conversation.
struct SplitSentences final : Expand<Conversation, Sentence> {
  int max_words = 40;
  std::vector<std::string> roles{"human"};
  std::string language = "en";

  static void describe(Spec<SplitSentences>& spec) {
    spec.name("split_sentences")
        .summary("Splits what is spoken of a conversation into sentences of a bounded length.")
        .doc(
            "Sentences end where ICU's rules say, abbreviations respected. One that has more than "
            "`max_words` words is cut at the clause boundary that divides it most evenly: after a "
            "semicolon, colon or dash, else a comma, else before a conjunction, else between "
            "words. Words are ICU's, those of its dictionaries for Chinese, Japanese, Thai and "
            "others that write no spaces. A piece has at most 1,000 characters (25 a word where "
            "`max_words` is above 40), so that a word without end is cut as well.\n\n"
            "The pieces of a turn joined give its spoken text. A piece without a letter or digit "
            "is joined to its neighbour; a turn of nothing else is one piece, which a front end "
            "will call unspeakable. A conversation without any piece is filtered as `empty`.")
        .param("max_words", &SplitSentences::max_words, "The most words of a piece.")
        .range(1, 1000)
        .unit("words")
        .param("roles", &SplitSentences::roles,
               "Whose turns are spoken: human, gpt, system, tool, or another role of the input in "
               "lower case.")
        .example("[human, gpt]")
        .param("language", &SplitSentences::language,
               "Whose rules decide where a sentence ends, as a BCP 47 tag. Chinese and Japanese "
               "marks end a sentence in all.")
        .example("de");
  }

  void check(Checker& checker) const {
    if (roles.empty()) checker.error("roles", "is empty: no turn would be spoken");
    for (const std::string& role : roles) {
      const std::string name = normalise_role(role);
      if (name != role) {
        checker.error("roles", "'" + role + "' is not a role's name; did you mean '" + name + "'?");
      }
    }
    const Result<SentenceSplitter> splitter = SentenceSplitter::create(language);
    if (splitter.is_error()) checker.error("language", splitter.error().message);
  }

  std::optional<Error> open(const RunContext&) {
    Result<SentenceSplitter> splitter = SentenceSplitter::create(language);
    if (splitter.is_error()) return splitter.error();
    splitter_ = std::make_shared<const SentenceSplitter>(std::move(splitter).value());
    return std::nullopt;
  }

  std::vector<Sentence> process(Conversation input, const Item&) const {
    const auto conversation = std::make_shared<const Conversation>(std::move(input));
    std::vector<Sentence> sentences;
    for (std::size_t turn = 0; turn < conversation->turns.size(); ++turn) {
      const Turn& said = conversation->turns[turn];
      const bool wanted = std::find(roles.begin(), roles.end(), said.role) != roles.end();
      if (!wanted || scan::trim_unicode(said.spoken).empty()) continue;
      std::uint32_t index = 0;
      for (std::string& text : splitter_->split(said.spoken, max_words)) {
        std::string spoken(scan::trim_unicode(text));
        sentences.push_back({conversation, static_cast<std::uint32_t>(turn), index++,
                             std::move(text), std::move(spoken)});
      }
    }
    return sentences;
  }

  // Each piece twice, and some hundred bytes around it; a conversation has its text twice, too.
  double growth() const { return 3; }

 private:
  std::shared_ptr<const SentenceSplitter> splitter_;
};

FLOWTTS_STAGE(SplitSentences)

}  // namespace flowtts
