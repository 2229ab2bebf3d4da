#include <doctest/doctest.h>

#include <string>

#include "core/sealed_line.h"

using namespace flowtts;

TEST_CASE("a sealed line gives its object back and is JSON itself") {
  const std::string line = seal_line(R"({"index":3,"text":"a \"quoted\" word"})");
  CHECK(line.starts_with(R"({"index":3,"text":"a \"quoted\" word","xxh3":")"));
  CHECK(line.ends_with("\"}"));
  CHECK(is_sealed_line(line));
  CHECK(unseal_line(line) == R"({"index":3,"text":"a \"quoted\" word"})");
}

TEST_CASE("every flipped bit and every cut in a sealed line is found") {
  const std::string line = seal_line(R"({"record":17,"status":"written"})");
  for (std::size_t byte = 0; byte < line.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = line;
      flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << bit));
      REQUIRE_FALSE(is_sealed_line(flipped));
    }
    REQUIRE_FALSE(unseal_line(line.substr(0, byte)).has_value());
  }
}

TEST_CASE("what is no sealed line is none") {
  for (const char* text : {"", "{}", "{\"a\":1}", "not json", "[1,2,3]", ",\"xxh3\":\"0\"}"}) {
    CAPTURE(text);
    CHECK_FALSE(is_sealed_line(text));
  }
}
