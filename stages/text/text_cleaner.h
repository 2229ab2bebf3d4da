#pragma once

#include <string>
#include <string_view>

namespace flowtts {

/// Which rules `clean_text` applies. Each can be switched off on its own.
///
/// The rules take out what nobody wants to hear and turn some marks into speech. The only words
/// that they put in are those named here.
struct CleanOptions {
  /// `<image>`, `<video>`, `<image_1>`, `<|audio|>` and their kin are taken out wherever they are.
  bool image_tags = true;
  /// Sentences that only say how an answer is to be formatted are taken out: "Answer the question
  /// using a single word or phrase.", "Answer with the option's letter from the given choices
  /// directly." and others of a fixed list; and a last line that is only "Answer:". A request that
  /// says what is wanted ("Provide a one-sentence caption for the provided image.") stays.
  bool instructions = true;
  /// `Reference OCR token: ...` is taken out up to the end of its line.
  bool ocr = true;
  /// Boxes and points in coordinates are taken out: `[0.04, 0.57, 0.63, 0.71]`, `(12,40),(80,93)`.
  /// A text that is only boxes becomes empty.
  bool boxes = true;
  /// Fenced code blocks are taken out; of inline code its words are kept.
  bool code = true;
  /// Formulas ($...$, $$...$$, \(...\), \[...\], environments) that are short and simple are put
  /// into words: plus, minus, times, divided by, over, equals, squared, cubed, to the power of, the
  /// square root of, degrees, percent, less than, greater than, or equal to, not equal to,
  /// approximately, plus or minus, sine, cosine, tangent, log, angle, triangle, infinity, and the
  /// names of Greek letters. All others are taken out.
  bool latex = true;
  /// Of a web address the host is kept ("https://www.example.com/a?b=c" becomes "example.com"); an
  /// e-mail address says "at" for its sign.
  bool urls = true;
  /// Markdown and HTML tables are taken out.
  bool tables = true;
  /// Markdown's marks are taken out and their text kept: emphasis, headings, quotes, links, rules,
  /// escapes. Images and footnote marks go as a whole.
  bool markdown = true;
  /// HTML tags are taken out, entities become their characters; comments, scripts and styles go as
  /// a whole.
  bool html = true;
  /// Answer options (`A. cat`, `(B) dog`, `C) bird`, each on a line) become sentences: "A. cat."
  bool options = true;
  /// Items of lists become sentences; bullets go, numbers stay.
  bool lists = true;
  /// Emoji are taken out.
  bool emoji = true;
  /// Zero-width, bidirectional, private-use and other characters that show nothing are taken out.
  bool invisible = true;
  /// White space is folded: the text becomes one line, a full stop stands where a heading, an item,
  /// a paragraph or a short line ended without punctuation, and what other rules left behind (empty
  /// brackets, a lone comma, a space before a full stop) is tidied.
  bool whitespace = true;
};

/// What is to be said of `text`.
///
/// Pure and safe from any number of threads. The result is valid UTF-8 without control characters:
/// ill-formed bytes, U+FFFD and controls are taken out whatever the options say. Cleaning a clean
/// text changes nothing. Time is linear in the length of the text, whatever is in it: marks that
/// are still being uncovered by removing others after a fixed number of passes (they must have been
/// nested so on purpose) are stripped to letters, digits and plain punctuation, and a text that
/// keeps changing even then becomes empty.
std::string clean_text(std::string_view text, const CleanOptions& options = {});

}  // namespace flowtts
