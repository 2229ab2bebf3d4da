#pragma once

#include <flowtts/result.h>

#include "stages/neural/cuda/cuda_module.h"

namespace flowtts {

/// FlowTTS's CUDA module, which is there where it was built with CUDA's headers. Loaded at the
/// first call; valid for the life of the process. Any thread, once libtorch_cuda is loaded. Errors:
/// "module_missing", "module_mismatch".
Result<const CudaModule*> load_cuda_module();

}  // namespace flowtts
