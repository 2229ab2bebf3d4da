#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// The folder of the library or program that FlowTTS's library code is in; empty where the linker
/// does not know it.
std::filesystem::path library_folder();

/// Loads a module of FlowTTS (`libflowtts_torch.so`): the file beside the library or program that
/// this code is in, or, where there is none, whatever the dynamic linker finds under that name.
/// Its symbols become visible to libraries that are loaded later. It is never unloaded.
///
/// \return the handle for `dlsym`. The Error "module_missing" carries the dynamic linker's words.
Result<void*> open_module(const std::string& file_name);

/// Loads a library as `open_module` does, looking first in the folder of the library that `address`
/// belongs to. Nothing else is searched where that folder has the file but it cannot be loaded.
Result<void*> open_library_beside(const void* address, const std::string& file_name);

}  // namespace flowtts
