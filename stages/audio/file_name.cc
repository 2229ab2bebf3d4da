#include "stages/audio/file_name.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <flowtts/diagnostics.h>

#include "stages/io/id_table.h"
#include "stages/io/text.h"

namespace flowtts {
namespace {

constexpr std::size_t kMaxId = 96;
constexpr std::size_t kCutId = 80;
constexpr std::size_t kMaxLiterals = 32;
constexpr std::size_t kMaxSpeaker = 32;
constexpr std::string_view kSeparators = "_-.+=";

bool is_ascii_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_separator(char c) { return kSeparators.find(c) != std::string_view::npos; }

bool is_harmless(UChar32 c) {
  if (c < 0x80) return is_ascii_alnum(static_cast<char>(c)) || is_separator(static_cast<char>(c));
  return u_isalnum(c) != 0 || (U_GET_GC_MASK(c) & (U_GC_MN_MASK | U_GC_MC_MASK)) != 0;
}

std::string composed(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) return text;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  nfc->normalizeUTF8(0, text, sink, nullptr, status);
  return U_SUCCESS(status) ? out : text;
}

// `text` with `_` for each character that is not harmless.
std::string harmless(std::string_view text) {
  const auto units = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  icu::UnicodeString kept;
  for (std::int32_t at = 0; at < units.length(); at = units.moveIndex32(at, 1)) {
    const UChar32 c = units.char32At(at);
    kept.append(is_harmless(c) ? c : UChar32{'_'});
  }
  std::string out;
  return kept.toUTF8String(out);
}

void cut(std::string& text, std::size_t size) {
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  text.resize(size);
}

// Windows takes these names, with any extension, for devices.
bool is_reserved(std::string_view name) {
  std::string stem(name.substr(0, name.find('.')));
  std::ranges::transform(stem, stem.begin(),
                         [](char c) { return static_cast<char>(std::toupper(c)); });
  if (stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL") return true;
  return stem.size() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) &&
         stem[3] >= '0' && stem[3] <= '9';
}

std::string speaker_token(std::string_view speaker) {
  std::string token;
  for (const char c : harmless(speaker)) {
    if (!is_separator(c)) token += c;
  }
  if (token.size() > kMaxSpeaker) cut(token, kMaxSpeaker);
  return token.empty() ? "speaker" : token;
}

const std::vector<std::string>& placeholder_names() {
  static const std::vector<std::string> kNames{"id",       "index",   "turn",
                                               "sentence", "speaker", "part"};
  return kNames;
}

std::string allowed_placeholders() {
  return fmt::format("{{{}}}", fmt::join(placeholder_names(), "}, {"));
}

}  // namespace

std::string safe_id(const RecordKey& record) {
  std::string name = is_ascii(record.id) ? record.id : composed(record.id);
  name = harmless(name);
  if (name.size() > kMaxId) cut(name, kCutId);
  if (name.empty() || name.front() == '.' || name.front() == '-' || is_reserved(name)) {
    name.insert(0, 1, '_');
  }
  if (name != record.id) name += fmt::format("~{:016x}", folded_id_hash(record.id));
  if (record.occurrence > 0) name += fmt::format("~{}", record.occurrence);
  return name;
}

bool FileNameTemplate::has(Field field) const {
  return std::ranges::any_of(pieces_, [&](const Piece& piece) { return piece.field == field; });
}

