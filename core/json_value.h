#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowtts {

/// A JSON document that has been read, or a value in it. What is not there, or is of another type
/// than the one asked for, is a null value or nothing: who reads says what is required.
///
/// Read-only, cheap to copy; all values of a document keep it alive. For any thread.
class JsonValue {
 public:
  /// Null for text that is not exactly one JSON value.
  static JsonValue parse(std::string_view text);

  explicit operator bool() const { return value_ != nullptr; }  ///< Whether there is a value.

  JsonValue operator[](std::string_view key) const;
  std::size_t size() const;  ///< Of an array; 0 for anything else.
  JsonValue at(std::size_t index) const;
  std::vector<std::pair<std::string, JsonValue>> members() const;  ///< As they stand.

  std::optional<std::string> text() const;
  std::optional<std::uint64_t> number() const;  ///< A whole number from 0 on.
  std::optional<double> real() const;           ///< Any number.
  std::optional<bool> flag() const;

  /// The value as compact JSON; "null" where there is none.
  std::string json() const;

 private:
  JsonValue() = default;
  JsonValue(std::shared_ptr<const void> document, const void* value)
      : document_(std::move(document)), value_(value) {}

  std::shared_ptr<const void> document_;
  const void* value_ = nullptr;
};

}  // namespace flowtts
