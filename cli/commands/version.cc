#include <flowtts/run.h>

#include <fmt/format.h>

#include "cli/command.h"

namespace flowtts::cli {
namespace {

std::function<int()> prepare(Options&) {
  return [] {
    fmt::print("flowtts {}\n", version());
    return 0;
  };
}

}  // namespace

const Command kVersionCommand{"version", "", "Print the version.", "", prepare};

}  // namespace flowtts::cli
