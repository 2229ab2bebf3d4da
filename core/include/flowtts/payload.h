#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>

#include <flowtts/json.h>

namespace flowtts {

/// A type that may travel along an edge. It is a struct that has
///  - `static constexpr std::string_view kPayloadName`, unique in the program: what the diagnostics
///    call it;
///  - `std::size_t bytes() const`, the host memory that it holds, itself included;
///  - `void to_json(JsonWriter&) const`, one JSON object: what the dead-letter file keeps of it.
///
/// It may have `double seconds() const`, how long it lasts where it is sound or film: the run then
/// reports how much of it was made.
///
/// A payload does not change once a stage has returned it: the packets of several followers share
/// it, on several threads at once.
template <class T>
concept PayloadType = std::is_object_v<T> && requires(const T& payload, JsonWriter& json) {
  { T::kPayloadName } -> std::convertible_to<std::string_view>;
  { payload.bytes() } -> std::convertible_to<std::size_t>;
  {payload.to_json(json)};
};

/// What the graph knows of a payload type. One object a type for the life of the program, so that
/// types are compared by address.
struct PayloadInfo {
  std::string_view name;
  std::size_t (*bytes)(const void*);
  void (*to_json)(const void*, JsonWriter&);
  double (*seconds)(const void*);
};

template <PayloadType T>
const PayloadInfo& payload_info() {
  static constexpr PayloadInfo kInfo{
      T::kPayloadName,
      [](const void* payload) -> std::size_t { return static_cast<const T*>(payload)->bytes(); },
      [](const void* payload, JsonWriter& json) { static_cast<const T*>(payload)->to_json(json); },
      [](const void* payload) -> double {
        if constexpr (requires(const T& timed) { timed.seconds(); }) {
          return static_cast<const T*>(payload)->seconds();
        }
        return (void)payload, 0.0;
      }};
  return kInfo;
}

/// A shared, immutable payload whose type is known at run time only. Cheap to copy.
class AnyPayload {
 public:
  AnyPayload() = default;

  template <PayloadType T>
  explicit AnyPayload(std::shared_ptr<const T> payload)
      : info_(&payload_info<T>()), payload_(std::move(payload)) {}

  template <PayloadType T>
  static AnyPayload of(T payload) {
    return AnyPayload(std::make_shared<const T>(std::move(payload)));
  }

  explicit operator bool() const { return payload_ != nullptr; }
  const PayloadInfo& info() const { return *info_; }
  std::size_t bytes() const { return payload_ ? info_->bytes(payload_.get()) : 0; }
  void to_json(JsonWriter& json) const { info_->to_json(payload_.get(), json); }
  double seconds() const { return payload_ ? info_->seconds(payload_.get()) : 0; }

  /// The payload where it is a T, otherwise null. Names are compared where addresses differ, since
  /// a payload type may be known to several shared libraries.
  template <PayloadType T>
  const T* as() const {
    if (!payload_) return nullptr;
    const PayloadInfo& wanted = payload_info<T>();
    return info_ == &wanted || info_->name == wanted.name ? static_cast<const T*>(payload_.get())
                                                          : nullptr;
  }

  template <PayloadType T>
  std::shared_ptr<const T> shared_as() const {
    return as<T>() ? std::static_pointer_cast<const T>(payload_) : nullptr;
  }

 private:
  const PayloadInfo* info_ = nullptr;
  std::shared_ptr<const void> payload_;
};

}  // namespace flowtts
