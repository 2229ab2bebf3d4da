#include "stages/neural/render_bytes.h"

#include <cstdio>

#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr const char* kNote = "preflight.json";
// As it is written, so it is read: one line of our own making.
constexpr const char* kForm = R"({"fixed_bytes": %lf, "bytes_per_cell": %lf, "weight_bytes": %lf, )"
                              R"("plan_bytes_per_token": %lf, "batch_dependent": %d})";
constexpr int kFields = 5;

}  // namespace

std::optional<RenderBytes> known_render_bytes(const VoiceKey& key) {
  const auto note = read_note(key, kNote);
  RenderBytes bytes;
  int batch_dependent = 0;
  if (!note ||
      std::sscanf(note->c_str(), kForm, &bytes.fixed, &bytes.per_cell, &bytes.weights,
                  &bytes.plan_per_token, &batch_dependent) != kFields ||
      !(bytes.per_cell > 0)) {
    return std::nullopt;
  }
  bytes.batch_dependent = batch_dependent != 0;
  return bytes;
}

void keep_render_bytes(const VoiceKey& key, const RenderBytes& bytes) {
  const auto failed = write_note(
      key, kNote,
      fmt::format(
          "{{\"fixed_bytes\": {:.0f}, \"bytes_per_cell\": {:.1f}, \"weight_bytes\": {:.0f}, "
          "\"plan_bytes_per_token\": {:.0f}, \"batch_dependent\": {:d}}}\n",
          bytes.fixed, bytes.per_cell, bytes.weights, bytes.plan_per_token,
          bytes.batch_dependent ? 1 : 0));
  static_cast<void>(failed);
}

}  // namespace flowtts
