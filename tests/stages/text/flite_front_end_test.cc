#include "stages/text/flite_front_end.h"

#include <doctest/doctest.h>
#include <flite/flite.h>

#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stages/text/flite_text.h"
#include "stages/text/latin_text.h"

extern "C" cst_voice* register_cmu_us_slt(const char* folder);

namespace flowtts {
namespace {

using Tokens = std::vector<std::int64_t>;

const FrontEnd& front_end() {
  static const auto kFrontEnd = make_front_end("flite_us");
  return *kFrontEnd.value();
}

constexpr const char* kPhones[] = {"aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b",  "ch",
                                   "d",  "dh", "dx", "eh", "el", "em", "en",  "er", "ey", "f",
                                   "g",  "hh", "hv", "ih", "iy", "jh", "k",   "l",  "m",  "n",
                                   "nx", "ng", "ow", "oy", "p",  "r",  "s",   "sh", "t",  "th",
                                   "uh", "uw", "v",  "w",  "y",  "z",  "zh",  "pau"};

std::int64_t expected_token(const cst_item* segment) {
  const char* const name = item_feat_string(segment, "name");
  std::int64_t id = 1;
  for (const char* phone : kPhones) {
    if (std::strcmp(phone, name) == 0) break;
    ++id;
  }
  if (id == 48) {
    if (item_prev(segment) == nullptr) return 51;
    const std::string marks =
        ffeature_string(segment, "p.R:SylStructure.parent.parent.R:Token.parent.punc");
    if (marks.find('?') != std::string::npos) return 54;
    if (marks.find('!') != std::string::npos) return 55;
    if (marks.find('.') != std::string::npos) return 53;
    return marks.find_first_of(",;:-") != std::string::npos ? 52 : 48;
  }
  if (std::strcmp(ffeature_string(segment, "ph_vc"), "+") == 0 &&
      std::strcmp(ffeature_string(segment, "R:SylStructure.parent.stress"), "1") == 0) {
    id += 64;
  }
  const cst_item* const in_syllable = item_as(segment, "SylStructure");
  if (in_syllable != nullptr && item_prev(in_syllable) == nullptr &&
      item_prev(item_parent(in_syllable)) == nullptr) {
    id += 128;
  }
  return id;
}

/// The tokens after all of flite's synthesis, as the voice was trained.
Tokens tokens_of_synthesis(const char* text) {
  static cst_voice* const kVoice = register_cmu_us_slt(nullptr);
  cst_utterance* const utterance = flite_synth_text(text, kVoice);
  Tokens tokens;
  for (const cst_item* segment = relation_head(utt_relation(utterance, "Segment"));
       segment != nullptr; segment = item_next(segment)) {
    tokens.push_back(expected_token(segment));
  }
  delete_utterance(utterance);
  return tokens;
}

const std::vector<const char*>& sentences() {
  static const std::vector<const char*> kSentences = {
      "What is the man in the red jacket holding?",
      "Is there a dog next to the blue bicycle?",
      "How many people are sitting on the bench?",
      "The train leaves at 7:45 pm, and it arrives at 10:05.",
      "Doctor Smith paid $1,250.50 for 3 tickets in 1998.",
      "Dr. King lives on Main St. near St. Mary's church.",
      "Wow! That is a really tall building!",
      "First, cut the onions; then, fry them for ten minutes.",
      "She said, \"I can't believe it's already October 21st.\"",
      "Please call 555-1234 or (412) 268-3000 after 5pm.",
      "It weighs 25kg, about 55 lbs, or 12% more than before.",
      "King Henry VIII had six wives; Chapter IV tells why.",
      "The U.S. economy grew by 2.5 percent in the year 2010.",
      "Visit example.com for more - it is free.",
      "A B C, one two three, do re mi.",
      "What color is the skateboard in front of the building?",
      "Are the boys' jackets the same colour as the girls' coats?",
      "He'd have gone if they'd asked, but they didn't.",
      "The ratio is 3/4, not 1/2 and not 7/3.",
      "In 2004 about $2.5 billion was spent, up from $900 million.",
      "Why is the lady standing there with an umbrella?",
      "I read that book yesterday. I will read it again tomorrow.",
      "Her e-mail address is on the back of the card.",
      "There are 1,000,000 reasons; here is number 99999999999999.",
      "Can you describe the scene in as much detail as possible?",
      "Temperatures of -5 to +12.7 degrees are expected.",
      "Mr. and Mrs. Jones, of Pittsburgh, PA 15213, have moved.",
      "NASA and the FBI use PCs with 16GB of RAM.",
      "\"Stop!\" he shouted. 'Why?' she asked.",
      "The 1990s were better than the '80s, weren't they?",
      "Read pages 22-23 and 1998-1999 before 6:00.",
      "Is it a plane? Is it a bird? No, it is a kite.",
      "Left, right, up, down: every way is fine...",
      "Xylophone, psychology and rhythm are hard to spell.",
      "This sentence has a hyphen-ated word and an under_score.",
      "Look at the #1 team & the @ sign, 50% off!",
      "1st, 2nd, 3rd and 100th place go home.",
      "The quick brown fox jumps over the lazy dog.",
      "Give the cat its milk (not the dog's) before 8 a.m.",
      "If x = 5 + 3, what is x * 2?",
      "Rubiks cubes, Zsh, tmux, grep: strange words indeed.",
      "The bus is red; the truck, blue; the car, green.",
      "Does the clock say 12:00 or 00:12?",
      "A man, a plan, a canal, Panama.",
      "She lives at 1600 Pennsylvania Ave in Washington DC.",
      "Which of these is bigger, 0.5 or 05?",
      "Sentences without an end can also be spoken",
      "No.",
      "Yes, of course",
      "A. cat. B. dog. C. bird."};
  return kSentences;
}

TEST_CASE("the tokens of fifty sentences are those of flite's full synthesis") {
  REQUIRE(sentences().size() == 50);
  for (const char* sentence : sentences()) {
    CAPTURE(sentence);
    const auto tokens = front_end().tokens(sentence);
    REQUIRE(tokens.ok());
    CHECK(*tokens == tokens_of_synthesis(sentence));
  }
}

TEST_CASE("ordinary text reaches flite as it is") {
  for (const char* sentence : sentences()) {
    CAPTURE(sentence);
    CHECK(text_for_flite(spell_in_ascii(sentence).ascii) == sentence);
  }
}

TEST_CASE("text that the voice has no sounds for is unspeakable") {
  for (const char* text :
       {"", " ", "?", "...", "!?! -- ()", "你好", "图片里有什么？", "Привет, как дела?", "שלום",
        "안녕하세요", "😀😀", "\xFF\xFE", "→ ← ↑", "[ ] { }", "\xE2\x80\x8B",
        "The word 你好 means hello.", "He said привет to her."}) {
    CAPTURE(text);
    const auto tokens = front_end().tokens(text);
    REQUIRE(tokens.is_filtered());
    CHECK(tokens.filtered().reason == "unspeakable");
  }
  CHECK(front_end().tokens(std::string("\0", 1)).is_filtered());
}

TEST_CASE("what can be said is said as its plain spelling") {
  struct Pair {
    const char* text;
    const char* plain;
  };
  const std::vector<Pair> pairs = {
      {"café", "cafe"},
      {"cafe\xCC\x81", "cafe"},
      {"The naïve Ångström Straße", "The naive Angstrom Strasse"},
      {"It’s “fine”", "It's \"fine\""},
      {"ﬁne ｗｉｄｅ", "fine wide"},
      {"wait — no", "wait , no"},
      {"10–20", "10-20"},
      {"Paris–Rome", "Paris, Rome"},
      {"so…", "so..."},
      {"20°", "20 degrees"},
      {"3×4", "3 times 4"},
      {"1½ cups", "1 1/2 cups"},
      {"€5.", "5 euros."},
      {"the angle α", "the angle alpha"},
      {"42", "42"},
      {"100%", "100%"},
      {"tab\tand\nline", "tab and line"},
      {"nice 😀 day", "nice day"},
      {"a\xFF"
       "b c",
       "a b c"},
  };
  for (const Pair& pair : pairs) {
    CAPTURE(pair.text);
    const auto tokens = front_end().tokens(pair.text);
    REQUIRE(tokens.ok());
    CHECK(*tokens == *front_end().tokens(pair.plain));
  }
}

TEST_CASE("sums and marks that flite would read past its tables for are spoken") {
  for (const char* text : {"$1,234.567", "$1,234 million", "It is $1,234,567.8901 now", "1'234",
                           "1,,5kg", "$,,5.123", "12'345.6", "$1,2,3.4567 billion", "9,9,9,,kg"}) {
    CAPTURE(text);
    CHECK(front_end().tokens(text).ok());
  }
}

TEST_CASE("a text beyond the limit is an error") {
  const std::string longest(kLongestFliteText, 'a');
  CHECK(front_end().tokens(longest).ok());
  const auto tokens = front_end().tokens(longest + "a");
  REQUIRE(tokens.is_error());
  CHECK(tokens.error().code == "text_too_long");
}

TEST_CASE("tokens are those of the model's table and begin with a pause") {
  for (const char* sentence : sentences()) {
    const Tokens tokens = *front_end().tokens(sentence);
    CHECK(tokens.front() == 51);
    for (const std::int64_t token : tokens) {
      CHECK(token > 0);
      CHECK(token < 256);
      CHECK((token & 63) <= 55);
    }
  }
}

TEST_CASE("hostile text neither crashes flite nor ends the program") {
  for (const char* part :
       {"a",  "1", ".",  ",",   "'",  "\"", "-",  "%",  "$",  "(",  ")",        "[",  "/",
        ":",  "_", "~",  "#",   "X",  "VI", "1,", "1-", "a-", "1.", "a.",       "1'", "$1,",
        "'s", "0", "1e", "st ", "1 ", "a ", ". ", "! ", "% ", "e",  "\xC3\xA9", "½"}) {
    CAPTURE(part);
    for (const std::size_t size : {3u, 70u, 1500u}) {
      std::string text;
      while (text.size() < size) text += part;
      CHECK_FALSE(front_end().tokens(text).is_error());
      CHECK_FALSE(front_end().tokens("word" + text + "word").is_error());
    }
  }
}

TEST_CASE("random text and bytes neither crash flite nor end the program") {
  static const std::vector<std::string> kParts = {
      "a",       "A",  "word", "VIII", "king", "1", "22", "1998", "007",  "st",     "kg",
      "million", "am", "St",   "Dr",   "CA",   "$", "%",  "'",    "'s",   "\"",     ",",
      ".",       ":",  ";",    "-",    "--",   "/", "(",  ")",    "[",    "#",      "@",
      "&",       "*",  "+",    "=",    "_",    "e", "E",  "1e5",  "5:30", "5.30pm", " ",
      " ",       " ",  "°",    "—",    "é",    "½", "€",  "α",    "\x80", "\xFF"};
  std::mt19937 random(17);
  std::uniform_int_distribution<std::size_t> pick(0, kParts.size() - 1);
  std::uniform_int_distribution<int> byte(1, 255);
  for (int i = 0; i < 1500; ++i) {
    std::string text;
    if (i % 3 == 0) {
      for (int k = 0; k < i % 80; ++k) text.push_back(static_cast<char>(byte(random)));
    } else {
      for (int k = 0; k < i % 25; ++k) text += kParts[pick(random)];
    }
    CAPTURE(text);
    const auto tokens = front_end().tokens(text);
    CHECK_FALSE(tokens.is_error());
    if (tokens.ok()) CHECK_FALSE(tokens->empty());
  }
}

TEST_CASE("eight threads get the same tokens from one front end") {
  std::vector<Tokens> expected;
  for (const char* sentence : sentences()) expected.push_back(*front_end().tokens(sentence));
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 4 * expected.size(); ++i) {
        const std::size_t at = (i + 7 * t) % expected.size();
        wrong[t] += *front_end().tokens(sentences()[at]) == expected[at] ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(8, 0));
}

TEST_CASE("front ends are found by name and others can be added") {
  const auto unknown = make_front_end("flite_uk");
  REQUIRE(unknown.is_error());
  CHECK(unknown.error().code == "unknown_front_end");
  CHECK(unknown.error().message.find("flite_us") != std::string::npos);

  struct Lengths final : FrontEnd {
    Result<Tokens> tokens(std::string_view text) const override {
      return Tokens{static_cast<std::int64_t>(text.size())};
    }
  };
  register_front_end("lengths", [](const FrontEndOptions&) {
    return Result<std::shared_ptr<const FrontEnd>>(std::make_shared<const Lengths>());
  });
  const auto lengths = make_front_end("lengths");
  REQUIRE(lengths.ok());
  CHECK(*(*lengths)->tokens("four") == Tokens{4});
}

}  // namespace
}  // namespace flowtts
