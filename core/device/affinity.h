#pragma once

#include <string_view>
#include <vector>

#include <flowtts/device.h>

namespace flowtts {

/// The numbers of a list as the kernel writes them: "0-3,8" is 0, 1, 2, 3, 8. Empty where it is no
/// such list.
std::vector<int> parse_cpu_list(std::string_view text);

/// Keeps the calling thread on the cores that are nearest to a GPU (its NUMA node, by the kernel's
/// word on its PCI slot), so that what it copies need not cross to another. Nothing is done for a
/// CPU device, on a machine of one node, or where the kernel does not say; cores that the process
/// was kept off stay so.
void keep_thread_near(DeviceId device);

}  // namespace flowtts
