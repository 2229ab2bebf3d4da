#include "cli/data_folder.h"

#include <system_error>

#include <fmt/format.h>

namespace flowtts::cli {

Result<std::filesystem::path> data_folder() {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  const std::filesystem::path folder =
      (program.parent_path() / FLOWTTS_DATA_DIR).lexically_normal();
  if (!failed && std::filesystem::is_directory(folder, failed)) return folder;
  return Error{"no_data",
               fmt::format("there is no folder {}, which belongs to {}: the installation is not "
                           "whole",
                           folder.string(), program.string()),
               false, true};
}

}  // namespace flowtts::cli
