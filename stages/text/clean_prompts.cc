#include <algorithm>
#include <array>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

constexpr std::array<std::string_view, 19> kImageTags = {"image",
                                                         "images",
                                                         "img",
                                                         "video",
                                                         "audio",
                                                         "speech",
                                                         "imagehere",
                                                         "im_start",
                                                         "im_end",
                                                         "im_patch",
                                                         "img_start",
                                                         "img_end",
                                                         "image_pad",
                                                         "video_pad",
                                                         "vid_start",
                                                         "vid_end",
                                                         "vision_start",
                                                         "vision_end",
                                                         "image_placeholder"};

/// Sentences that say how to answer, not what. Lower case; a space stands for any white space, `*`
/// for anything on the line up to what follows it. "Please" may stand before each.
constexpr std::array<std::string_view, 69> kInstructions = {
    "answer the question using a single word or phrase",
    "answer the question using a single word or a phrase",
    "answer the question using a single word, phrase, or number",
    "answer the question using a single word",
    "answer the question using one word or phrase",
    "answer the question using only one word or phrase",
    "answer the question with a single word or phrase",
    "answer the question with a single word",
    "answer the question with a short phrase",
    "answer the question with yes or no",
    "answer the question briefly",
    "answer the question in one word",
    "answer the question in a single word or phrase",
    "answer the question by selecting only one of the given options",
    "answer the question by selecting the correct option",
    "answer the question directly",
    "answer with the option's letter from the given choices directly",
    "answer with the option's letter from the given choices",
    "answer with the option letter from the given choices directly",
    "answer with the option's letter directly",
    "answer with the given letter directly",
    "answer with the letter directly",
    "answer with the letter of the correct option",
    "answer with the letter",
    "answer with a single word or phrase",
    "answer with a single word",
    "answer with one word",
    "answer with yes or no",
    "answer using a single word or phrase",
    "answer in a single word or phrase",
    "answer in one word",
    "answer in a single word",
    "answer yes or no",
    "answer briefly",
    "answer directly",
    "be concise",
    "be succinct",
    "concise answer only",
    "choose the correct option's letter",
    "choose the right answer from the provided options",
    "ensure brevity in your answer",
    "first perform reasoning, then finally select the question from the choices in the following "
    "format: answer: xxx",
    "give a concise answer",
    "give a short answer",
    "give a very brief answer",
    "give the answer as a single word or phrase",
    "hint: please answer the question * at the end",
    "keep it brief",
    "keep it short and to the point",
    "make the answer very short",
    "make your answer very short",
    "make your selection from the * choices given by correctly answering the question",
    "provide a short and direct response",
    "provide a succinct answer",
    "provide your answer using a single word or phrase",
    "quick response, please",
    "respond with a single word or phrase",
    "respond with only the letter of the correct option",
    "respond with the letter of the correct option",
    "select the correct answer from the options above",
    "select the correct option from the given choices",
    "short answer required",
    "when the provided information is insufficient, respond with 'unanswerable'",
    "with grounding",
    "write a very short answer",
    "your answer should be compact",
    "your answer should be very brief",
    "your response must be concise",
    "(with grounding)",
};

constexpr std::array<std::string_view, 3> kCues = {"answer:", "short answer:", "your answer:"};

constexpr std::size_t kNoMatch = 0;

bool is_quote(char c) { return c == '\'' || c == '"'; }

/// Matches `pattern` at `position`; the end of the match or kNoMatch.
std::size_t match(std::string_view text, std::size_t position, std::string_view pattern) {
  constexpr std::size_t kLongestWildcard = 160;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    const char wanted = pattern[p];
    if (wanted == '*') {
      const std::string_view rest = pattern.substr(p + 1);
      const std::size_t limit = std::min(text.size(), position + kLongestWildcard);
      for (; position < limit && text[position] != '\n'; ++position) {
        if (const std::size_t end = match(text, position, rest); end != kNoMatch) return end;
      }
      return kNoMatch;
    }
    if (position >= text.size()) return kNoMatch;
    if (wanted == ' ') {
      if (!scan::is_space(text[position])) return kNoMatch;
      while (position < text.size() && scan::is_space(text[position])) ++position;
    } else if (wanted == '\'' && text.substr(position, 3) == "\xE2\x80\x99") {
      position += 3;
    } else if (wanted == '\'' && is_quote(text[position])) {
      ++position;
    } else if (scan::to_lower(text[position]) == wanted) {
      ++position;
    } else {
      return kNoMatch;
    }
  }
  return position;
}

