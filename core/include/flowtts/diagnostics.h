#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

/// A place in a text file. Lines and columns count from 1; 0 means "the file as a whole". Columns
/// count bytes, as compilers do.
struct SourcePosition {
  std::string file;
  int line = 0;
  int column = 0;
};

enum class Severity { kError, kWarning };

/// One finding about what a user wrote.
struct Diagnostic {
  Severity severity = Severity::kError;
  SourcePosition where;
  std::string code;     ///< Stable, kebab-case: "unknown-key".
  std::string message;  ///< Where in the structure, what was found, what is allowed.

  /// "align.yaml:12:5: error[unknown-key]: ...", on one line whatever was found.
  std::string text() const;
};

/// Collects findings; order does not matter, `sorted` puts them in the order of the file.
class Diagnostics {
 public:
  void error(SourcePosition where, std::string code, std::string message);
  void warning(SourcePosition where, std::string code, std::string message);

  bool has_errors() const;
  bool empty() const { return all_.empty(); }
  std::vector<Diagnostic> sorted() const;

 private:
  std::vector<Diagnostic> all_;
};

/// The candidate that a person who wrote `word` most likely meant: the smallest edit distance, at
/// most a third of the word's length or 1, with something left in common. Empty where none is near.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean 'x'?" or, where none is near, nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// "a, b or c", for messages.
std::string list_words(std::span<const std::string> words);

}  // namespace flowtts
