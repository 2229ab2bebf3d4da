#include <doctest/doctest.h>

#include <string>

#include "stages/shards/tar_format.h"

using namespace flowtts;

TEST_CASE("a header is a block that sums up to its own checksum") {
  const std::string header = tar_header("sft_a_0_0.wav", 1234);
  REQUIRE(header.size() == kTarBlock);
  CHECK(header.starts_with(std::string("sft_a_0_0.wav\0", 14)));
  CHECK(header.substr(124, 12) == std::string("00000002322\0", 12));
  CHECK(header.substr(257, 8) == std::string("ustar\00000", 8));
  std::string blanked = header;
  blanked.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : blanked) sum += static_cast<unsigned char>(c);
  CHECK(std::stoul(header.substr(148, 6), nullptr, 8) == sum);
}

TEST_CASE("names and sizes that a plain header has no room for go into a header of their own") {
  struct Case {
    std::string name;
    std::uint64_t size;
    std::string record;  ///< Empty: a plain header will do.
  };
  const std::string at_the_limit(100, 'n');
  const std::string longer(101, 'n');
  for (const Case& c : {
           Case{at_the_limit, 1, ""},
           Case{longer, 1, "111 path=" + longer + "\n"},
           Case{std::string(990, 'n'), 1, "1001 path=" + std::string(990, 'n') + "\n"},
           Case{"x", 077777777777, ""},
           Case{"x", 0100000000000, "19 size=8589934592\n"},
       }) {
    CAPTURE(c.name);
    const std::string header = tar_header(c.name, c.size);
    CHECK(header.size() % kTarBlock == 0);
    if (c.record.empty()) {
      CHECK(header.size() == kTarBlock);
    } else {
      CHECK(header[156] == 'x');
      CHECK(header.substr(kTarBlock, c.record.size()) == c.record);
      CHECK(header[header.size() - kTarBlock + 156] == '0');
    }
  }
}

TEST_CASE("content is filled up to the next block") {
  for (const auto& [size, padding] : {std::pair(0, 0), {1, 511}, {511, 1}, {512, 0}, {513, 511}}) {
    CHECK(tar_padding(static_cast<std::uint64_t>(size)) ==
          std::string(static_cast<std::size_t>(padding), '\0'));
  }
}

TEST_CASE("a member that stands for nothing is known again, and nothing else is taken for one") {
  for (const std::uint64_t bytes : {kTarBlock, 4 * kTarBlock, std::uint64_t{1} << 30U}) {
    CHECK(tar_filler_bytes(tar_filler_header(bytes)) == bytes);
  }
  CHECK_FALSE(tar_filler_bytes(tar_header("a.wav", 10)));
  CHECK_FALSE(tar_filler_bytes(tar_header("__removed__/512", 10)));
  CHECK_FALSE(tar_filler_bytes(std::string(kTarBlock, '\0')));
  CHECK_FALSE(tar_filler_bytes(""));
}
