#include "stages/text/sentence_splitter.h"

#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

using Pieces = std::vector<std::string>;

const SentenceSplitter& splitter() {
  static const Result<SentenceSplitter> kSplitter = SentenceSplitter::create("en");
  return kSplitter.value();
}

std::string joined(const Pieces& pieces) {
  return std::accumulate(pieces.begin(), pieces.end(), std::string());
}

/// As text, so that doctest prints it.
std::string with_bars(const Pieces& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece + "|";
  return text;
}

std::size_t utf16_units(std::string_view text) {
  std::size_t units = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto [value, length] = scan::decode(text, i);
    units += value >= 0x10000 ? 2 : 1;
    i += length;
  }
  return units;
}

/// What must hold for any text.
void require_sound(const std::string& text, int max_words, const SentenceSplitter& with) {
  const Pieces pieces = with.split(text, max_words);
  CAPTURE(max_words);
  CAPTURE(text.substr(0, 200));
  REQUIRE(joined(pieces) == text);
  const auto most = static_cast<std::size_t>(SentenceSplitter::max_characters(max_words));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CAPTURE(pieces[i].substr(0, 200));
    REQUIRE(!pieces[i].empty());
    REQUIRE(with.count_words(pieces[i]) <= max_words);
    REQUIRE(utf16_units(pieces[i]) <= most);
    if (i > 0 && !scan::has_letter_or_digit(pieces[i])) {
      REQUIRE(utf16_units(pieces[i - 1]) + utf16_units(pieces[i]) > most);
    }
  }
}

struct Case {
  std::string name;
  std::string text;
  Pieces pieces;
  int max_words = 40;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"nothing gives nothing", "", {}},
      {"one sentence", "What is this?", {"What is this?"}},
      {"two sentences", "It is red. Why? ", {"It is red. ", "Why? "}},
      {"outer white space stays", "  Hi.  There.  ", {"  Hi.  ", "There.  "}},
      {"lines", "one\ntwo\n", {"one\n", "two\n"}},
      {"quotes stay with their sentence",
       "He said \"Stop.\" She left.",
       {"He said \"Stop.\" ", "She left."}},

      {"titles", "Dr. Lee met Mr. Fox. They ate.", {"Dr. Lee met Mr. Fox. ", "They ate."}},
      {"Latin abbreviations",
       "Some, e.g. Paris, i.e. France, win. Yes.",
       {"Some, e.g. Paris, i.e. France, win. ", "Yes."}},
      {"versus", "Ali vs. Frazier was long.", {"Ali vs. Frazier was long."}},
      {"a number", "See No. 5 and Fig. 3 now.", {"See No. 5 and Fig. 3 now."}},
      {"no alone is a sentence", "Is it? No. The cat is.", {"Is it? ", "No. ", "The cat is."}},
      {"streets",
       "St. Mary lives on Main St. London knows.",
       {"St. Mary lives on Main St. London knows."}},
      {"initials",
       "J. K. Rowling wrote. J.R.R. Tolkien too.",
       {"J. K. Rowling wrote. ", "J.R.R. Tolkien too."}},
      {"a letter at the end",
       "I like vitamin C. It is good.",
       {"I like vitamin C. ", "It is good."}},
      {"the pronoun at the end", "So do I. Maria too.", {"So do I. ", "Maria too."}},
      {"countries",
       "The U.S. Army left the U.S. They came back.",
       {"The U.S. Army left the U.S. ", "They came back."}},
      {"et cetera", "Cats, dogs, etc. The end.", {"Cats, dogs, etc. ", "The end."}},
      {"et cetera in the middle", "Acme Inc. Paris pays.", {"Acme Inc. Paris pays."}},
      {"a month",
       "On Jan. 5 it rained. It will in Jan. 2026 begins.",
       {"On Jan. 5 it rained. ", "It will in Jan. 2026 begins."}},
      {"items", "1. Cut it. 2. Boil it.", {"1. Cut it. ", "2. Boil it."}},
      {"items behind a colon",
       "Do this: 1. Cut it. 2. Boil it. It is 5: 30. Go.",
       {"Do this: 1. Cut it. ", "2. Boil it. ", "It is 5: 30. Go."}},
      {"options", "Which? A. cat. B. Dog. C. Fox.", {"Which? ", "A. cat. ", "B. Dog. ", "C. Fox."}},
      {"decimals and hosts",
       "Pay 3.50 at example.com now. OK.",
       {"Pay 3.50 at example.com now. ", "OK."}},
      {"a year ends a sentence", "It was in 1984. He left.", {"It was in 1984. ", "He left."}},

      {"Chinese marks", "你好。你是谁？走！", {"你好。", "你是谁？", "走！"}},
      {"marks alone go to a neighbour", "Wow! ... !!! Yes.", {"Wow! ... !!! ", "Yes."}},
      {"marks at the front go to the first", "... !\nYes.", {"... !\nYes."}},
      {"marks only are one piece", "?! ... -- \n !!", {"?! ... -- \n !!"}},

      {"a semicolon before an even cut",
       "one two; three four five six",
       {"one two; ", "three four five six"},
       4},
      {"a comma before a conjunction",
       "one two, three and four five six",
       {"one two, ", "three and four five six"},
       5},
      {"a conjunction before no mark",
       "one two three four and five six seven eight nine",
       {"one two three four ", "and five six seven eight nine"},
       6},
      {"even halves without any mark",
       "one two three four five six",
       {"one two three ", "four five six"},
       5},
      {"a dash", "one two three—four five six seven", {"one two three—", "four five six seven"}, 5},
      {"an opening quote goes with its word",
       "one two three “four five six”",
       {"one two three ", "“four five six”"},
       5},
      {"never at a decimal comma", "1,000 2,000 3,000 4,000", {"1,000 2,000 ", "3,000 4,000"}, 3},
      {"one word each", "one two-three, four", {"one ", "two-", "three, ", "four"}, 1},
      {"Chinese commas",
       "今天天气很好，我们去公园散步，看花。",
       {"今天天气很好，", "我们去公园散步，看花。"},
       5},
  };
  return kCases;
}

