#include "stages/text/flite_voice.h"

// flite's voices declare themselves in no header.
extern "C" cst_voice* register_cmu_us_slt(const char* folder);

namespace flowtts {
namespace {

// What the model was trained on; see the token table of the voice's recipe.
constexpr std::array<const char*, kLastPhone> kPhones = {
    "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b",   "ch", "d",   "dh", "dx",
    "eh", "el", "em", "en", "er", "ey", "f",   "g",  "hh",  "hv", "ih",  "iy", "jh",
    "k",  "l",  "m",  "n",  "nx", "ng", "ow",  "oy", "p",   "r",  "s",   "sh", "t",
    "th", "uh", "uw", "v",  "w",  "y",  "z",   "zh", "pau", "h#", "brth"};

}  // namespace

cst_voice* flite_voice() {
  // flite keeps voices in globals without a lock.
  static cst_voice* const kVoice = [] {
    flite_init();
    return register_cmu_us_slt(nullptr);
  }();
  return kVoice;
}

Phone phone_of(std::string_view name) {
  for (std::size_t i = 0; i < kPhones.size(); ++i) {
    if (kPhones[i] == name) return static_cast<Phone>(i + 1);
  }
  return kPausePhone;
}

const char* phone_name(Phone phone) { return kPhones[phone - 1u]; }

}  // namespace flowtts
