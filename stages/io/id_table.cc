#include "stages/io/id_table.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <string>
#include <utility>

#include "stages/io/hash.h"
#include "stages/io/text.h"

namespace flowtts {
namespace {

constexpr std::size_t kFirstSlots = 1024;

void lower_ascii(std::string& text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
}

std::string folded(std::string_view id) {
  std::string text(id);
  if (is_ascii(id)) {
    lower_ascii(text);
    return text;
  }
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* fold = icu::Normalizer2::getNFKCCasefoldInstance(status);
  if (U_FAILURE(status)) return text;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  fold->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())),
                      sink, nullptr, status);
  return U_SUCCESS(status) ? out : text;
}

}  // namespace

std::uint64_t folded_id_hash(std::string_view id) { return hash64(folded(id)); }

IdTable::IdTable() : slots_(kFirstSlots, 0) {}

std::uint32_t IdTable::count(std::uint64_t hash) {
  if (insert(hash)) return 0;
  return ++repeats_[hash];
}

bool IdTable::insert(std::uint64_t hash) {
  if (hash == 0) hash = 1;
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0 && slots_[at] != hash) at = (at + 1) & mask;
  if (slots_[at] == hash) return false;
  slots_[at] = hash;
  if (++used_ * 4 > slots_.size() * 3) grow();
  return true;
}

void IdTable::grow() {
  std::vector<std::uint64_t> old(slots_.size() * 2, 0);
  std::swap(old, slots_);
  used_ = 0;
  for (const std::uint64_t hash : old) {
    if (hash != 0) insert(hash);
  }
}

}  // namespace flowtts
