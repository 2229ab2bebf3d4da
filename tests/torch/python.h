#pragma once

#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "stages/neural/torch_loader.h"

namespace flowtts::testing {

/// The exit status of a line for the shell.
inline int shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline std::string python() {
  const char* chosen = std::getenv("FLOWTTS_PYTHON");
  return chosen != nullptr ? chosen : "python3";
}

/// The folder that has the `torch` package that is loaded.
inline std::string torch_site() {
  const auto module = load_torch_module();
  REQUIRE(module.ok());
  return (*module)->torch_folder.parent_path().string();
}

/// Whether the machine lacks what compiling needs. It is looked for by other means than the
/// command's own, so that a mistake of the command is no reason to skip.
inline bool cannot_compile() {
  if (std::getenv("FLOWTTS") == nullptr) {
    MESSAGE("skipped: FLOWTTS does not name the command");
    return true;
  }
  const std::string test = python() + " -c 'import sys; sys.path.append(\"" + torch_site() +
                           "\"); import torch, sympy, networkx, jinja2, filelock, fsspec, "
                           "setuptools; assert torch.__version__.split(\"+\")[0] == \"" +
                           (*load_torch_module())->torch_version + "\"' >/dev/null 2>&1";
  if (shell(test) == 0) return false;
  MESSAGE(
      "skipped: python3 cannot import torch and what it compiles with. FLOWTTS_GPU=on scripts/test "
      "fetches all of it, 2 GB, for a machine without a GPU too");
  return true;
}

}  // namespace flowtts::testing
