#include <flowtts/item.h>

#include <string>

#include <xxhash.h>

namespace flowtts {
namespace {

/// Lays arguments out as bytes so that different arguments give different bytes, whatever the
/// machine: numbers are little-endian, a text stands behind its length.
class Bytes {
 public:
  explicit Bytes(std::size_t expected) { bytes_.reserve(expected); }

  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(static_cast<char>((number >> shift) & 0xFFU));
    }
  }
  void add(std::string_view text) {
    add(static_cast<std::uint64_t>(text.size()));
    bytes_.append(text);
  }
  std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  std::string bytes_;
};

}  // namespace

std::uint64_t draw(std::uint64_t run_seed, const RecordKey& record, std::string_view purpose,
                   std::uint64_t part) {
  Bytes bytes(5 * 8 + record.id.size() + purpose.size());
  bytes.add(run_seed);
  bytes.add(record.id);
  bytes.add(record.content_hash);
  bytes.add(purpose);
  bytes.add(part);
  return bytes.hash();
}

double draw_fraction(std::uint64_t run_seed, const RecordKey& record, std::string_view purpose,
                     std::uint64_t part) {
  // The upper 53 bits, which a double holds exactly: never rounded up to 1.
  return static_cast<double>(draw(run_seed, record, purpose, part) >> 11) * 0x1p-53;
}

}  // namespace flowtts
