#pragma once

#include <filesystem>

#include <flowtts/result.h>

namespace flowtts::cli {

/// Where the files lie that belong to the program: share/flowtts of the installation or of the
/// build folder, found from the program's own place. The Error "no_data" says where it was looked
/// for.
Result<std::filesystem::path> data_folder();

}  // namespace flowtts::cli
