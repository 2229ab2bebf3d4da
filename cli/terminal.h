#pragma once

#include <cstddef>
#include <cstdio>

namespace flowtts::cli {

/// What can be done on a stream: asked anew for each figure, because terminals are resized.
class Terminal {
 public:
  explicit Terminal(std::FILE* stream) : stream_(stream) {}

  std::FILE* stream() const { return stream_; }
  bool can_redraw() const;    ///< A terminal that understands ANSI escapes.
  bool colour() const;        ///< Likewise, and NO_COLOR is not set (https://no-color.org).
  bool unicode() const;       ///< The locale says UTF-8.
  std::size_t width() const;  ///< Columns; 80 where they are not known.

 private:
  std::FILE* stream_;
};

}  // namespace flowtts::cli
