#include "stages/io/manifest_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include <flowtts/json.h>
#include <fmt/format.h>

#include "stages/io/raw_json.h"

namespace flowtts {
namespace {

struct ShapeNames {
  std::string_view turns, role, text;
};

ShapeNames names_of(ConversationShape shape) {
  switch (shape) {
    case ConversationShape::kShareGpt:
      return {"conversations", "from", "value"};
    case ConversationShape::kOpenAi:
      return {"messages", "role", "content"};
    case ConversationShape::kShareGptRole:
      return {"conversations", "role", "content"};
    case ConversationShape::kOpenAiFrom:
      return {"messages", "from", "value"};
  }
  return {"conversations", "from", "value"};
}

const Sentence* sentence_of(const AudioFile& file) {
  return file.speech ? &file.speech->sentence : nullptr;
}

const Sentence* sentence_of(const AnyPayload& payload) {
  if (const auto* sentence = payload.as<Sentence>()) return sentence;
  if (const auto* phonemes = payload.as<Phonemes>()) return &phonemes->sentence;
  if (const auto* audio = payload.as<Audio>()) {
    return audio->speech ? &audio->speech->sentence : nullptr;
  }
  if (const auto* file = payload.as<AudioFile>()) return sentence_of(*file);
  if (const auto* clip = payload.as<AudioClip>()) return sentence_of(clip->file);
  return nullptr;
}

/// One item of the record: a file, or how the item ended.
struct Outcome {
  const Sentence* sentence = nullptr;
  const std::vector<std::uint32_t>* path = nullptr;
  const AudioFile* file = nullptr;
  const EndedItem* ended = nullptr;

