#include "stages/audio/audio_gate.h"

#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace flowtts;

namespace {

constexpr std::uint32_t kRate = 10'000;

/// Plausible sound of so many seconds.
SoundMeasure sound_of(double seconds) {
  SoundMeasure sound;
  sound.samples = static_cast<std::uint64_t>(seconds * kRate);
  sound.peak = 0.5F;
  sound.rms = 0.1;
  return sound;
}

Speech speech_of(std::string spoken) {
  Speech speech;
  speech.sentence.spoken = std::move(spoken);
  return speech;
}

AudioBounds bounds() {
  AudioBounds bounds;
  bounds.seconds_per_character = {0.04, 0.2};
  bounds.seconds_per_word = {0.2, 1.0};
  return bounds;
}

/// "code: message", or nothing.
std::string said(const std::optional<Error>& error) {
  return error ? error->code + ": " + error->message : "";
}

}  // namespace

TEST_CASE("each measure has its word, its bounds, and says what was found") {
  struct Case {
    const char* name;
    void (*spoil)(SoundMeasure&, Speech&);
    std::string said;
  };
  const std::vector<Case> cases{
      {"nothing wrong", [](SoundMeasure&, Speech&) {}, ""},
      {"NaN", [](SoundMeasure& sound, Speech&) { sound.not_finite = 3; },
       "rejected_not_finite: 3 of 15000 samples are NaN or infinite; allowed is 0"},
      {"no end", [](SoundMeasure&, Speech& speech) { speech.cut_short = true; },
       "rejected_no_end: the model came to its limit after 1.50 s, before the sentence had an end"},
      {"nothing", [](SoundMeasure& sound, Speech&) { sound.samples = 0; },
       "rejected_silence: there are no samples"},
      {"digital silence", [](SoundMeasure& sound, Speech&) { sound.rms = 0; },
       "rejected_silence: the level is -inf dB of full scale; allowed is -50 dB or more"},
      {"a level that is no number",
       [](SoundMeasure& sound, Speech&) { sound.rms = std::numeric_limits<double>::quiet_NaN(); },
       "rejected_silence: the level is -inf dB of full scale; allowed is -50 dB or more"},
      {"too low", [](SoundMeasure& sound, Speech&) { sound.rms = 0.00316; },
       "rejected_silence: the level is -50.0 dB of full scale; allowed is -50 dB or more"},
      {"low enough", [](SoundMeasure& sound, Speech&) { sound.rms = 0.00317; }, ""},
      {"a share beyond full scale", [](SoundMeasure& sound, Speech&) { sound.clipped = 151; },
       "rejected_clipping: 1.01% of the samples are beyond full scale; allowed is 1%"},
      {"the share that is allowed", [](SoundMeasure& sound, Speech&) { sound.clipped = 150; }, ""},
      {"too short", [](SoundMeasure& sound, Speech&) { sound.samples = 4'000; },
       "rejected_seconds_per_character: 0.40 s of sound are 0.0364 s for each of 11 characters; "
       "allowed is 0.04 to 0.2 s"},
      {"too long", [](SoundMeasure& sound, Speech&) { sound.samples = 30'000; },
       "rejected_seconds_per_character: 3.00 s of sound are 0.273 s for each of 11 characters; "
       "allowed is 0.04 to 0.2 s"},
      {"too long for the words", [](SoundMeasure& sound, Speech&) { sound.samples = 21'000; },
       "rejected_seconds_per_word: 2.10 s of sound are 1.05 s for each of 2 words; allowed is 0.2 "
       "to 1 s"},
      {"a pause", [](SoundMeasure& sound, Speech&) { sound.longest_pause = 20'100; },
       "rejected_pause: there is a pause of 2.01 s inside; allowed is 2 s"},
      {"a pause that is allowed",
       [](SoundMeasure& sound, Speech&) { sound.longest_pause = 20'000; }, ""}};
  for (const Case& one : cases) {
    CAPTURE(one.name);
    SoundMeasure sound = sound_of(1.5);
    Speech speech = speech_of("Hello world");
    one.spoil(sound, speech);
    CHECK(said(objection_to(sound, kRate, &speech, bounds())) == one.said);
  }
}

TEST_CASE("audio that was not spoken has no text to be too long for, and no end to miss") {
  CHECK_FALSE(objection_to(sound_of(500), kRate, nullptr, bounds()).has_value());
  SoundMeasure silent = sound_of(5);
  silent.rms = 0;
  CHECK(objection_to(silent, kRate, nullptr, bounds()).has_value());
}

TEST_CASE("a voice that was asked to hurry is measured at its own pace") {
  Speech speech = speech_of("Hello world");
  speech.speed = 2;
  CHECK_FALSE(objection_to(sound_of(0.75), kRate, &speech, bounds()).has_value());
  CHECK(said(objection_to(sound_of(0.2), kRate, &speech, bounds())) ==
        "rejected_seconds_per_character: 0.20 s of sound are 0.0364 s for each of 11 characters at "
        "speed 1 (this is 2); allowed is 0.04 to 0.2 s");
  SoundMeasure paused = sound_of(0.75);
  paused.longest_pause = 11'000;  // 2.2 s at speed 1
  CHECK(said(objection_to(paused, kRate, &speech, bounds())).starts_with("rejected_pause: "));
}

TEST_CASE("a range with one end only says so") {
  const Speech speech = speech_of("Hello world");
  AudioBounds only;
  CHECK_FALSE(objection_to(sound_of(999), kRate, &speech, only).has_value());
  only.seconds_per_word.high = 3;
  CHECK(said(objection_to(sound_of(8), kRate, &speech, only)).ends_with("allowed is at most 3 s"));
  only.seconds_per_word = {};
  only.seconds_per_character.low = 0.1;
  CHECK(
      said(objection_to(sound_of(1), kRate, &speech, only)).ends_with("allowed is at least 0.1 s"));
}

TEST_CASE("characters are code points and words are what stands between spaces") {
  struct Case {
    const char* text;
    std::uint64_t characters;
    std::uint64_t words;
  };
  for (const Case& one : std::vector<Case>{{"", 0, 0},
                                           {" \n", 0, 0},
                                           {"7", 1, 1},
                                           {"Hello world", 11, 2},
                                           {"  Hello \t world ", 11, 2},
                                           {"naïve café", 10, 2},
                                           {"你好，世界", 5, 1},
                                           {"a b c", 5, 3}}) {
    CAPTURE(one.text);
    CHECK(length_of(one.text).characters == one.characters);
    CHECK(length_of(one.text).words == one.words);
  }
}
