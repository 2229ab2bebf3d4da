#pragma once

#include <string>
#include <string_view>

#include "stages/text/text_cleaner.h"

/// The single rules of `clean_text`, each a pure function from text to text that reads its input
/// once or a fixed number of times. Text is valid UTF-8 with line feeds as line ends.
namespace flowtts::clean {

/// Makes valid UTF-8 without control characters, with '\n' for every kind of line end and ' ' for
/// every other white space; takes out invisible characters and emoji where asked to.
std::string normalise_characters(std::string_view text, bool drop_invisible, bool drop_emoji);

std::string remove_code_blocks(std::string_view text);
std::string speak_inline_code(std::string_view text);
std::string remove_image_tags(std::string_view text);
std::string remove_ocr(std::string_view text);
std::string remove_instructions(std::string_view text);
std::string remove_boxes(std::string_view text);
std::string speak_latex(std::string_view text);
std::string remove_html(std::string_view text);
std::string remove_html_tables(std::string_view text);
std::string remove_markdown_tables(std::string_view text);
std::string unwrap_links(std::string_view text);
std::string shorten_urls(std::string_view text);

/// Headings, quotes, lists, options, emphasis, and the joining of lines.
std::string flatten_lines(std::string_view text, const CleanOptions& options);

/// Folds white space and tidies what the removals left.
std::string fold_white_space(std::string_view text);

}  // namespace flowtts::clean
