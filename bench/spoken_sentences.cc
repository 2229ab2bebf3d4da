#include "bench/spoken_sentences.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "bench/align_file.h"
#include "bench/arguments.h"
#include "stages/neural/speakers.h"

namespace flowtts::bench {
namespace {

struct Collected {
  struct One {
    std::uint64_t record;
    std::vector<std::uint32_t> path;
    SpokenSentence sentence;
  };
  std::mutex mutex;
  std::vector<std::int64_t> speakers;
  std::vector<One> all;
};
Collected collected;  // a stage is copied and made by name: nothing else can be handed to it

struct CollectPhonemes final : Sink<Phonemes> {
  static void describe(Spec<CollectPhonemes>& spec) {
    spec.name("collect_phonemes").summary("Keeps sentences in memory.");
  }

  std::optional<Error> process(const Phonemes& phonemes, const Item& item) const {
    const std::uint32_t turn = phonemes.sentence.turn;
    const std::uint64_t place = std::uint64_t{turn} << 32U | phonemes.sentence.index;
    Collected::One one{item.record.index,
                       item.path,
                       {phonemes.tokens, draw_speaker(collected.speakers, item, turn),
                        item.draw("synthesis", place)}};
    const std::lock_guard lock(collected.mutex);
    collected.all.push_back(std::move(one));
    return std::nullopt;
  }
};
FLOWTTS_STAGE(CollectPhonemes)

}  // namespace

std::vector<SpokenSentence> sentences_of(const std::string& pipeline_file, const VoiceConfig& voice,
                                         const std::vector<std::string>& overrides) {
  const std::vector<std::string> all_speakers{"random"};
  collected.speakers = *choose_speakers(voice, all_speakers);
  AlignFile file(pipeline_file);
  file.end_with("synthesize", "{id: collect, type: collect_phonemes, concurrency: auto}");
  Pipeline pipeline = file.compile(overrides);
  run_to_end(pipeline);
  std::sort(collected.all.begin(), collected.all.end(), [](const auto& a, const auto& b) {
    return std::tie(a.record, a.path) < std::tie(b.record, b.path);
  });
  std::vector<SpokenSentence> sentences;
  sentences.reserve(collected.all.size());
  for (Collected::One& one : collected.all) sentences.push_back(std::move(one.sentence));
  collected.all.clear();
  return sentences;
}

}  // namespace flowtts::bench
