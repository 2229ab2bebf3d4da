#include "cli/report_diagnostics.h"

#include <fmt/format.h>

#include "cli/format.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace flowtts::cli {
namespace {

/// The finding's text, the word "error" or "warning" in its colour.
std::string styled(const Diagnostic& one, bool colour) {
  std::string text = one.text();
  const bool error = one.severity == Severity::kError;
  const std::string kind = fmt::format("{}[{}]", error ? "error" : "warning", one.code);
  const std::size_t at = text.find(kind);
  if (at == std::string::npos) return text;
  return text.replace(at, kind.size(), paint(kind, error ? Style::kRed : Style::kYellow, colour));
}

}  // namespace

void print_diagnostics(const Diagnostics& diagnostics) {
  const bool colour = Terminal(stderr).colour();
  std::uint64_t errors = 0;
  for (const Diagnostic& one : diagnostics.sorted()) {
    fmt::print(stderr, "{}\n", styled(one, colour));
    if (one.severity == Severity::kError) ++errors;
  }
  if (errors > 0) fmt::print(stderr, "{}\n", format_number_of(errors, "error"));
}

}  // namespace flowtts::cli
