#include "stages/text/text_cleaner.h"

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts {
namespace {

// Two passes settle ordinary text: one that changes it and one that finds nothing left.
constexpr int kMaxPasses = 12;

std::string one_pass(std::string_view input, const CleanOptions& options) {
  std::string text = clean::normalise_characters(input, options.invisible, options.emoji);
  const auto apply = [&text](bool enabled, std::string_view triggers,
                             std::string (*rule)(std::string_view)) {
    if (enabled && scan::contains_any(text, triggers)) text = rule(text);
  };
  apply(options.code, "`~", clean::remove_code_blocks);
  apply(options.code, "`", clean::speak_inline_code);
  apply(options.image_tags, "<", clean::remove_image_tags);
  apply(options.ocr, "oO", clean::remove_ocr);
  apply(options.latex, "$\\", clean::speak_latex);
  apply(options.tables, "<", clean::remove_html_tables);
  apply(options.html, "<&", clean::remove_html);
  apply(options.tables, "|+", clean::remove_markdown_tables);
  apply(options.markdown, "[", clean::unwrap_links);
  apply(options.urls, ":@wW", clean::shorten_urls);
  apply(options.boxes, "[(<", clean::remove_boxes);
  if (options.instructions) text = clean::remove_instructions(text);
  text = clean::flatten_lines(text, options);
  if (options.whitespace) text = clean::fold_white_space(text);
  // What is left of "[0.1, 0.2, 0.3, 0.4]." is not worth saying; "???" was never more than that.
  if (!scan::has_letter_or_digit(text) && scan::has_letter_or_digit(input)) text.clear();
  return text;
}

/// Cleans until nothing changes. False where that takes too many passes.
bool settle(std::string& text, const CleanOptions& options) {
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    std::string next = one_pass(text, options);
    if (next == text) return true;
    text = std::move(next);
  }
  return false;
}

std::string plain(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (scan::is_ascii(c) && !scan::is_alnum(c) && !scan::is_one_of(c, ".,?!'-")) c = ' ';
  }
  return result;
}

}  // namespace

std::string clean_text(std::string_view text, const CleanOptions& options) {
  std::string result(text);
  if (settle(result, options)) return result;
  result = plain(result);
  if (settle(result, options)) return result;
  return {};
}

}  // namespace flowtts
