#include "stages/neural/voice_pins.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include <fmt/format.h>

#include "stages/neural/sha256.h"

namespace flowtts {
namespace {

constexpr std::size_t kDigits = 64;

bool is_digest(std::string_view text) {
  return text.size() == kDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

void check_pin(const yaml::Entry& pin, const std::filesystem::path& folder, bool verify,
               Diagnostics& diagnostics) {
  if (!pin.value->is_scalar() || !is_digest(pin.value->text)) {
    diagnostics.error(pin.value->where, "wrong-type",
                      fmt::format("voice 'sha256': '{}': found {}, expected the {} lower-case hex "
                                  "digits that sha256sum prints",
                                  pin.key, pin.value->describe(), kDigits));
    return;
  }
  const std::filesystem::path file = (folder / pin.key).lexically_normal();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    diagnostics.error(pin.where, "missing-file",
                      fmt::format("voice 'sha256': there is no file {}", file.string()));
    return;
  }
  if (!verify) return;
  const Result<std::string> found = sha256_of_file(file);
  if (!found.ok()) {
    diagnostics.error(pin.where, "unreadable-file", "voice 'sha256': " + found.error().message);
  } else if (*found != pin.value->text) {
    diagnostics.error(pin.value->where, "pin-mismatch",
                      fmt::format("voice 'sha256': {} is not the file that was pinned: it has {}",
                                  file.string(), *found));
  }
}

}  // namespace

void check_pins(const yaml::Node& voice, const std::filesystem::path& file, bool verify,
                Diagnostics& diagnostics) {
  const yaml::Entry* pins = voice.find("sha256");
  if (!pins || pins->value->is_null()) return;
  if (!pins->value->is_map()) {
    diagnostics.error(pins->value->where, "wrong-type",
                      fmt::format("voice 'sha256': found {}, expected a map from files to their "
                                  "digests",
                                  pins->value->describe()));
    return;
  }
  for (const yaml::Entry& pin : pins->value->entries) {
    check_pin(pin, file.parent_path(), verify, diagnostics);
  }
}

}  // namespace flowtts