Result<FileNameTemplate> FileNameTemplate::parse(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return Error{"bad_template", fmt::format("the name '{}' {}", text, what)};
  };
  FileNameTemplate made;
  made.text_ = text;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = std::min(text.find('{', at), text.size());
    if (open > at)
      made.pieces_.push_back({Field::kLiteral, std::string(text.substr(at, open - at))});
    if (open == text.size()) break;
    const std::size_t close = text.find('}', open);
    if (close == std::string_view::npos) return wrong("has a '{' without its '}'");
    const std::string_view name = text.substr(open + 1, close - open - 1);
    const auto known = std::ranges::find(placeholder_names(), name);
    if (known == placeholder_names().end()) {
      return wrong(fmt::format("has the unknown placeholder '{{{}}}'; allowed are {}{}", name,
                               allowed_placeholders(), did_you_mean(name, placeholder_names())));
    }
    const auto number = static_cast<int>(known - placeholder_names().begin()) + 1;
    made.pieces_.push_back({static_cast<Field>(number), ""});
    at = close + 1;
  }
  const std::string what = what_is_wrong(made.pieces_);
  if (!what.empty()) return wrong(what);
  return made;
}

std::string FileNameTemplate::what_is_wrong(const std::vector<Piece>& pieces) {
  std::array<int, 7> seen{};
  std::size_t literals = 0;
  bool separated = true;
  for (const Piece& piece : pieces) {
    ++seen[static_cast<std::size_t>(piece.field)];
    if (piece.field != Field::kLiteral) {
      if (!separated) return "needs one of '_', '-', '.', '+', '=' between its placeholders";
      separated = false;
      continue;
    }
    literals += piece.literal.size();
    for (const char c : piece.literal) {
      separated |= is_separator(c);
      if (!is_ascii_alnum(c) && !is_separator(c)) {
        return fmt::format(
            "has '{}' in it; allowed are letters, digits, '_', '-', '.', '+', '=' "
            "and {}",
            c, allowed_placeholders());
      }
    }
  }
  for (std::size_t field = 1; field < seen.size(); ++field) {
    if (seen[field] > 1) {
      return fmt::format("has '{{{}}}' more than once", placeholder_names()[field - 1]);
    }
  }
  if (seen[static_cast<std::size_t>(Field::kId)] + seen[static_cast<std::size_t>(Field::kIndex)] ==
      0) {
    return "has neither '{id}' nor '{index}', so that records would overwrite one another";
  }
  if (literals > kMaxLiterals) {
    return fmt::format("has {} characters beside its placeholders; at most {} are allowed",
                       literals, kMaxLiterals);
  }
  const Piece& first = pieces.front();
  if (first.field == Field::kLiteral && (first.literal[0] == '.' || first.literal[0] == '-')) {
    return "starts with a dot or a dash";
  }
  return "";
}

Result<std::string> FileNameTemplate::name(const Names& names) const {
  const bool by_sentence = has(Field::kTurn) && has(Field::kSentence);
  if (names.spoken && !by_sentence && !has(Field::kPart)) {
    return Error{
        "ambiguous_name",
        fmt::format("the name '{}' is the same for several sentences of a record; it needs "
                    "{{turn}} and {{sentence}}",
                    text_)};
  }
  if (!names.spoken && (has(Field::kTurn) || has(Field::kSentence) || has(Field::kSpeaker))) {
    return Error{"ambiguous_name",
                 fmt::format("the name '{}' asks for a sentence, but this audio was not made from "
                             "one; {{id}}, {{index}} and {{part}} are left",
                             text_)};
  }
  if (!names.spoken && !names.path.empty() && !has(Field::kPart)) {
    return Error{"ambiguous_name",
                 fmt::format("the name '{}' is the same for several parts of a record; it needs "
                             "{{part}}",
                             text_)};
  }
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.field) {
      case Field::kLiteral:
        out += piece.literal;
        break;
      case Field::kId:
        out += safe_id(names.record);
        break;
      case Field::kIndex:
        out += std::to_string(names.record.index);
        break;
      case Field::kTurn:
        out += std::to_string(names.turn);
        break;
      case Field::kSentence:
        out += std::to_string(names.sentence);
        break;
      case Field::kSpeaker:
        out += speaker_token(names.speaker);
        break;
      case Field::kPart:
        out += names.path.empty() ? "0" : fmt::format("{}", fmt::join(names.path, "x"));
        break;
    }
  }
  return out;
}

}  // namespace flowtts
