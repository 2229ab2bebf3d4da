#include "stages/neural/speakers.h"

#include <map>

#include <doctest/doctest.h>

using flowtts::choose_speakers;
using flowtts::draw_speaker;
using flowtts::Item;
using flowtts::RecordKey;

namespace {

using Ids = std::vector<std::int64_t>;

flowtts::VoiceConfig voice_of(std::vector<std::string> speakers) {
  flowtts::VoiceConfig voice;
  voice.name = "four";
  voice.speakers = std::move(speakers);
  return voice;
}

const flowtts::VoiceConfig kVoice = voice_of({"slt", "rms", "awb", "kal16"});
const std::vector<std::uint32_t> kPath;

RecordKey key(std::string id) {
  RecordKey record;
  record.id = std::move(id);
  return record;
}

}  // namespace

TEST_CASE("Speakers are chosen by name") {
  struct Case {
    std::vector<std::string> names;
    Ids ids;
  };
  const Case cases[] = {
      {{"random"}, {0, 1, 2, 3}},
      {{"awb"}, {2}},
      {{"kal16", "slt"}, {3, 0}},
      {{"rms", "rms", "slt"}, {1, 1, 0}},
  };
  for (const Case& each : cases) CHECK(choose_speakers(kVoice, each.names).value() == each.ids);
}

TEST_CASE("A name that the voice does not have is refused with what it has") {
  struct Case {
    std::vector<std::string> names;
    const char* message;
  };
  const Case cases[] = {
      {{"slt", "rsm"},
       "voice 'four' has no speaker 'rsm'; allowed is slt, rms, awb, kal16 or random; did you mean "
       "'rms'?"},
      {{"nobody"},
       "voice 'four' has no speaker 'nobody'; allowed is slt, rms, awb, kal16 or random"},
      {{"random", "slt"}, "'random' stands alone: it takes all of the voice's speakers"},
      {{}, "no speaker is given; 'random' takes all"},
  };
  for (const Case& each : cases) {
    const auto ids = choose_speakers(kVoice, each.names);
    REQUIRE(ids.is_error());
    CHECK(ids.error().message == std::string(each.message));
  }
}

TEST_CASE("A turn's speaker depends on seed, record and turn, and on nothing else") {
  const Ids all{0, 1, 2, 3};
  const RecordKey record = key("a");
  RecordKey moved = record;
  moved.index = 99;
  const std::vector<std::uint32_t> path{3, 1};
  std::map<std::int64_t, int> by_turn, by_record, by_seed;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const std::int64_t speaker = draw_speaker(all, {record, kPath, 7}, i);
    CHECK(speaker == draw_speaker(all, {record, path, 7, 2}, i));
    CHECK(speaker == draw_speaker(all, {moved, kPath, 7}, i));
    ++by_turn[speaker];
    const RecordKey other = key(std::to_string(i));
    ++by_record[draw_speaker(all, {other, kPath, 7}, 0)];
    ++by_seed[draw_speaker(all, {record, kPath, i}, 0)];
  }
  for (const auto& counts : {by_turn, by_record, by_seed}) {
    CHECK(counts.size() == 4);
    for (const auto& [speaker, count] : counts) CHECK(count > 60);  // 100 on average
  }
}

TEST_CASE("Only those who were chosen are drawn") {
  const Ids two{3, 1};
  const RecordKey record = key("a");
  std::map<std::int64_t, int> counts;
  for (std::uint32_t turn = 0; turn < 100; ++turn) {
    ++counts[draw_speaker(two, {record, kPath, 1}, turn)];
  }
  CHECK(counts.size() == 2);
  CHECK(counts.contains(1));
  CHECK(counts.contains(3));
}
