#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// Turns text into the tokens that a voice's model reads. A voice names the front end that its
/// model was trained with.
///
/// Immutable once made: `tokens` is called on any number of threads at once. It depends on the text
/// alone, so that the same text gives the same tokens in every run.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;

  /// The tokens of `text`, UTF-8 of any kind, ill-formed as well; never empty.
  ///
  /// Text that this front end has no sounds for is `Filtered{"unspeakable"}`, and so is text of
  /// which only a part could be said: speech that leaves out words of its text is worse than none.
  /// Text beyond what the front end can take is the Error "text_too_long".
  virtual Result<std::vector<std::int64_t>> tokens(std::string_view text) const = 0;
};

/// What a voice's file says to its front end.
struct FrontEndOptions {
  std::vector<std::string> languages;  ///< That the voice speaks ("en", "zh"); may be empty.
  std::filesystem::path table;         ///< Of "characters": its characters and their tokens.
  bool add_blank = false;              ///< Of "characters": the token 0 around each character.
  bool lower = false;                  ///< Of "characters": capitals are read as small letters.
};

using FrontEndFactory =
    std::function<Result<std::shared_ptr<const FrontEnd>>(const FrontEndOptions& options)>;

/// Makes a front end known under `type`, in place of one that had the name. Thread-safe; before the
/// run that needs it starts.
void register_front_end(std::string type, FrontEndFactory factory);

/// The front end of that type. The Error "unknown_front_end" names those there are. Thread-safe.
Result<std::shared_ptr<const FrontEnd>> make_front_end(std::string_view type,
                                                       const FrontEndOptions& options = {});

/// The names that `make_front_end` knows, sorted.
std::vector<std::string> front_end_types();

}  // namespace flowtts
