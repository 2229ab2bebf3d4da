#include "stages/text/text_cleaner.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

struct Case {
  std::string name;
  std::string text;
  std::string spoken;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      // Ordinary text.
      {"plain text stays", "What is the man holding?", "What is the man holding?"},
      {"an empty text stays empty", "", ""},
      {"white space alone is nothing", " \n\t ", ""},
      {"symbols alone are left to the front end", "???", "???"},
      {"white space is folded", "  What  is\tthis ?\r\n", "What is this?"},
      {"quotes and dashes stay", "It’s “fine” — really.", "It’s “fine” — really."},
      {"other scripts stay", "图片里有什么？", "图片里有什么？"},
      {"abbreviations and numbers stay", "At 3.5 p.m. Dr. Lee paid $1,200.50 (10%).",
       "At 3.5 p.m. Dr. Lee paid $1,200.50 (10%)."},
      {"an ellipsis stays", "Well ... yes", "Well... yes"},
      {"arithmetic stays", "Is 2*3 = 2 * 3?", "Is 2*3 = 2 * 3?"},

      // Image tags.
      {"an image tag at the front", "<image>\nWhat is this?", "What is this?"},
      {"an image tag at the end", "What is this?\n<image>", "What is this?"},
      {"an image tag in the middle", "Compare <image> with <image_2>.", "Compare with."},
      {"kin of the image tag", "<video>\n<|image|><image 1></image><audio>Who sings?",
       "Who sings?"},
      {"an image tag alone", "<image>", ""},

      // Instructions.
      {"a single word or phrase",
       "What color is the bus?\nAnswer the question using a single word or phrase.",
       "What color is the bus?"},
      {"without a full stop", "How many?\nAnswer the question using a single word or phrase",
       "How many?"},
      {"on the same line", "Is it red? Please answer yes or no. Why?", "Is it red? Why?"},
      {"the option's letter",
       "Which one?\nA. cat\nB. dog\nAnswer with the option's letter from the given choices "
       "directly.",
       "Which one? A. cat. B. dog."},
      {"with a typographic apostrophe",
       "Which?\nAnswer with the option’s letter from the given choices directly.", "Which?"},
      {"a hint",
       "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, "
       "at the end.\nHow long is it?",
       "How long is it?"},
      {"unanswerable",
       "What does it say?\nWhen the provided information is insufficient, respond with "
       "'Unanswerable'.\nAnswer the question using a single word or phrase.",
       "What does it say?"},
      {"brevity", "What is it? Give a very brief answer.", "What is it?"},
      {"after a sentence without its mark",
       "What is shown Answer the question using a single word or phrase.", "What is shown"},
      {"a last cue", "What is it?\nAnswer:", "What is it?"},
      {"what goes on is a request", "Answer the question using a single word or phrase in German.",
       "Answer the question using a single word or phrase in German."},
      {"a caption is a request", "Provide a one-sentence caption for the provided image.",
       "Provide a one-sentence caption for the provided image."},
      {"a bounding box is a request",
       "Please provide the bounding box coordinate of the region this sentence describes: a red "
       "hat.",
       "Please provide the bounding box coordinate of the region this sentence describes: a red "
       "hat."},

      // OCR.
      {"an OCR dump",
       "Provide a one-sentence caption for the provided image.\nReference OCR token: PUMA, 12, "
       "$$, `",
       "Provide a one-sentence caption for the provided image."},
      {"an OCR dump between lines", "What?\nOCR tokens: A, B\nWhy?", "What? Why?"},

      // Boxes.
      {"only a box", "[0.04, 0.57, 0.63, 0.71]", ""},
      {"only a box and a full stop", "[0.04,0.57,0.63,0.71].", ""},
      {"a box in a sentence",
       "Please provide a short description for this region: [0.46, 0.18, 0.79, 0.3].",
       "Please provide a short description for this region."},
      {"a list of boxes", "[[1, 2, 3, 4], [5, 6, 7, 8]]", ""},
      {"corners", "The dog<box>(12,40),(80,93)</box> runs.", "The dog runs."},
      {"angled box", "The dog {<12><34><56><78>} runs.", "The dog runs."},
      {"a list of three is no box", "Sort [3, 1, 2].", "Sort [3, 1, 2]."},
      {"coordinates of a point are spoken", "Is (3, 4) on it?", "Is (3, 4) on it?"},

