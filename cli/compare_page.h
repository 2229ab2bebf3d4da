#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/compare_run.h"

namespace flowtts::cli {

/// The page to listen to: a row for each sentence that any voice was given, a column for each
/// voice, with its figures in the head. One HTML file without anything from the network; audio is
/// linked relative to it, so that the folder can be moved as a whole. In light or dark, as the
/// reader's system is.
std::string compare_page(const ComparePlan& plan, std::span<const ComparedVoice> voices);

/// For HTML text and attribute values: marks escaped, controls and what is no UTF-8 replaced.
std::string html_text(std::string_view text);

/// A relative URL of a path whose parts are parted by '/'.
std::string url_path(std::string_view path);

}  // namespace flowtts::cli
