#pragma once

namespace flowtts {

/// The cores that this process may use, at least 1: those of its affinity mask, or fewer where a
/// container's CPU quota (cgroup version 2) allows fewer.
int usable_cores();

}  // namespace flowtts
