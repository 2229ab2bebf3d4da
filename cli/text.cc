#include "cli/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace flowtts::cli {
namespace {

std::string_view escape_of(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
  }
  return "";
}

bool begins_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

/// The first `count` code points.
std::string_view cut(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (begins_code_point(text[at]) && count-- == 0) break;
  }
  return text.substr(0, at);
}

}  // namespace

std::string paint(std::string_view text, Style style, bool colour) {
  if (!colour || style == Style::kPlain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(style), text);
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_code_point));
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string wrapped;
  std::size_t column = indent;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(' ', at)) != std::string_view::npos) {
    const std::string_view word = text.substr(at, std::min(text.find(' ', at), text.size()) - at);
    at += word.size();
    if (column > indent && column + 1 + columns(word) > width) {
      wrapped += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      wrapped += ' ';
      ++column;
    }
    wrapped += word;
    column += columns(word);
  }
  return wrapped;
}

Line& Line::add(std::string text, Style style) {
  parts_.push_back({std::move(text), style});
  return *this;
}

std::size_t Line::width() const {
  std::size_t width = 0;
  for (const Part& part : parts_) width += columns(part.text);
  return width;
}

std::string Line::text(std::size_t most_columns, bool colour) const {
  std::string text;
  for (const Part& part : parts_) {
    const std::string_view shown = cut(part.text, most_columns);
    most_columns -= columns(shown);
    text += paint(shown, part.style, colour);
  }
  return text;
}

Table::Table(std::vector<std::string> heading, std::vector<std::string> right)
    : rows_{std::move(heading)}, right_(std::move(right)) {}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

std::string Table::text(bool colour, std::size_t indent) const {
  const std::vector<std::string>& heading = rows_.front();
  std::vector<std::size_t> widths(heading.size(), 0), shown;
  for (std::size_t column = 0; column < heading.size(); ++column) {
    for (std::size_t row = 1; row < rows_.size(); ++row) {
      widths[column] = std::max(widths[column], columns(rows_[row][column]));
    }
    if (widths[column] > 0) shown.push_back(column);
    widths[column] = std::max(widths[column], columns(heading[column]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line(indent, ' ');
    for (const std::size_t column : shown) {
      const std::string pad(widths[column] - columns(row[column]), ' ');
      const bool at_right =
          std::find(right_.begin(), right_.end(), heading[column]) != right_.end();
      if (column != shown.front()) line += "  ";
      line += at_right ? pad + row[column] : row[column] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += paint(line, &row == &rows_.front() ? Style::kDim : Style::kPlain, colour) + '\n';
  }
  return text;
}

}  // namespace flowtts::cli