      // Options and lists.
      {"options", "Which?\n(A) a cat\n(B) a dog", "Which? A. a cat. B. a dog."},
      {"options with brackets", "Pick one:\nA) x y\n\nB) z!", "Pick one: A. x y. B. z!"},
      {"one letter is a name", "A. Smith wrote it.", "A. Smith wrote it."},
      {"a list", "Buy:\n- milk\n* eggs\n• bread and\n  butter",
       "Buy: milk. eggs. bread and. butter"},
      {"a numbered list", "1. Cut\n2) Boil.\n10. Serve", "1. Cut. 2. Boil. 10. Serve."},
      {"tasks", "- [x] done\n- [ ] open", "done. open."},
      {"a Chinese list", "步骤\n\n- 切\n- 煮", "步骤。 切。 煮。"},
      {"a range is no item", "From 5 - 10 - 15", "From 5 - 10 - 15"},

      // Code.
      {"a block", "Run this:\n```python\nprint('[x](y)')\n```\nWhat does it do?",
       "Run this: What does it do?"},
      {"a block that closes on its last line", "See\n```\nx = 1```\nWhy?", "See. Why?"},
      {"a block that never closes", "See this\n~~~\nx = 1\ny = 2", "See this"},
      {"inline code", "Call `my_function(x)` and ``a `b` c``.", "Call my function x and a b c."},
      {"a lone backtick", "It`s", "Its"},

      // LaTeX.
      {"a formula in words", "If $x = 5$, what is $x^2 + \\frac{1}{2}$?",
       "If x equals 5, what is x squared plus 1 over 2?"},
      {"a root and a degree", "Is $\\sqrt{2} \\leq 45^\\circ$?",
       "Is the square root of 2 less than or equal to 45 degrees?"},
      {"a hard formula", "Solve \\[ \\int_0^1 f(x)\\,dx \\] now.", "Solve now."},
      {"a displayed formula", "So\n$$a+b$$\nholds.", "So a plus b holds."},
      {"a displayed formula within a sentence",
       "By Pythagoras,\n\n$$x^2 = 2$$\n\nand so on.\n\n\\[ y \\]\n\nNext",
       "By Pythagoras, x squared equals 2 and so on. y. Next"},
      {"parentheses", "The angle \\(\\alpha\\) is new.", "The angle alpha is new."},
      {"an environment",
       "Solve\n\\begin{align}\nx &= 1 \\begin{b} y \\end{b}\n\\end{align}\nfor x.", "Solve for x."},
      {"dollars are money", "It costs $5 and $10, or $5-$10.", "It costs $5 and $10, or $5-$10."},
      {"one dollar sign", "I have $20.", "I have $20."},

      // Addresses.
      {"a web address", "See https://www.example.com/a/b?x=1#y.", "See example.com."},
      {"www", "Go to www.example.org!", "Go to example.org!"},
      {"an address in brackets", "It is here (http://example.com/x).", "It is here (example.com)."},
      {"an address in angles", "<https://example.com/x> says so.", "example.com says so."},
      {"user and port", "ftp://me:pw@files.example.com:21/z", "files.example.com"},
      {"a mail address", "Write to jane.doe@example.co.uk.", "Write to jane.doe at example.co.uk."},
      {"a handle", "Ask @jane.", "Ask @jane."},

      // Markdown.
      {"emphasis", "**Bold**, *it*, __b__, _i_, ~~gone~~ and snake_case.",
       "Bold, it, b, i, gone and snake case."},
      {"headings", "# Title\nText here.\n## Sub ##\nMore", "Title. Text here. Sub. More"},
      {"a bold line is a heading", "**Summary**\nit works", "Summary. it works"},
      {"a quotation", "> Quoted\n> > twice", "Quoted twice"},
      {"a rule", "Above\n---\nbelow", "Above. below"},
      {"a link", "See [the [big] page](https://x.org/a_(b) \"T\") now", "See the [big] page now"},
      {"an image", "Look ![a cat](cat.png) here", "Look here"},
      {"a footnote", "True[^1].\n\n[1]: https://example.com", "True."},
      {"escapes", "2 \\* 3 \\# 4", "2 * 3 # 4"},
      {"a table", "Data:\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\nWhy?", "Data: Why?"},
      {"a table without outer bars", "a | b\n--|--\n1 | 2\nWhy?", "Why?"},
      {"rows without a rule", "| a | b |\n| 1 | 2 |", ""},

      // HTML.
      {"tags", "<p>One</p><p>two<br/>three <b>b</b>old</p>", "One. two three bold"},
      {"entities", "Tom &amp; Jerry&#39;s &quot;x&quot; &lt;3", "Tom & Jerry's \"x\" <3"},
      {"scripts and comments", "a<script>var x;</script><!-- no --> b", "a b"},
      {"a question about a tag", "What does <style> do?", "What does do?"},
      {"comparisons", "Is x <y and z> 2, or 1 < 2?", "Is x <y and z> 2, or 1 < 2?"},
      {"an HTML table", "See <table><tr><td>1</td></tr></table> it", "See. it"},
      {"an HTML list", "<ul><li>one</li><li>two</li></ul>", "one. two."},

