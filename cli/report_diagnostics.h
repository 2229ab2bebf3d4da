#pragma once

#include <flowtts/diagnostics.h>

namespace flowtts::cli {

/// Prints all findings to stderr in the order of the file. With errors also how many there are.
void print_diagnostics(const Diagnostics& diagnostics);

}  // namespace flowtts::cli