TEST_CASE("a text is split where its sentences end and long ones where clauses do") {
  for (const Case& item : cases()) {
    CAPTURE(item.name);
    CHECK(with_bars(splitter().split(item.text, item.max_words)) == with_bars(item.pieces));
  }
}

TEST_CASE("the pieces joined are the text and keep the limits, whatever the limit") {
  for (const Case& item : cases()) {
    for (const int max_words : {1, 2, 3, 7, 40, 1000}) {
      require_sound(item.text, max_words, splitter());
    }
  }
}

TEST_CASE("words are counted as ICU finds them") {
  struct Count {
    std::string text;
    int words;
  };
  const std::vector<Count> counts = {
      {"", 0},
      {" . ! ", 0},
      {"don't stop", 2},
      {"3.14 and 1,000", 3},
      {"well-known", 2},
      {"我们去公园", 3},
      {"½ cup", 2},
      {"😀 __", 0},
      {"\xFF"
       "a",
       1},
      {"こんにちは世界", 2},
  };
  for (const Count& item : counts) {
    CAPTURE(item.text);
    CHECK(splitter().count_words(item.text) == item.words);
  }
}

TEST_CASE("forty words are the maximum of a long sentence of the customary kind") {
  std::string text;
  for (int i = 0; i < 90; ++i) text += "word" + std::to_string(i) + (i % 13 == 12 ? ", " : " ");
  text += "end.";
  const Pieces pieces = splitter().split(text, 40);
  CHECK(joined(pieces) == text);
  CHECK(pieces.size() == 3);
  for (const std::string& piece : pieces) {
    CHECK(splitter().count_words(piece) <= 40);
    CHECK(splitter().count_words(piece) >= 20);
  }
}

