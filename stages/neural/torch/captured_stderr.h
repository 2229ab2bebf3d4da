#pragma once

#include <string>

namespace flowtts {

/// While it lives, what the process writes to standard error is kept: compiled code of AOTInductor
/// says there, and nowhere else, what it objects to. For moments, since other threads' lines wait
/// with it.
class CapturedStderr {
 public:
  CapturedStderr();
  ~CapturedStderr();  ///< What has not been taken is written after all.
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  /// Takes the lines that begin with "Error: ", without that, joined by "; ".
  std::string take_errors();

 private:
  std::string take();

  int kept_ = -1;      ///< Where standard error was; -1 where nothing is captured.
  int captured_ = -1;  ///< A file without a name.
  std::string others_;
};

}  // namespace flowtts
