#include "stages/neural/render_bytes.h"

#include <cstdlib>

#include <doctest/doctest.h>

#include "tests/stages/temp_folder.h"

using flowtts::known_render_bytes;
using flowtts::RenderBytes;
using flowtts::VoiceKey;

TEST_CASE("what a render takes is kept for the voice, the card and the precision") {
  const flowtts::testing::TempFolder folder;
  const char* const before = std::getenv("FLOWTTS_CACHE_DIR");
  const std::string was = before ? before : "";
  setenv("FLOWTTS_CACHE_DIR", folder.path().c_str(), 1);
  const VoiceKey key{"00ff", "A card", "2.11.0", "float16"};
  CHECK_FALSE(known_render_bytes(key).has_value());
  flowtts::keep_render_bytes(key, {45'969'237, 13'420.5, 16'358'912, 772, true});
  const auto known = known_render_bytes(key);
  REQUIRE(known.has_value());
  CHECK(known->fixed == 45'969'237);
  CHECK(known->per_cell == 13'420.5);
  CHECK(known->weights == 16'358'912);
  CHECK(known->plan_per_token == 772);
  CHECK(known->batch_dependent);
  CHECK(known->of(64, 512) == 45'969'237 + 439'762'944);
  VoiceKey other = key;
  other.precision = "float32";
  CHECK_FALSE(known_render_bytes(other).has_value());
  for (const char* torn :
       {"", "{}", "{\"fixed_bytes\": 1, \"bytes_per_cell\": 0, \"weight_bytes\": 2}"}) {
    REQUIRE_FALSE(flowtts::write_note(key, "preflight.json", torn).has_value());
    CHECK_FALSE(known_render_bytes(key).has_value());
  }
  if (before) setenv("FLOWTTS_CACHE_DIR", was.c_str(), 1);
  if (!before) unsetenv("FLOWTTS_CACHE_DIR");
}