  // In the order of what is said; files of one sentence by their names.
  auto order() const {
    return std::tuple(sentence ? sentence->turn : 0U, sentence ? sentence->index : 0U, *path,
                      std::string_view(file ? file->path : ended->stage));
  }
};

std::vector<Outcome> outcomes_of(const Gathered<AudioFile>& gathered) {
  std::vector<Outcome> outcomes;
  for (const auto& arrived : gathered.arrived) {
    outcomes.push_back(
        {sentence_of(*arrived.payload), &arrived.path, arrived.payload.get(), nullptr});
  }
  for (const EndedItem& ended : gathered.ended) {
    if (!ended.outcome.ok()) {
      outcomes.push_back({sentence_of(ended.payload), &ended.path, nullptr, &ended});
    }
  }
  std::ranges::stable_sort(
      outcomes, [](const Outcome& a, const Outcome& b) { return a.order() < b.order(); });
  return outcomes;
}

std::string_view status_of(const Gathered<AudioFile>& gathered) {
  bool written = !gathered.arrived.empty();
  for (const EndedItem& ended : gathered.ended) {
    if (ended.outcome.is_error()) return "failed";
    written |= ended.outcome.ok();
  }
  return written ? "written" : "filtered";
}

// The conversation as the last stage that worked on it as a whole left it.
const Conversation* conversation_of(const Gathered<AudioFile>& gathered,
                                    std::span<const Outcome> outcomes) {
  for (const Outcome& outcome : outcomes) {
    if (outcome.sentence && outcome.sentence->conversation) {
      return outcome.sentence->conversation.get();
    }
  }
  for (const EndedItem& ended : gathered.ended) {
    if (const auto* conversation = ended.payload.as<Conversation>()) return conversation;
  }
  return gathered.origin.as<Conversation>();
}

double rounded(double number, double steps) { return std::round(number * steps) / steps; }

void write_file_members(JsonWriter& json, const AudioFile& file) {
  json.field("audio", file.path);
  if (!file.shard.empty()) json.field("shard", file.shard).field("offset", file.offset);
  json.field("sample_rate", file.sample_rate)
      .field("samples", file.samples)
      .field("seconds", rounded(file.seconds(), 1e6))
      .field("peak", rounded(static_cast<double>(file.peak), 1e4))
      .field("bytes", file.bytes_in_file)
      .field("xxh3", fmt::format("{:016x}", file.checksum));
  if (file.clipped != 0) json.field("clipped", file.clipped);
  if (!file.speech) return;
  json.field("speaker", file.speech->speaker)
      .field("seed", file.speech->seed)
      .field("voice", file.speech->voice);
  if (file.speech->take > 1) json.field("take", file.speech->take);
  if (file.speech->batch_dependent) json.field("batch_dependent", true);
}

void write_why(JsonWriter& json, const EndedItem& ended) {
  json.field("stage", ended.stage);
  if (ended.outcome.is_filtered()) {
    json.field("reason", ended.outcome.filtered().reason);
  } else {
    json.field("error", ended.outcome.error().code).field("message", ended.outcome.error().message);
  }
}

void write_outcome(JsonWriter& json, const Outcome& outcome) {
  json.begin_object();
  if (outcome.sentence) {
    json.field("text", outcome.sentence->text).field("spoken", outcome.sentence->spoken);
  }
  if (outcome.file) {
    write_file_members(json, *outcome.file);
  } else {
    json.field("status", outcome.ended->outcome.is_filtered() ? "filtered" : "failed");
    write_why(json, *outcome.ended);
  }
  json.end_object();
}

void write_outcomes(JsonWriter& json, std::string_view name, std::span<const Outcome> outcomes) {
  json.key(name).begin_array();
  for (const Outcome& outcome : outcomes) write_outcome(json, outcome);
  json.end_array();
}

void write_extra(JsonWriter& json, const std::string& members,
                 std::span<const std::string_view> taken) {
  for_each_member(members, [&](std::string_view key, std::string_view value) {
    const bool clashes = std::ranges::find(taken, key) != taken.end();
    std::string member = clashes ? "\"input_" : "\"";
    member.append(key).append("\":").append(value);
    json.raw_members(member);
  });
}

void write_turn(JsonWriter& json, const Turn& turn, const ShapeNames& names,
                std::span<const Outcome> sentences) {
  json.begin_object();
  if (!turn.label.empty()) json.field(names.role, turn.label);
  json.key(names.text);
  if (turn.raw_value.empty()) {
    json.value(turn.text);
  } else {
    json.raw(turn.raw_value);
  }
  const std::array<std::string_view, 4> taken{names.role, names.text, "spoken", "sentences"};
  write_extra(json, turn.extra, taken);
  json.field("spoken", turn.spoken);
  if (!sentences.empty()) write_outcomes(json, "sentences", sentences);
  json.end_object();
}

void write_conversation(JsonWriter& json, const Conversation& conversation,
                        std::span<const Outcome> sentences) {
  const ShapeNames names = names_of(conversation.shape);
  constexpr std::array<std::string_view, 9> kTaken{"index",  "id",    "files",   "status", "stage",
                                                   "reason", "error", "message", "xxh3"};
  write_extra(json, conversation.extra, kTaken);
  json.key(names.turns).begin_array();
  for (std::size_t i = 0; i < conversation.turns.size(); ++i) {
    const auto of_turn = [i](const Outcome& outcome) { return outcome.sentence->turn == i; };
    const auto first = std::ranges::find_if(sentences, of_turn);
    const auto last = std::find_if_not(first, sentences.end(), of_turn);
    write_turn(json, conversation.turns[i], names, {first, last});
  }
  json.end_array();
}

// Why the record as a whole ended: an error rather than a filter.
const EndedItem* whole_ending(const Gathered<AudioFile>& gathered) {
  const EndedItem* found = nullptr;
  for (const EndedItem& ended : gathered.ended) {
    if (ended.outcome.ok() || sentence_of(ended.payload) != nullptr) continue;
    if (found == nullptr || (found->outcome.is_filtered() && ended.outcome.is_error())) {
      found = &ended;
    }
  }
  return found;
}

}  // namespace

std::string manifest_line(const RecordKey& record, const Gathered<AudioFile>& gathered,
                          std::string_view more) {
  const std::vector<Outcome> outcomes = outcomes_of(gathered);
  const auto spoken = [](const Outcome& outcome) { return outcome.sentence != nullptr; };
  std::vector<Outcome> sentences;
  std::ranges::copy_if(outcomes, std::back_inserter(sentences), spoken);
  std::vector<Outcome> files;
  std::ranges::copy_if(outcomes, std::back_inserter(files),
                       [&](const Outcome& outcome) { return outcome.file && !spoken(outcome); });
  const Conversation* conversation = conversation_of(gathered, outcomes);

  JsonWriter json;
  json.begin_object().field("index", record.index).key("id");
  if (conversation && conversation->id_number) {
    json.raw(conversation->id);
  } else {
    json.value(record.id);
  }
  if (conversation) write_conversation(json, *conversation, sentences);
  if (!gathered.origin) json.field("offset", gathered.offset);
  if (!files.empty()) write_outcomes(json, "files", files);
  json.raw_members(more).field("status", status_of(gathered));
  if (const EndedItem* ended = whole_ending(gathered)) write_why(json, *ended);
  json.end_object();
  return std::string(json.text());
}

}  // namespace flowtts