/// Takes in the marks that end the sentence at `end`. kNoMatch where the sentence goes on ("... or
/// phrase in German").
std::size_t end_of_sentence(std::string_view text, std::size_t end) {
  std::size_t marks = end;
  while (marks < text.size() && scan::is_one_of(text[marks], ".!:\"'")) ++marks;
  if (marks == text.size() || text[marks] == '\n') return marks;
  return marks > end && scan::is_space(text[marks]) ? marks : kNoMatch;
}

std::size_t match_instruction(std::string_view text, std::size_t begin) {
  std::size_t start = begin;
  for (const std::string_view please : {"please ", "please, "}) {
    if (const std::size_t end = match(text, begin, please); end != kNoMatch) start = end;
  }
  for (const std::string_view instruction : kInstructions) {
    if (start < text.size() && scan::to_lower(text[start]) != instruction.front()) continue;
    const std::size_t end = match(text, start, instruction);
    if (end == kNoMatch) continue;
    if (const std::size_t whole = end_of_sentence(text, end); whole != kNoMatch) return whole;
  }
  return kNoMatch;
}

/// Whether a sentence may begin at `position`: after a mark or a line end, or with a capital.
bool may_begin_sentence(std::string_view text, std::size_t position) {
  std::size_t before = position;
  while (before > 0 && text[before - 1] == ' ') --before;
  if (before == 0 || text[before - 1] == '\n') return true;
  if (before == position) return false;
  return scan::is_upper(text[position]) || text[position] == '(' ||
         scan::is_one_of(text[before - 1], ".!?:)]\"'");
}

std::string_view without_cue(std::string_view text) {
  const std::string_view body = scan::trim(text);
  const std::size_t line = body.rfind('\n');
  if (line == scan::kNone) return text;
  const std::string_view last = scan::trim(body.substr(line));
  for (const std::string_view cue : kCues) {
    if (scan::equals_ignoring_case(last, cue)) return body.substr(0, line);
  }
  return text;
}

/// Reads a number at `position`: its end, or kNoMatch.
std::size_t match_number(std::string_view text, std::size_t position) {
  constexpr std::size_t kLongest = 24;
  std::size_t end = position;
  if (scan::at(text, end) == '-') ++end;
  const std::size_t digits = end;
  while (end < text.size() && end - position < kLongest &&
         (scan::is_digit(text[end]) || text[end] == '.')) {
    ++end;
  }
  return end > digits && scan::is_digit(text[end - 1]) ? end : kNoMatch;
}

struct Numbers {
  std::size_t count = 0;  ///< 0 where there is no such list.
  std::size_t end = 0;    ///< Behind its closing bracket.
  bool fractions = true;  ///< Whether each has a decimal point.
};

/// Reads `[n, n, ...]` or `(n, n, ...)` at `position`, of eight numbers at most.
Numbers match_numbers(std::string_view text, std::size_t position, char close) {
  constexpr std::size_t kMost = 8;
  constexpr std::size_t kMostSpaces = 4;
  Numbers numbers;
  const auto skip_spaces = [&] {
    for (std::size_t n = 0; n < kMostSpaces && scan::is_space(scan::at(text, position)); ++n) {
      ++position;
    }
  };
  ++position;
  while (numbers.count < kMost) {
    skip_spaces();
    const std::size_t end = match_number(text, position);
    if (end == kNoMatch) return {};
    if (text.substr(position, end - position).find('.') == scan::kNone) numbers.fractions = false;
    ++numbers.count;
    position = end;
    skip_spaces();
    if (scan::at(text, position) == close) {
      numbers.end = position + 1;
      return numbers;
    }
    if (scan::at(text, position) != ',') return {};
    ++position;
  }
  return {};
}

/// `{<12><34><56><78>}`; the end or kNoMatch.
std::size_t match_angled_box(std::string_view text, std::size_t position) {
  int count = 0;
  while (count < 4 && scan::at(text, position) == '<') {
    const std::size_t end = match_number(text, position + 1);
    if (end == kNoMatch || scan::at(text, end) != '>') return kNoMatch;
    position = end + 1;
    ++count;
  }
  return count == 4 ? position : kNoMatch;
}

