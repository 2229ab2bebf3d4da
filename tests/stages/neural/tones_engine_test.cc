#include "stages/neural/tones/tones_engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>

#include "stages/io/conversation_reader.h"
#include "stages/io/hash.h"
#include "stages/text/front_end.h"
#include "stages/text/sentence_splitter.h"

using namespace flowtts;

namespace {

using Samples = std::vector<float>;

std::shared_ptr<VoiceEngine> engine_of(std::uint32_t sample_rate = 16000) {
  VoiceConfig voice;
  voice.name = "tones";
  voice.sample_rate = sample_rate;
  auto engine = open_tones(voice, {}, {});
  REQUIRE(engine.ok());
  return *engine;
}

Samples speak(const std::vector<std::int64_t>& tokens, std::int64_t speaker = 0, double speed = 1,
              std::uint64_t seed = 7) {
  const VoiceInput input{tokens, speaker, speed, seed};
  auto sounds = engine_of()->speak({&input, 1}, 1);
  REQUIRE(sounds.size() == 1);
  REQUIRE(sounds[0].ok());
  return sounds[0]->samples;
}

double rms(const Samples& samples) {
  const double sum = std::inner_product(samples.begin(), samples.end(), samples.begin(), 0.0);
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

const std::vector<std::int64_t> kTokens{3, 17, 17, 4, 29, 11};

}  // namespace

TEST_CASE("a sentence sounds the same each time, whatever is spoken beside it") {
  const std::vector<std::int64_t> other{1, 2, 3};
  const VoiceInput one{kTokens, 1, 1.0, 5};
  const VoiceInput two{other, 0, 1.0, 5};
  const std::vector<VoiceInput> batch{two, one, two};
  const auto engine = engine_of();
  const auto together = engine->speak(batch, 8);
  REQUIRE(together.size() == 3);
  CHECK(together[1]->samples == speak(kTokens, 1, 1, 5));
  CHECK(together[0]->samples == together[2]->samples);
  CHECK(engine->max_batch() == 0);
}

TEST_CASE("the bits are what they were when they were first heard") {
  const Samples samples = speak(kTokens, 2, 1.25, 0x123456789ABCDEF0);
  const std::string_view bytes(reinterpret_cast<const char*>(samples.data()),
                               samples.size() * sizeof(float));
  CHECK(hash64(bytes) == 1516271105078670039ULL);
}

TEST_CASE("tokens, their order, speaker, speed and seed are all heard") {
  const Samples base = speak(kTokens);
  CHECK(speak({17, 3, 17, 4, 29, 11}) != base);
  CHECK(speak({3, 17, 17, 4, 29, 12}) != base);
  CHECK(speak(kTokens, 1) != base);
  CHECK(speak(kTokens, 0, 1, 8) != base);
  CHECK(speak(kTokens, 0, 1, 7 + (std::uint64_t{1} << 62)) != base);
  const std::size_t half = speak(kTokens, 0, 2).size();
  CHECK(half * 2 >= base.size() - 2 * kTokens.size());
  CHECK(half * 2 <= base.size());
}

TEST_CASE("a token takes 60 to 100 ms, and is about as loud as speech") {
  for (std::int64_t token = 0; token < 60; ++token) {
    for (std::int64_t speaker = 0; speaker < 12; ++speaker) {
      CAPTURE(token);
      const Samples samples = speak({token}, speaker);
      CHECK(samples.size() >= 960);
      CHECK(samples.size() <= 1600);
      CHECK(std::abs(*std::max_element(samples.begin(), samples.end())) <= 0.25F);
      CHECK(rms(samples) > 0.05);
      CHECK(rms(samples) < 0.25);
    }
  }
}

TEST_CASE("every sentence of the example data is within the voice's gate") {
  const auto voice = read_voice("configs/voices/tones.yaml", false);
  REQUIRE(voice.ok());
  const auto engine = open_voice(*voice, {}, {});
  REQUIRE(engine.ok());
  const auto front_end = make_front_end(voice->front_end);
  REQUIRE(front_end.ok());
  const auto splitter = SentenceSplitter::create();
  REQUIRE(splitter.ok());
  auto reader = ConversationReader::open("examples/data/conversations.json");
  REQUIRE(reader.ok());
  std::size_t spoken = 0;
  while (const auto entry = reader->next()) {
    if (!entry->conversation.ok()) continue;
    for (const Turn& turn : entry->conversation->turns) {
      for (const std::string& sentence : splitter->split(turn.text, 40)) {
        const auto tokens = (*front_end)->tokens(sentence);
        if (!tokens.ok()) continue;
        const VoiceInput input{*tokens, 1, 1.0, 3};
        const auto sounds = (*engine)->speak({&input, 1}, 1);
        const double seconds = static_cast<double>(sounds[0]->samples.size()) / voice->sample_rate;
        const double each = seconds / static_cast<double>(sentence.size());
        CAPTURE(sentence);
        CHECK(each >= voice->min_seconds_per_character);
        CHECK(each <= voice->max_seconds_per_character);
        ++spoken;
      }
    }
  }
  CHECK(spoken > 100);
}

TEST_CASE("any sample rate and no tokens at all are spoken") {
  CHECK(speak({}).empty());
  for (const std::uint32_t rate : {1000U, 22050U, 384000U}) {
    const VoiceInput input{kTokens, 5, 1.0, 9};
    const auto sounds = engine_of(rate)->speak({&input, 1}, 1);
    REQUIRE(sounds[0].ok());
    const double seconds = static_cast<double>(sounds[0]->samples.size()) / rate;
    CHECK(seconds > 0.06 * 6 - 0.01);
    CHECK(seconds < 0.10 * 6);
  }
}

TEST_CASE("what the voice cannot do is refused") {
  VoiceConfig voice;
  voice.name = "tones";
  voice.sample_rate = 16000;
  VoiceOptions options;
  options.compiled = "always";
  const auto compiled = open_tones(voice, {}, options);
  REQUIRE(compiled.is_error());
  CHECK(compiled.error().code == "not_compiled");
  CHECK(compiled.error().fatal);
  options = {};
  options.precision = "float16";
  const auto half = open_tones(voice, {}, options);
  REQUIRE(half.is_error());
  CHECK(half.error().code == "bad_precision");
  CHECK(half.error().message.ends_with("has the precision float32, not float16"));
}