      // Characters.
      {"emoji", "Nice😀day 👍🏽 🇩🇪 1️⃣!", "Nice day 1!"},
      {"zero width",
       "a\xE2\x80\x8B"
       "b\xEF\xBB\xBF\xC2\xAD"
       "c",
       "abc"},
      {"no-break space",
       "a\xC2\xA0\xE3\x80\x80"
       "b",
       "a b"},
      {"controls", std::string("a\0b\x07\x1B[0m c", 10), "ab[0m c"},
      {"ill-formed bytes",
       "a\xFF\xC3 b\xED\xA0\x80\xF8 \xEF\xBF\xBD"
       "c\xE2\x82",
       "a b c"},

      // Lines.
      {"a wrapped line", "this is one\nsentence", "this is one sentence"},
      {"a short line before a capital", "Look at this\nWhat is it?", "Look at this. What is it?"},
      {"paragraphs", "First part\n\nsecond part", "First part. second part"},
      {"a quoted end", "He said \"stop\"\n\nthen", "He said \"stop\". then"},
      {"empty brackets", "It is ( ) here [ ].", "It is here."},
  };
  return kCases;
}

TEST_CASE("clean_text takes out or speaks what the rules say") {
  for (const Case& item : cases()) {
    CAPTURE(item.name);
    CHECK(clean_text(item.text) == item.spoken);
  }
}

TEST_CASE("clean_text changes nothing in a clean text") {
  for (const Case& item : cases()) {
    CAPTURE(item.name);
    const std::string once = clean_text(item.text);
    CHECK(clean_text(once) == once);
  }
}

TEST_CASE("every rule of clean_text can be switched off") {
  struct Switch {
    bool CleanOptions::*rule;
    std::string text;
    std::string spoken;
  };
  const std::vector<Switch> switches = {
      {&CleanOptions::image_tags, "<image 1>hi", "<image 1>hi"},
      {&CleanOptions::instructions, "Be concise.", "Be concise."},
      {&CleanOptions::ocr, "Reference OCR token: x", "Reference OCR token: x"},
      {&CleanOptions::boxes, "[0.1, 0.2, 0.3, 0.4]", "[0.1, 0.2, 0.3, 0.4]"},
      {&CleanOptions::latex, "so $x=1$", "so $x=1$"},
      {&CleanOptions::urls, "http://a.b/c", "http://a.b/c"},
      {&CleanOptions::tables, "a <table>b</table>", "a b"},
      {&CleanOptions::markdown, "**a** [b](c)", "**a** [b](c)"},
      {&CleanOptions::html, "<b>a</b> &amp;", "<b>a</b> &amp;"},
      {&CleanOptions::options, "A. x\nB. y", "A. x. B. y"},
      {&CleanOptions::lists, "- x", "- x"},
      {&CleanOptions::emoji, "a 😀", "a 😀"},
      {&CleanOptions::invisible,
       "a\xE2\x80\x8B"
       "b",
       "a\xE2\x80\x8B"
       "b"},
      {&CleanOptions::whitespace, "a  b\nc", "a  b\nc"},
  };
  for (const Switch& item : switches) {
    CAPTURE(item.text);
    CleanOptions options;
    options.*item.rule = false;
    CHECK(clean_text(item.text, options) == item.spoken);
    CHECK(clean_text(item.text) != item.spoken);
  }
  CleanOptions no_code;
  no_code.code = false;
  no_code.markdown = false;
  CHECK(clean_text("`a_b`", no_code) == "`a_b`");
}

bool is_clean_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto [value, length] = scan::decode(text, i);
    if (value < 0 || value == 0xFFFD || (value < 0x20 && value != '\n')) return false;
    i += length;
  }
  return true;
}

