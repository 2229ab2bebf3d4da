#include "stages/neural/worker/messages.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <flowtts/json.h>
#include <flowtts/run.h>
#include <fmt/format.h>
#include <rapidjson/document.h>

namespace flowtts {
namespace {

using rapidjson::Value;

constexpr float kFullScale = 32768;

/// The members of a head, each of which may be missing or of another type.
class Head {
 public:
  explicit Head(const Value& value) : value_(value) {}

  std::string text(const char* name) const {
    const Value* found = find(name);
    return found && found->IsString() ? std::string(found->GetString(), found->GetStringLength())
                                      : std::string();
  }
  std::optional<std::uint64_t> number(const char* name) const {
    const Value* found = find(name);
    if (!found || !found->IsUint64()) return std::nullopt;
    return found->GetUint64();
  }
  bool flag(const char* name, bool otherwise) const {
    const Value* found = find(name);
    return found && found->IsBool() ? found->GetBool() : otherwise;
  }
  std::vector<std::string> texts(const char* name) const {
    std::vector<std::string> all;
    const Value* found = find(name);
    if (!found || !found->IsArray()) return all;
    for (const Value& one : found->GetArray()) {
      if (one.IsString()) all.emplace_back(one.GetString(), one.GetStringLength());
    }
    return all;
  }

 private:
  const Value* find(const char* name) const {
    const auto found = value_.FindMember(name);
    return found == value_.MemberEnd() ? nullptr : &found->value;
  }
  const Value& value_;
};

void add_names(JsonWriter& json, std::string_view key, const std::vector<std::string>& names) {
  json.key(key).begin_array();
  for (const std::string& name : names) json.value(name);
  json.end_array();
}

std::vector<float> floats_of(const std::vector<char>& body) {
  std::vector<float> samples(body.size() / sizeof(float));
  std::memcpy(samples.data(), body.data(), samples.size() * sizeof(float));
  return samples;
}

std::vector<float> floats_of_pcm(const std::vector<char>& body) {
  std::vector<std::int16_t> pcm(body.size() / sizeof(std::int16_t));
  std::memcpy(pcm.data(), body.data(), pcm.size() * sizeof(std::int16_t));
  std::vector<float> samples(pcm.size());
  std::transform(pcm.begin(), pcm.end(), samples.begin(),
                 [](std::int16_t value) { return static_cast<float>(value) / kFullScale; });
  return samples;
}

Result<VoiceSound> sound_of(const Head& head, const std::vector<char>& body) {
  const std::string format = head.text("format");
  if (format != "f32" && format != "s16") {
    return Error{
        "worker_bad_audio",
        fmt::format("the worker gave audio in the format '{}'; allowed is f32 or s16", format)};
  }
  const std::size_t each = format == "f32" ? sizeof(float) : sizeof(std::int16_t);
  const std::uint64_t samples = head.number("samples").value_or(0);
  if (samples * each != body.size()) {
    return Error{"worker_bad_audio",
                 fmt::format("the worker said {} samples of {} and gave {} bytes, which are {}",
                             samples, format, body.size(), body.size() / each)};
  }
  if (samples == 0) return Error{"worker_no_audio", "the worker gave audio without samples"};
  std::vector<float> sound = format == "f32" ? floats_of(body) : floats_of_pcm(body);
  const auto odd = std::find_if_not(sound.begin(), sound.end(),
                                    [](float value) { return std::isfinite(value); });
  if (odd != sound.end()) {
    return Error{"worker_bad_audio", fmt::format("sample {} of {} that the worker gave is {}",
                                                 odd - sound.begin(), sound.size(), *odd)};
  }
  return VoiceSound{std::move(sound), nullptr};
}

WorkerReady ready_of(const Head& head) {
  WorkerReady ready;
  ready.sample_rate = static_cast<std::uint32_t>(head.number("sample_rate").value_or(0));
  ready.speakers = head.texts("speakers");
  ready.max_batch =
      static_cast<std::size_t>(std::max<std::uint64_t>(1, head.number("max_batch").value_or(1)));
  ready.batch_invariant = head.flag("batch_invariant", ready.max_batch == 1);
  ready.device = head.text("device");
  ready.numerics = head.text("numerics");
  return ready;
}

std::optional<WorkerMessage> answer_of(const std::string& type, const Head& head,
                                       const std::vector<char>& body, std::string& fault) {
  const std::optional<std::uint64_t> id = head.number("id");
  if (!id) {
    fault = fmt::format("a frame of the type '{}' has no item's id", type);
    return std::nullopt;
  }
  if (type == "audio") return WorkerAnswer{*id, sound_of(head, body)};
  if (type == "filtered") return WorkerAnswer{*id, Filtered{"unspeakable"}};
  std::string code = head.text("code");
  if (!code.starts_with("worker_")) code = "worker_error";
  return WorkerAnswer{*id, Error{std::move(code), head.text("message")}};
}

}  // namespace

std::string load_message(const WorkerLoad& load) {
  const VoiceConfig& voice = *load.voice;
  JsonWriter json;
  json.begin_object()
      .field("type", "load")
      .field("protocol", kWorkerProtocol)
      .field("flowtts", version())
      .field("device", load.device)
      .field("memory_bytes", load.memory_bytes)
      .field("heartbeat_s", load.heartbeat_s);
  json.key("voice")
      .begin_object()
      .field("name", voice.name)
      .field("folder", std::filesystem::absolute(voice.file).parent_path().string())
      .field("model", voice.model.empty() ? "" : std::filesystem::absolute(voice.model).string())
      .field("sample_rate", voice.sample_rate);
  add_names(json, "speakers", voice.speakers);
  add_names(json, "languages", voice.languages);
  json.end_object();
  json.key("options").raw(voice.worker.options.empty() ? "{}" : voice.worker.options);
  json.end_object();
  return std::string(json.text());
}

std::string synthesize_message(std::span<const WorkerItem> items) {
  JsonWriter json;
  json.begin_object().field("type", "synthesize").key("items").begin_array();
  for (const WorkerItem& item : items) {
    json.begin_object()
        .field("id", item.id)
        .field("text", item.text)
        .field("speaker", item.speaker)
        .field("speed", item.speed)
        .field("seed", item.seed);
    if (!item.tokens.empty()) {
      json.key("tokens").begin_array();
      for (const std::int64_t token : item.tokens) json.value(token);
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().end_object();
  return std::string(json.text());
}

std::string close_message() { return R"({"type":"close"})"; }

std::optional<WorkerMessage> read_message(const WorkerFrame& frame, std::string& fault) {
  rapidjson::Document document;
  document.Parse(frame.head.data(), frame.head.size());
  if (document.HasParseError() || !document.IsObject()) {
    fault = "the head of a frame is no JSON object";
    return std::nullopt;
  }
  const Head head(document);
  const std::string type = head.text("type");
  if (type == "alive") return WorkerAlive{};
  if (type == "hello") {
    return WorkerHello{static_cast<int>(head.number("protocol").value_or(0)), head.text("sdk")};
  }
  if (type == "ready") return ready_of(head);
  if (type == "failed") return WorkerFailed{head.text("message")};
  if (type == "audio" || type == "filtered" || type == "error") {
    return answer_of(type, head, frame.body, fault);
  }
  fault = fmt::format("there is no frame of the type '{}'", type);
  return std::nullopt;
}

}  // namespace flowtts
