#include "stages/text/flite_analysis.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stages/text/flite_front_end.h"
#include "tests/stages/text/flite_reference.h"

// flite_us is held against flite's own steps. Beside the cases here, it can be held against any
// text: with FLOWTTS_FLITE_CORPUS=FILE each line of the file, as it is and disturbed; and against
// more random text with FLOWTTS_FLITE_RANDOM=NUMBER.

namespace flowtts {
namespace {

using Tokens = std::vector<std::int64_t>;

const FrontEnd& front_end() {
  static const auto kFrontEnd = make_flite_us();
  return *kFrontEnd.value();
}

/// The text if flite_us differs from flite about it, or else nothing.
std::string difference(const std::string& text) {
  const auto tokens = front_end().tokens(text);
  const Tokens expected = FliteReference::tokens(text);
  if (tokens.is_error()) return text.size() > kLongestFliteText ? "" : text;
  if (tokens.ok()) return *tokens == expected ? "" : text;
  // Unspeakable: without a sound, or with too much that is left out.
  const LatinText latin = spell_in_ascii(text);
  if (latin.spoken == 0 || latin.left_out > 0) return {};
  for (const std::int64_t token : expected) {
    if (token < 48 || token > 55) return text;
  }
  return {};
}

/// What flite reads by rules: alone, beside each other and beside words.
const std::vector<std::string>& hard_tokens() {
  static const std::vector<std::string> kTokens = {
      // Words whose reading or sound depends on others.
      "a", "A", "the", "The", "read", "lead", "live", "lives", "record", "records", "use", "uses",
      "close", "house", "present", "separate", "minute", "tear", "tears", "object", "refuse",
      "estimate", "contract", "project", "permit", "perfect", "does", "to", "can", "can't", "will",
      "I", "V", "X", "II", "IV", "VIII", "XIV", "XX", "Xi", "am", "AM", "pm", "PM", "a.m.", "p.m.",
      "St", "St.", "st", "Dr", "Dr.", "dr", "Mr", "Mr.", "Mrs", "Mrs.", "Ms.", "Jr.", "Henry",
      "king", "Queen", "Pope", "Louis", "chapter", "Section", "part", "war", "Apollo", "and", "not",
      "of", "in", "an", "that", "it", "be", "up", "who", "her", "Boston", "Paris", "apple", "hour",
      "CA", "Ca", "PA", "Pa", "Al", "Me", "Or", "OK", "Hi", "Mass", "Miss", "Wash", "Calif", "NY",
      "DC", "La", "Ma", "In", "Ind", "Tex", "ID", "OR", "15213", "02139", "B", "C", "J", "K",
      // Numbers, dates, times, money, measures.
      "0", "1", "2", "3", "7", "10", "12", "19", "21", "25", "31", "32", "42", "99", "100", "101",
      "110", "205", "365", "411", "555", "911", "999", "1000", "1066", "1492", "1776", "1800",
      "1900", "1905", "1984", "1998", "1999", "2000", "2001", "2010", "2024", "5000", "10000",
      "12345", "123456789", "99999999999999", "007", "05", "0.5", ".5", "3.14159", "-5", "+12.7",
      "1e5", "1E-3", "1,000", "1,000,000", "1,2", "1st", "2nd", "3rd", "4th", "11th", "21st",
      "100th", "1990s", "'80s", "60s", "7s", "12:00", "00:12", "7:45", "10:05pm", "5.30am", "5pm",
      "5:30", "24:61", "1:2:3", "$5", "$1", "$1.01", "$0.99", "$3.50", "$1,250.50", "$2.5",
      "$1.234", "$1.", "million", "billion", "Million", "trillion", "$900", "5%", "12.5%", "%",
      "25kg", "55lbs", "16GB", "10km", "1,500ft", "3MHz", "5mm", "20oz", "7xyz", "3/4", "1/2",
      "7/3", "2/2", "12/25/1999", "24/7", "1/100", "555-1234", "412-268-3000", "22-23", "1998-1999",
      "23-22", "1-2-3", "1--2", "10-20-30-40", "May", "June", "March", "Jan", "Sept", "Monday",
      "Sat", "flight", "#1", "No.", "B2B", "4x4", "mp3", "H2O", "R2D2", "a1", "x86_64", "3D", "2x",
      // Marks and words in odd shapes.
      "-", "--", "---", "...", ".", ",", ";", ":", "?", "!", "?!", "\"", "'", "`", "(", ")", "[]",
      "{", "}", "/", "\\", "&", "@", "*", "=", "~", "^", "_", "|", "<", ">", "#", "$", "+", "\"'",
      "'s", "'ll", "'ve", "'d", "it's", "dogs'", "boys'", "bus's", "church's", "judge's", "Jo's",
      "cat's", "fish's", "I'll", "we'll", "that'll", "they've", "should've", "couldn't've", "he'd",
      "it'd", "cat'd", "o'clock", "rock'n'roll", "'tis", "'twas", "y'all", "don't", "DON'T", "n't",
      "A's", "B's", "1980's", "CD's", "O'Brien's", "e-mail", "well-known", "mother-in-law",
      "mother-in-law's", "-word", "word-", "a-b", "A-B", "X-ray", "x-", "co-op", "twenty-one",
      "word/word", "and/or", "w/o", "under_score", "snake_case_name", "CamelCase", "iPhone", "e.g.",
      "i.e.", "U.S.", "U.S.A.", "Ph.D.", "etc.", "vs.", "approx.", "Inc.", "www.a-b.com",
      "example.com", "a@b.org", "NASA", "FBI", "PCs", "TV", "IBM's", "HTML", "XML", "SQL", "UNESCO",
      "AAA", "QWERTY", "Zsh", "tmux", "grep", "brrr", "hmm", "psst", "xyzzy", "strngth", "Rubiks",
      "(see", "here)", "\"Stop!\"", "'Why?'", "[1]", "{x}", "wait...", "end.)", "it.\"", "so,",
      "then;", "list:", "really?!", "no!!!", "(a)", "(A)", "a.", "A.", "a,", "I.", "I,", "b)",
      "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis",
      "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", "_a", "0s", "00", "any",
      "caf\xC3\xA9", "na\xC3\xAFve",
      "\xE2\x82\xAC"
      "5",
      "20\xC2\xB0",
      "3\xC3\x97"
      "4",
      "\xE2\x80\x94", "it\xE2\x80\x99s", "\xC2\xBD", "\xCE\xB1",
      "10\xE2\x80\x93"
      "20"};
  return kTokens;
}

const std::string& any_of(const std::vector<std::string>& all, std::mt19937& random) {
  return all[random() % all.size()];
}

std::string random_sentence(std::mt19937& random) {
  static const std::vector<std::string> kWords = {
      "man",  "woman", "cat",      "is",    "was", "sitting", "on",   "bench",
      "with", "red",   "umbrella", "she",   "he",  "they",    "have", "has",
      "been", "near",  "old",      "table", "bus", "fish",    "watch"};
  static const std::vector<std::string> kEnds = {"", "", "", "", ",", ".", "?", "!", ";", ":"};
  std::string text;
  for (std::size_t left = 1 + random() % 12; left > 0; --left) {
    if (!text.empty()) text += ' ';
    text += any_of(random() % 2 == 0 ? kWords : hard_tokens(), random);
    if (random() % 4 == 0) text += any_of(kEnds, random);
    if (random() % 40 == 0) text += any_of(hard_tokens(), random);
  }
  return text;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < line.size()) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin) words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// The line with some of its words in capitals, exchanged, joined or replaced.
std::string disturbed(const std::string& line, std::mt19937& random) {
  std::vector<std::string> words = words_of(line);
  std::string text;
  for (std::string& word : words) {
    switch (random() % 16) {
      case 0:
        word = any_of(hard_tokens(), random);
        break;
      case 1:
        word += any_of({",", ".", "?", "!", ":", ";", "'s", "'ll", "'d", "-"}, random);
        break;
      case 2:
        word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
        break;
      case 3:
        std::swap(word, words[random() % words.size()]);
        break;
      case 4:
        word += any_of({"-", "/", "'", ".", "1"}, random) + words[random() % words.size()];
      default:
        break;
    }
    if (random() % 32 == 0) {
      for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

TEST_CASE("each hard token is read as flite reads it, alone and in every kind of company") {
  for (const std::string& token : hard_tokens()) {
    for (const std::string& text :
         {token, token + " " + token, "The " + token, token + " is", "a " + token + " is",
          "King Henry " + token + ".", "Boston, " + token + " 15213", "Boston " + token,
          "the 25 " + token + " 7", "\"" + token + "\" (" + token + ").", "5 " + token + " 1998",
          "King J. " + token, "Chapter " + token + ", " + token + "?",
          "St. " + token + " St., $3 " + token}) {
      CHECK(difference(text) == "");
    }
  }
}

TEST_CASE("words with two pronunciations get the one of flite's part of speech") {
  static const std::vector<std::string> kTwofold = {
      "house",     "separate",    "close",     "present",    "live",        "lives",
      "moderate",  "rebel",       "rebels",    "elaborate",  "record",      "records",
      "use",       "uses",        "associate", "associates", "compact",     "suspect",
      "produce",   "excess",      "combine",   "tear",       "tears",       "presents",
      "minute",    "rejects",     "subject",   "permits",    "permit",      "collect",
      "survey",    "allies",      "abuse",     "project",    "contract",    "impact",
      "concert",   "progress",    "graduate",  "export",     "increases",   "object",
      "refuse",    "estimate",    "estimates", "upset",      "perfect",     "frequent",
      "overall",   "appropriate", "aged",      "content",    "alternate",   "deliberate",
      "duplicate", "invalid",     "polish",    "intimate",   "articulate",  "delegate",
      "attribute", "conduct",     "conflict",  "wind",       "wound",       "bow",
      "bass",      "sow",         "august",    "compound",   "converse",    "advocate",
      "abstract",  "accent",      "address",   "ally",       "approximate", "desert",
      "entrance"};
  static const std::vector<std::string> kBeside = {
      "the",  "an",   "to",    "of",   "six", "nineteen", "it",     "not",  "who",
      "that", "in",   "does",  "be",   "up",  "and",      "at",     "must", "would",
      "was",  "very", "often", "tree", "his", "they",     "reading"};
  for (const std::string& word : kTwofold) {
    CHECK(difference("nineteen " + word + " trees") == "");
    CHECK(difference("nineteen " + word + " tree six") == "");
  }
  std::mt19937 random(6);
  for (int i = 0; i < 3000; ++i) {
    const auto beside = [&] { return any_of(kBeside, random); };
    const std::string& word = any_of(kTwofold, random);
    CHECK(difference(beside() + " " + beside() + " " + word + " " + beside() + " " + beside()) ==
          "");
  }
}

TEST_CASE("random text of words and hard tokens has flite's tokens") {
  const char* const more = std::getenv("FLOWTTS_FLITE_RANDOM");
  const std::size_t sentences = more == nullptr ? 3000 : std::strtoull(more, nullptr, 10);
  std::mt19937 random(4);
  std::size_t differences = 0;
  for (std::size_t i = 0; i < sentences; ++i) {
    const std::string text = random_sentence(random);
    if (difference(text).empty()) continue;
    if (++differences <= 20) CHECK(difference(text) == "");
  }
  CHECK(differences == 0);
}

TEST_CASE("the example's conversations have flite's tokens, as they are and disturbed") {
  std::ifstream file("examples/data/conversations.json");
  REQUIRE(file);
  std::mt19937 random(5);
  std::size_t lines = 0;
  for (std::string line; lines < 1000 && std::getline(file, line); ++lines) {
    CHECK(difference(line) == "");
    CHECK(difference(disturbed(line, random)) == "");
  }
  CHECK(lines > 50);
}

TEST_CASE("a text of one token many times is the same before and after its token is known") {
  for (const std::string& token : hard_tokens()) {
    std::string text;
    for (int i = 0; i < 9; ++i) text += token + " ";
    CHECK(difference(text) == "");
    CHECK(difference(text) == "");
  }
}

TEST_CASE("threads that meet each token for the first time at once all get flite's tokens") {
  std::vector<std::string> texts = hard_tokens();
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) texts.push_back(random_sentence(random));
  const auto cold = make_flite_us();
  std::vector<std::vector<Tokens>> found(4);
  std::vector<std::thread> threads;
  for (std::vector<Tokens>& mine : found) {
    threads.emplace_back([&] {
      for (const std::string& text : texts) {
        const auto tokens = (*cold)->tokens(text);
        mine.push_back(tokens.ok() ? *tokens : Tokens{});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto tokens = front_end().tokens(texts[i]);
    for (const auto& one : found) CHECK(one[i] == (tokens.ok() ? *tokens : Tokens{}));
  }
}

/// A part of the corpus on each thread, all with the same caches.
TEST_CASE("a corpus from outside has flite's tokens" *
          doctest::skip(std::getenv("FLOWTTS_FLITE_CORPUS") == nullptr)) {
  std::ifstream file(std::getenv("FLOWTTS_FLITE_CORPUS"));
  REQUIRE(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  std::atomic<std::size_t> compared = 0;
  std::vector<std::vector<std::string>> differences(2);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < differences.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (std::size_t i = t; i < lines.size(); i += differences.size()) {
        for (const std::string& text : {lines[i], disturbed(lines[i], random)}) {
          if (std::string odd = difference(text); !odd.empty()) differences[t].push_back(odd);
          ++compared;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  MESSAGE(compared.load() << " texts compared");
  for (const auto& some : differences) {
    CHECK(some.size() == 0);
    for (std::size_t i = 0; i < std::min<std::size_t>(some.size(), 20); ++i) MESSAGE(some[i]);
  }
}

}  // namespace
}  // namespace flowtts