TEST_CASE("a word without end is cut between grapheme clusters") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "e\xCC\x81";  // e with a combining acute accent
  const Pieces pieces = splitter().split(text, 40);
  CHECK(joined(pieces) == text);
  CHECK(pieces.size() == 6);
  for (const std::string& piece : pieces) CHECK(piece.front() == 'e');
}

TEST_CASE("any random text is split soundly") {
  static const Pieces kParts = {"a",
                                "word",
                                "Dr.",
                                "e.g.",
                                "J.",
                                "I",
                                "1",
                                "3.5",
                                "No.",
                                "and",
                                ",",
                                ";",
                                ":",
                                "-",
                                "—",
                                ".",
                                "!",
                                "?",
                                "。",
                                "，",
                                "你",
                                "好吗",
                                "今天",
                                "日本語",
                                "カタカナ",
                                "ภาษาไทย",
                                "한국어",
                                "é",
                                "e\xCC\x81",
                                "😀",
                                "👩‍👩‍👧",
                                "🇩🇪",
                                " ",
                                " ",
                                " ",
                                "  ",
                                "\n",
                                "\t",
                                "\xC2\xA0",
                                "\"",
                                "'",
                                "(",
                                ")",
                                "\xFF",
                                "\xE2\x82",
                                std::string(1, '\0'),
                                "_",
                                "'s",
                                "\xE2\x80\x8B",
                                "½",
                                "Ⅷ",
                                "\xCC\x81",
                                "\r\n",
                                "U.S.",
                                "x-y",
                                "@",
                                "http://a.b/c"};
  std::mt19937 random(3);
  std::uniform_int_distribution<std::size_t> pick(0, kParts.size() - 1);
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    const int parts = i % 60;
    for (int k = 0; k < parts; ++k) text += kParts[pick(random)];
    require_sound(text, 1 + i % 9, splitter());
  }
}

TEST_CASE("random bytes are split soundly") {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int i = 0; i < 1000; ++i) {
    std::string text(static_cast<std::size_t>(i % 257), '\0');
    for (char& c : text) c = static_cast<char>(byte(random));
    require_sound(text, 1 + i % 5, splitter());
  }
}

TEST_CASE("megabytes without an end of sentence, word or cluster are split soundly") {
  for (const char* part :
       {"a",       "a ",     "A. ",      "Dr. ", "J. K. ", "1. ",  "!", "! ",   ".",
        " ",       "\n",     "\xCC\x81", "中",   "。",     "中。", "ก", "\xFF", "😀",
        "👩‍", "word, ", "a\"",      "(a ",  "a-",     "_",    "'", "あ"}) {
    std::string text;
    while (text.size() < 300'000) text += part;
    for (const int max_words : {1, 40}) require_sound(text, max_words, splitter());
  }
}

TEST_CASE("one splitter serves many threads") {
  const std::string text =
      "Dr. Lee met J. K. Fox, who ate. 你好。 It was, e.g. in 1984, good; yes.";
  const Pieces expected = splitter().split(text, 5);
  std::vector<std::thread> threads;
  std::vector<int> wrong(8, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) wrong[t] += splitter().split(text, 5) == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(8, 0));
}

TEST_CASE("other languages have rules of their own and a word that is none is refused") {
  const Result<SentenceSplitter> german = SentenceSplitter::create("de");
  REQUIRE(german.ok());
  CHECK(german->split("Er kam z.B. Montag. Gut.", 40) == Pieces{"Er kam z.B. Montag. ", "Gut."});
  for (const char* tag : {"de", "zh-Hans", "ja", "th", "en-GB", "xx"}) {
    CAPTURE(tag);
    const Result<SentenceSplitter> other = SentenceSplitter::create(tag);
    REQUIRE(other.ok());
    for (const Case& item : cases()) require_sound(item.text, 4, *other);
  }
  for (const char* tag : {"", "e", "english language", "1234", "en;rm"}) {
    CAPTURE(tag);
    const Result<SentenceSplitter> refused = SentenceSplitter::create(tag);
    REQUIRE(refused.is_error());
    CHECK(refused.error().code == "unknown_language");
  }
}

}  // namespace
}  // namespace flowtts
