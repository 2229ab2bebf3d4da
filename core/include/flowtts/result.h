#pragma once

#include <string>
#include <utility>
#include <variant>

namespace flowtts {

/// Why an item could not be processed: a value that travels to the dead-letter file, never an
/// exception.
struct Error {
  std::string code;        ///< Short and stable, snake_case: "length_outside_tensor".
  std::string message;     ///< For a person: what was found, what is allowed.
  bool retryable = false;  ///< The same call may succeed at once: `run.on_error.retries` applies.
  bool fatal = false;      ///< Nothing can go on (disk full, device lost): the run ends, status 3.
  /// What a device stage made of the item is no good, and it may make something better of it: the
  /// item goes back to the nearest device stage before this one, with the payload that that stage
  /// was given and the next number in `Item::take`, `run.on_error.retakes` times; after that, or
  /// where there is no way back (see Spec::may_retake), this is an Error like any other.
  bool retake = false;
};

/// An item that is deliberately left out, and why: "unspeakable", "role". The reason is a short
/// stable word, because it is counted by name in the summary.
struct Filtered {
  std::string reason;
};

/// What a stage makes of an item: a value, a decision to leave it out, or an error.
///
/// A plain value type without invariants of its own; as thread-safe as T. Reading the wrong
/// alternative throws std::bad_variant_access.
template <class T>
class Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::move(value)) {}               // NOLINT(google-explicit-constructor)
  Result(Filtered filtered) : state_(std::move(filtered)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}           // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(state_); }
  bool is_filtered() const { return std::holds_alternative<Filtered>(state_); }
  bool is_error() const { return std::holds_alternative<Error>(state_); }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Filtered& filtered() const { return std::get<Filtered>(state_); }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Filtered, Error> state_;
};

}  // namespace flowtts