std::string random_text(std::mt19937& random, std::size_t pieces) {
  static const std::vector<std::string> kPieces = {
      "a",
      "B",
      "word",
      "Two",
      "3",
      "0.5",
      " ",
      "  ",
      "\n",
      "\n\n",
      ".",
      ",",
      ":",
      "?",
      "!",
      "(",
      ")",
      "[",
      "]",
      "{",
      "}",
      "<",
      ">",
      "/",
      "\\",
      "|",
      "*",
      "**",
      "_",
      "__",
      "~~",
      "`",
      "```",
      "#",
      "# ",
      "- ",
      "1. ",
      "A. ",
      "B) ",
      "> ",
      "$",
      "$$",
      "\\(",
      "\\)",
      "\\[",
      "\\]",
      "&amp;",
      "&lt;",
      "&gt;",
      "<image>",
      "<b>",
      "</b>",
      "<li>",
      "<table>",
      "</table>",
      "<script>",
      "</script>",
      "<!--",
      "-->",
      "http://",
      "www.",
      "a@b.co",
      "](",
      "![",
      "---",
      "|--|",
      "| a |",
      "[0.1, 0.2, 0.3, 0.4]",
      "Answer the question using a single word or phrase.",
      "Be concise",
      "Please ",
      "Reference OCR token: x",
      "Answer:",
      "\\begin{a}",
      "\\end{a}",
      "\\frac{1}{2}",
      "\\alpha",
      "^2",
      "=",
      "+",
      "'",
      "\"",
      "“",
      "’",
      "—",
      "é",
      "ß",
      "中文",
      "。",
      "😀",
      "\xE2\x80\x8B",
      "\xC2\xA0",
      "\xFF",
      "\xE2\x82",
      std::string(1, '\0'),
      "\x1B",
      "\r\n",
      "\t",
      "•",
      "&#60;",
      "<|",
      "<img 1>",
      "[^1]",
      "[1]: http://x"};
  std::uniform_int_distribution<std::size_t> pick(0, kPieces.size() - 1);
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += kPieces[pick(random)];
  return text;
}

TEST_CASE("clean_text is idempotent and gives clean UTF-8 for random texts") {
  std::mt19937 random(7);
  std::uniform_int_distribution<std::size_t> length(1, 40);
  std::uniform_int_distribution<int> coin(0, 1);
  for (int i = 0; i < 6000; ++i) {
    CleanOptions options;
    if (i % 3 == 0) {
      for (bool CleanOptions::*rule :
           {&CleanOptions::image_tags, &CleanOptions::instructions, &CleanOptions::boxes,
            &CleanOptions::code, &CleanOptions::latex, &CleanOptions::urls, &CleanOptions::tables,
            &CleanOptions::markdown, &CleanOptions::html, &CleanOptions::options,
            &CleanOptions::lists, &CleanOptions::whitespace, &CleanOptions::emoji}) {
        options.*rule = coin(random) == 1;
      }
    }
    const std::string text = random_text(random, length(random));
    const std::string once = clean_text(text, options);
    CAPTURE(text);
    REQUIRE(is_clean_utf8(once));
    REQUIRE(clean_text(once, options) == once);
  }
}

TEST_CASE("clean_text survives random bytes") {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int i = 0; i < 2000; ++i) {
    std::string text(static_cast<std::size_t>(i % 97), '\0');
    for (char& c : text) c = static_cast<char>(byte(random));
    const std::string once = clean_text(text);
    REQUIRE(is_clean_utf8(once));
    REQUIRE(clean_text(once) == once);
  }
}

// A scanner that looked for the end of each opening mark would not come back from these.
TEST_CASE("clean_text comes through megabytes of unclosed marks") {
  for (const char* mark : {"[",        "`",          "](",
                           "![",       "<",          "<b",
                           "<!--",     "<script>",   "<table>",
                           "$",        "$x",         "\\[",
                           "\\(",      "\\begin{a}", "\\end{a}",
                           "*",        "**a",        "_a",
                           "~",        "|",          "|-|\n",
                           "| a |\n",  "#",          "> ",
                           "- ",       "&",          "&amp",
                           "(",        "{",          "[^",
                           "[0.1,",    "(1,2),",     "http://",
                           "www.",     "a@b.",       "@",
                           "answer ",  "Please ",    "Answer the question using a ",
                           "A. b\n",   "1. ",        " ",
                           "\n",       ".",          ", ",
                           "😀",        "\xFF",       "Reference OCR ",
                           "` `` ",    "a(",         "()",
                           "<a href=", "\\",         "```\n",
                           "~~~",      "[x](y",      "[](((",
                           "<lt;>",    "中",         "''"}) {
    std::string text;
    while (text.size() < 1'000'000) text += mark;
    CAPTURE(mark);
    const std::string once = clean_text(text);
    CHECK(is_clean_utf8(once));
    CHECK(clean_text(once) == once);
  }
}

TEST_CASE("clean_text gives nothing rather than half of a text that is nested on purpose") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "Be Be concise. ";
  for (int i = 0; i < 200; ++i) text = "<<b>b>" + text + "&amp;amp;amp;amp;amp;amp;amp;lt;";
  const std::string once = clean_text(text);
  CHECK(clean_text(once) == once);
}

}  // namespace
}  // namespace flowtts
