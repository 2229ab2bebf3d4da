#include <flowtts/json.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "core/json_value.h"
#include "core/utf8.h"

namespace flowtts {
namespace {

using Buffer = rapidjson::StringBuffer;

/// Adds what RapidJSON's writer lacks: members copied in as text.
class MemberWriter : public rapidjson::Writer<Buffer> {
 public:
  using Writer::Writer;

  void raw_members(std::string_view members) {
    Prefix(rapidjson::kStringType);  // The comma, where members stand before.
    WriteRawValue(members.data(), members.size());
    ++level_stack_.Top<Level>()->valueCount;  // Even again: a name comes next.
  }
};

rapidjson::SizeType size_of(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

struct JsonWriter::Impl {
  Buffer buffer;
  MemberWriter writer{buffer};
  std::string repaired;

  std::string_view valid(std::string_view text) {
    if (valid_utf8_prefix(text) == text.size()) return text;
    repaired.clear();
    append_valid_utf8(repaired, text);
    return repaired;
  }
};

JsonWriter::JsonWriter() : impl_(std::make_unique<Impl>()) {}
JsonWriter::~JsonWriter() = default;

JsonWriter& JsonWriter::begin_object() {
  impl_->writer.StartObject();
  return *this;
}
JsonWriter& JsonWriter::end_object() {
  impl_->writer.EndObject();
  return *this;
}
JsonWriter& JsonWriter::begin_array() {
  impl_->writer.StartArray();
  return *this;
}
JsonWriter& JsonWriter::end_array() {
  impl_->writer.EndArray();
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  const std::string_view text = impl_->valid(name);
  impl_->writer.Key(text.empty() ? "" : text.data(), size_of(text));
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  text = impl_->valid(text);
  impl_->writer.String(text.empty() ? "" : text.data(), size_of(text));
  return *this;
}
JsonWriter& JsonWriter::value(bool flag) {
  impl_->writer.Bool(flag);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  // RapidJSON's own digits are not always the shortest; those of std::to_chars are.
  std::array<char, 40> text{};
  char* end = std::to_chars(text.data(), text.data() + text.size() - 2, number).ptr;
  const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
  if (digits.find_first_of(".e") == std::string_view::npos) {
    *end++ = '.';  // Stays a floating-point number for the reader; "-0" would lose its sign.
    *end++ = '0';
  }
  impl_->writer.RawValue(text.data(), static_cast<std::size_t>(end - text.data()),
                         rapidjson::kNumberType);
  return *this;
}

JsonWriter& JsonWriter::signed_value(std::int64_t number) {
  impl_->writer.Int64(number);
  return *this;
}
JsonWriter& JsonWriter::unsigned_value(std::uint64_t number) {
  impl_->writer.Uint64(number);
  return *this;
}
JsonWriter& JsonWriter::null() {
  impl_->writer.Null();
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  impl_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

JsonWriter& JsonWriter::raw_members(std::string_view members) {
  if (!members.empty()) impl_->writer.raw_members(members);
  return *this;
}

std::string_view JsonWriter::text() const {
  return {impl_->buffer.GetString(), impl_->buffer.GetSize()};
}

namespace {

const rapidjson::Value& as_value(const void* value) {
  return *static_cast<const rapidjson::Value*>(value);
}

}  // namespace

JsonValue JsonValue::parse(std::string_view text) {
  auto document = std::make_shared<rapidjson::Document>();
  document->Parse<rapidjson::kParseFullPrecisionFlag | rapidjson::kParseIterativeFlag>(text.data(),
                                                                                       text.size());
  if (document->HasParseError()) return {};
  const void* root = static_cast<const rapidjson::Value*>(document.get());
  return {std::move(document), root};
}

JsonValue JsonValue::operator[](std::string_view key) const {
  if (!value_ || !as_value(value_).IsObject()) return {};
  const rapidjson::Value name(rapidjson::StringRef(key.data(), key.size()));
  const auto found = as_value(value_).FindMember(name);
  if (found == as_value(value_).MemberEnd()) return {};
  return {document_, &found->value};
}

std::size_t JsonValue::size() const {
  return value_ && as_value(value_).IsArray() ? as_value(value_).Size() : 0;
}

JsonValue JsonValue::at(std::size_t index) const {
  if (index >= size()) return {};
  return {document_, &as_value(value_)[static_cast<rapidjson::SizeType>(index)]};
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string, JsonValue>> members;
  if (!value_ || !as_value(value_).IsObject()) return members;
  for (const auto& member : as_value(value_).GetObject()) {
    members.emplace_back(std::string(member.name.GetString(), member.name.GetStringLength()),
                         JsonValue(document_, &member.value));
  }
  return members;
}

std::optional<std::string> JsonValue::text() const {
  if (!value_ || !as_value(value_).IsString()) return std::nullopt;
  return std::string(as_value(value_).GetString(), as_value(value_).GetStringLength());
}

std::optional<std::uint64_t> JsonValue::number() const {
  if (!value_ || !as_value(value_).IsUint64()) return std::nullopt;
  return as_value(value_).GetUint64();
}

std::optional<double> JsonValue::real() const {
  if (!value_ || !as_value(value_).IsNumber()) return std::nullopt;
  return as_value(value_).GetDouble();
}

std::optional<bool> JsonValue::flag() const {
  if (!value_ || !as_value(value_).IsBool()) return std::nullopt;
  return as_value(value_).GetBool();
}

std::string JsonValue::json() const {
  if (!value_) return "null";
  Buffer buffer;
  rapidjson::Writer<Buffer> writer(buffer);
  as_value(value_).Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace flowtts
