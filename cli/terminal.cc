#include "cli/terminal.h"

#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace flowtts::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

bool Terminal::can_redraw() const {
  const std::string_view kind = variable("TERM");
  return ::isatty(::fileno(stream_)) != 0 && !kind.empty() && kind != "dumb";
}

bool Terminal::colour() const { return can_redraw() && variable("NO_COLOR").empty(); }

bool Terminal::unicode() const {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = variable(name);
    if (locale.empty()) continue;
    for (const std::string_view utf8 : {"UTF-8", "UTF8", "utf-8", "utf8"}) {
      if (locale.find(utf8) != std::string_view::npos) return true;
    }
    return false;
  }
  return false;
}

std::size_t Terminal::width() const {
  winsize size{};
  const bool known = ::ioctl(::fileno(stream_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace flowtts::cli
