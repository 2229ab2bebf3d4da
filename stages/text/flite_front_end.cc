#include "stages/text/flite_front_end.h"

#include <algorithm>
#include <string>
#include <utility>

#include "stages/text/flite_analysis.h"
#include "stages/text/flite_text.h"
#include "stages/text/latin_text.h"

namespace flowtts {
namespace {

constexpr std::int64_t kFirstPause = 48;
constexpr std::int64_t kLastPause = 55;

// Of the letters and numbers, what may be missing: one letter of another script in a long sentence
// of English, but no word.
constexpr double kMaxLeftOut = 0.05;

/// Whether any token is more than a pause.
bool has_sound(const std::vector<std::int64_t>& tokens) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [](std::int64_t token) { return token < kFirstPause || token > kLastPause; });
}

class FliteFrontEnd final : public FrontEnd {
 public:
  explicit FliteFrontEnd(std::shared_ptr<const FliteAnalysis> analysis)
      : analysis_(std::move(analysis)) {}

  Result<std::vector<std::int64_t>> tokens(std::string_view text) const override {
    if (text.size() > kLongestFliteText) {
      return Error{"text_too_long", "the text has " + std::to_string(text.size()) +
                                        " bytes; flite_us takes " +
                                        std::to_string(kLongestFliteText) + " at once"};
    }
    const LatinText latin = spell_in_ascii(text);
    const double letters = static_cast<double>(latin.spoken + latin.left_out);
    if (latin.spoken == 0 || static_cast<double>(latin.left_out) > kMaxLeftOut * letters) {
      return Filtered{"unspeakable"};
    }
    std::vector<std::int64_t> tokens = analysis_->tokens(text_for_flite(latin.ascii));
    if (!has_sound(tokens)) return Filtered{"unspeakable"};
    return tokens;
  }

 private:
  std::shared_ptr<const FliteAnalysis> analysis_;
};

}  // namespace

Result<std::shared_ptr<const FrontEnd>> make_flite_us() {
  Result<std::shared_ptr<const FliteAnalysis>> analysis = FliteAnalysis::create();
  if (!analysis.ok()) return analysis.error();
  return std::shared_ptr<const FrontEnd>(
      std::make_shared<FliteFrontEnd>(std::move(analysis).value()));
}

}  // namespace flowtts
