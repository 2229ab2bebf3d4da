#pragma once

#include <memory>

#include <flowtts/device.h>

namespace flowtts {

/// What "torch" binds on a lane's thread; see make_torch_runtime.
/// \param one_stream whether all lanes of a GPU work on the same stream instead of one of their
/// own:
///                   memory that one lane gives back is then there for the others at once.
std::unique_ptr<LaneBinding> bind_torch_lane(DeviceId device, bool one_stream);

/// While it lives, what LibTorch would warn of on this thread is not printed, since the library
/// prints nothing: a setting's newer name, a slower kernel are not about anything that a user of
/// FlowTTS could change.
class QuietWarnings {
 public:
  QuietWarnings();
  ~QuietWarnings();
  QuietWarnings(const QuietWarnings&) = delete;
  QuietWarnings& operator=(const QuietWarnings&) = delete;

 private:
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

}  // namespace flowtts
