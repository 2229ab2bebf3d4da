#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace flowtts {

/// Writes one compact JSON value into a string. Text that is not valid UTF-8 is written with
/// U+FFFD in place of the invalid bytes, so that every line that leaves FlowTTS can be parsed.
///
/// One object belongs to one thread. Calls must form one value: `begin_object`, then pairs of
/// `key` and a value, then `end_object`; `field` writes a pair. Numbers are written so that
/// reading them gives the same bits; a NaN or infinity, which JSON lacks, becomes null.
class JsonWriter {
 public:
  JsonWriter();
  ~JsonWriter();
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(double number);
  JsonWriter& value(std::signed_integral auto number) {
    return signed_value(static_cast<std::int64_t>(number));
  }
  JsonWriter& value(std::unsigned_integral auto number) requires(
      !std::same_as<decltype(number), bool>) {
    return unsigned_value(static_cast<std::uint64_t>(number));
  }
  JsonWriter& null();

  /// Copies `json`, which must be one valid JSON value, as it is.
  JsonWriter& raw(std::string_view json);

  /// Copies the members of `members`, the inside of a JSON object without its braces
  /// (`"a":1,"b":[2]`), into the open object. Nothing where it is empty.
  JsonWriter& raw_members(std::string_view members);

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    key(name);
    return value(content);
  }

  /// The text so far, valid until the next call.
  std::string_view text() const;

 private:
  JsonWriter& signed_value(std::int64_t number);
  JsonWriter& unsigned_value(std::uint64_t number);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
