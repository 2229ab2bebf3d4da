// The cleaner and the splitter of sentences. Whatever the text: what is cleaned is UTF-8 without
// controls and stays as it is when cleaned again; the pieces of a text joined are the text, and
// none is empty or too long. The first byte chooses the rules and the number of words.
#include "core/utf8.h"
#include "stages/text/sentence_splitter.h"
#include "stages/text/text_cleaner.h"
#include "tests/fuzz/fuzz.h"

using namespace flowtts;

namespace {

const SentenceSplitter& splitter() {
  static const SentenceSplitter made = [] {
    auto created = SentenceSplitter::create();
    FUZZ_CHECK(created.ok());
    return std::move(created).value();
  }();
  return made;
}

void check_split(std::string_view text, int max_words) {
  std::string joined;
  for (const std::string& piece : splitter().split(text, max_words)) {
    FUZZ_CHECK(!piece.empty());
    FUZZ_CHECK(splitter().count_words(piece) <= max_words);
    joined += piece;
  }
  FUZZ_CHECK(joined == text);
}

CleanOptions rules(unsigned char chosen) {
  CleanOptions options;
  if (chosen & 0x80U) options.whitespace = false;
  if (chosen & 0x40U) options.markdown = options.lists = options.options = false;
  if (chosen & 0x20U) options.html = options.latex = options.code = false;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = flowtts::fuzz::text_of(data + 1, size - 1);
  const CleanOptions options = rules(data[0]);
  const std::string clean = clean_text(text, options);
  FUZZ_CHECK(valid_utf8_prefix(clean) == clean.size());
  for (const char c : clean) FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  FUZZ_CHECK(clean_text(clean, options) == clean);
  const int max_words = 1 + (data[0] & 0x1F);
  check_split(text, max_words);
  check_split(clean, max_words);
  return 0;
}
