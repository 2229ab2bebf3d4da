// The reader of voice files. Whatever the text: a voice that is all there, or an error that says
// where.
#include "stages/neural/voice.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const flowtts::fuzz::MemoryFile file(flowtts::fuzz::text_of(data, size));
  const auto voice = flowtts::read_voice(file.path(), /*hash=*/false);
  if (!voice.ok()) {
    FUZZ_CHECK(voice.is_error());
    FUZZ_CHECK(!voice.error().message.empty());
    return 0;
  }
  FUZZ_CHECK(!voice->name.empty());
  FUZZ_CHECK(!voice->speakers.empty());
  FUZZ_CHECK(voice->sample_rate >= 1000 && voice->sample_rate <= 384000);
  FUZZ_CHECK(flowtts::find_voice_format(voice->format) != nullptr);
  FUZZ_CHECK(voice->max_seconds_per_character >= voice->min_seconds_per_character);
  return 0;
}
