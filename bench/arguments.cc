#include "bench/arguments.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace flowtts::bench {

Arguments::Arguments(int argc, char** argv, std::string usage,
                     std::map<std::string, std::string> defaults)
    : usage_(std::move(usage)), values_(std::move(defaults)) {
  for (int i = 1; i < argc; i += 2) {
    const std::string dashed = argv[i];
    const std::string name = dashed.starts_with("--") ? dashed.substr(2) : "";
    if (i + 1 == argc) refuse(dashed == "--help" ? "" : dashed + " has no value");
    if (name == "set") {
      sets_.emplace_back(argv[i + 1]);
    } else if (values_.contains(name)) {
      values_[name] = argv[i + 1];
    } else {
      refuse("there is no argument " + dashed);
    }
  }
}

double Arguments::number(const std::string& name) const {
  const std::string& written = text(name);
  char* end = nullptr;
  const double value = std::strtod(written.c_str(), &end);
  if (written.empty() || *end != '\0' || !(value >= 0)) {
    refuse("--" + name + " is '" + written + "'; expected a number that is not negative");
  }
  return value;
}

int Arguments::count(const std::string& name) const {
  const double value = number(name);
  if (value != std::floor(value) || value > 1e9) {
    refuse("--" + name + " is '" + text(name) + "'; expected a whole number up to 1e9");
  }
  return static_cast<int>(value);
}

void Arguments::refuse(const std::string& what) const {
  if (!what.empty()) std::fprintf(stderr, "%s\n", what.c_str());
  std::fprintf(stderr, "%s", usage_.c_str());
  std::exit(2);
}

void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(3);
}

}  // namespace flowtts::bench
