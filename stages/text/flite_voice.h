#pragma once

#include <flite/flite.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace flowtts {

/// The voice whose lexicon and rules are used, registered once for the life of the program; null
/// where flite cannot. Reading it from many threads is safe.
cst_voice* flite_voice();

/// A phone's number among the model's tokens, from 1.
using Phone = std::uint8_t;

inline constexpr Phone kLastPhone = 50;
inline constexpr Phone kPausePhone = 48;

/// The phone of that name; a pause where the model has none.
Phone phone_of(std::string_view name);

/// The name of a phone, 1 to kLastPhone.
const char* phone_name(Phone phone);

struct DeleteUtterance {
  void operator()(cst_utterance* utterance) const { delete_utterance(utterance); }
};
using Utterance = std::unique_ptr<cst_utterance, DeleteUtterance>;

}  // namespace flowtts