/// The end of the box or point that begins at `position`, or kNoMatch. Four numbers in square
/// brackets are a box, two fractions a point; in round brackets only two corners are a box, since
/// people write "(3, 4)".
std::size_t match_box(std::string_view text, std::size_t position) {
  const char c = text[position];
  if (c == '[') {
    const Numbers numbers = match_numbers(text, position, ']');
    const bool box = numbers.count == 4 || (numbers.count == 2 && numbers.fractions);
    return box ? numbers.end : kNoMatch;
  }
  if (c == '<') return match_angled_box(text, position);
  const Numbers from = match_numbers(text, position, ')');
  if (from.count == 4 && from.fractions) return from.end;
  if (from.count != 2) return kNoMatch;
  std::size_t next = from.end;
  if (scan::at(text, next) == ',') ++next;
  if (scan::at(text, next) == ' ') ++next;
  if (scan::at(text, next) != '(') return kNoMatch;
  const Numbers to = match_numbers(text, next, ')');
  return to.count == 2 ? to.end : kNoMatch;
}

/// The end of the image tag at `position`, or kNoMatch.
std::size_t match_image_tag(std::string_view text, std::size_t position) {
  constexpr std::size_t kLongest = 28;
  const std::size_t close = text.substr(position, kLongest).find('>');
  if (close == scan::kNone) return kNoMatch;
  std::string name = scan::lower(text.substr(position + 1, close - 1));
  std::erase(name, '|');
  std::replace(name.begin(), name.end(), '-', '_');
  std::replace(name.begin(), name.end(), ' ', '_');
  if (!name.empty() && name.front() == '/') name.erase(0, 1);
  while (!name.empty() && (scan::is_digit(name.back()) || name.back() == '_')) name.pop_back();
  const bool known = std::find(kImageTags.begin(), kImageTags.end(), name) != kImageTags.end();
  return known ? position + close + 1 : kNoMatch;
}

/// Replaces each match of `matcher` at one of the characters `begins` by a space.
std::string remove_matches(std::string_view text, std::string_view begins,
                           std::size_t (*matcher)(std::string_view, std::size_t)) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t next = std::min(scan::find_any(text, begins, i), text.size());
    out.append(text.substr(i, next - i));
    i = next;
    if (i == text.size()) break;
    const std::size_t end = matcher(text, i);
    if (end == kNoMatch) {
      out.push_back(text[i++]);
    } else {
      out.push_back(' ');
      i = end;
    }
  }
  return out;
}

bool is_ocr_cue(std::string_view line) {
  for (const std::string_view cue : {"ocr tokens:", "ocr token:", "ocr:"}) {
    if (scan::starts_with_ignoring_case(line, cue)) return true;
  }
  return false;
}

/// Where an OCR dump begins on the line; its size where there is none.
std::size_t ocr_begin(std::string_view line) {
  constexpr std::string_view kCue = "reference ocr token";
  const std::size_t indent = line.find_first_not_of(' ');
  if (indent != scan::kNone && is_ocr_cue(line.substr(indent))) return indent;
  for (std::size_t i = scan::find_any(line, "rR"); i != scan::kNone;
       i = scan::find_any(line, "rR", i + 1)) {
    if (scan::starts_with_ignoring_case(line.substr(i), kCue)) return i;
  }
  return line.size();
}

}  // namespace

std::string remove_image_tags(std::string_view text) {
  return remove_matches(text, "<", match_image_tag);
}

std::string remove_boxes(std::string_view text) { return remove_matches(text, "[(<", match_box); }

std::string remove_ocr(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool first = true;
  scan::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (!first) out.push_back('\n');
    first = false;
    out.append(line.substr(0, ocr_begin(line)));
  }
  return out;
}

std::string remove_instructions(std::string_view original) {
  const std::string_view text = without_cue(original);
  std::string out;
  out.reserve(text.size());
  bool word = false;  // Whether the byte before belongs to a word.
  for (std::size_t i = 0; i < text.size();) {
    const bool begins = !word && (scan::is_alpha(text[i]) || text[i] == '(');
    const std::size_t end =
        begins && may_begin_sentence(text, i) ? match_instruction(text, i) : kNoMatch;
    word = scan::is_alnum(text[i]) || !scan::is_ascii(text[i]);
    if (end == kNoMatch) {
      out.push_back(text[i++]);
    } else {
      out.push_back(' ');
      i = end;
    }
  }
  return out;
}

}  // namespace flowtts::clean
