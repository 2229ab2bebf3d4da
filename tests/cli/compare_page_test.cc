#include "cli/compare_page.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace flowtts::cli {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ComparedVoice voice_that_says(const std::string& text) {
  ComparedVoice voice;
  voice.file = "voices/one.yaml";
  voice.name = "one";
  voice.folder = "one";
  voice.figures.emplace();
  ComparedSentence sentence;
  sentence.record = "chat-1";
  sentence.text = text;
  sentence.audio = "audio/0a/0_0_0.wav";
  sentence.seconds = 1.5;
  sentence.speaker = "anna";
  voice.sentences[{0, 0, 0}] = sentence;
  return voice;
}

TEST_CASE("text cannot become markup") {
  struct Case {
    std::string text, html;
  };
  const std::vector<Case> cases{
      {"Tom & Jerry", "Tom &amp; Jerry"},
      {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"\"' onplay='x", "&quot;&#39; onplay=&#39;x"},
      {"a\nb\tc\x01"
       "d\x7f",
       "a b c d "},
      {"你好", "你好"},
      {"bro\xffken", "bro\xef\xbf\xbdken"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    CHECK(html_text(one.text) == one.html);
  }
}

TEST_CASE("a path with any characters becomes a relative URL") {
  CHECK(url_path("one/audio/0a/x-1_2.wav") == "one/audio/0a/x-1_2.wav");
  CHECK(url_path("a b#c?d%e\"f:g") == "a%20b%23c%3Fd%25e%22f%3Ag");
  CHECK(url_path("é") == "%C3%A9");
}

TEST_CASE("a row has a cell for each voice, with audio or the reason why there is none") {
  ComparedVoice first = voice_that_says("Is <b>this</b> right?");
  ComparedVoice second = voice_that_says("Is <b>this</b> right?");
  second.name = "<two>";
  second.folder = "two words";
  second.sentences[{0, 0, 1}] = {"chat-1", "Endless.", "", 0, "", "rejected_pause", "3 s > 2 s"};
  ComparedVoice missing;
  missing.file = "voices/gone.yaml";
  missing.name = "gone";
  missing.problem = "there is no model & no file";
  const std::vector<ComparedVoice> voices{first, second, missing};
  const std::string page = compare_page({}, voices);

  CHECK(contains(page, "2 sentences"));
  CHECK(contains(page, "Is &lt;b&gt;this&lt;/b&gt; right?"));
  CHECK(contains(page, "<h2>&lt;two&gt;</h2>"));
  CHECK(contains(page, "src=\"one/audio/0a/0_0_0.wav\""));
  CHECK(contains(page, "src=\"two%20words/audio/0a/0_0_0.wav\""));
  CHECK(contains(page, "rejected_pause</span><small>3 s &gt; 2 s"));
  CHECK(contains(page, "there is no model &amp; no file"));
  CHECK(!contains(page, "<b>"));
  CHECK(!contains(page, "http"));  // nothing from the network
}

}  // namespace
}  // namespace flowtts::cli
