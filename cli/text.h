#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flowtts::cli {

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow };

/// The text in a style, by ANSI escapes; as it is without colour.
std::string paint(std::string_view text, Style style, bool colour);

/// The terminal columns that a text takes, every code point counted as one.
std::size_t columns(std::string_view text);

/// Breaks a paragraph between words. Lines after the first begin with `indent` spaces, which count;
/// the first is taken to begin there too. A word that is too long stands alone.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

/// A line of styled parts, which can be cut to a terminal's width.
class Line {
 public:
  Line& add(std::string text, Style style = Style::kPlain);
  std::size_t width() const;
  std::string text(std::size_t most_columns, bool colour) const;

 private:
  struct Part {
    std::string text;
    Style style;
  };
  std::vector<Part> parts_;
};

/// Rows in aligned columns, the first row a heading.
class Table {
 public:
  /// \param right names of the columns whose cells stand at the right, as numbers do.
  explicit Table(std::vector<std::string> heading, std::vector<std::string> right = {});

  void add(std::vector<std::string> row);
  /// Leaves out columns that are empty in every row but the heading.
  std::string text(bool colour, std::size_t indent = 2) const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::string> right_;
};

}  // namespace flowtts::cli
