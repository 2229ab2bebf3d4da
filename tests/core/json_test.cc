#include <flowtts/json.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include <doctest/doctest.h>

#include "core/utf8.h"

using flowtts::JsonWriter;

TEST_CASE("a JSON object holds its fields in the order of the calls") {
  JsonWriter json;
  json.begin_object()
      .field("text", "a \"b\"\n")
      .field("flag", true)
      .field("signed", -7)
      .field("unsigned", std::numeric_limits<std::uint64_t>::max())
      .field("least", std::numeric_limits<std::int64_t>::min());
  json.key("list").begin_array().value(1).null().value(std::string("x")).end_array();
  json.key("empty").begin_object().end_object();
  json.end_object();
  CHECK(json.text() ==
        R"({"text":"a \"b\"\n","flag":true,"signed":-7,"unsigned":18446744073709551615,)"
        R"("least":-9223372036854775808,"list":[1,null,"x"],"empty":{}})");
}

TEST_CASE("raw members join the fields around them with single commas") {
  const auto written = [](std::string_view before, std::string_view members, bool after) {
    JsonWriter json;
    json.begin_object();
    if (!before.empty()) json.field("before", before);
    json.raw_members(members);
    if (after) json.field("after", 1);
    json.end_object();
    return std::string(json.text());
  };
  CHECK(written("", "", false) == "{}");
  CHECK(written("", R"("a":1,"b":[2])", false) == R"({"a":1,"b":[2]})");
  CHECK(written("x", R"("a":1,"b":[2])", true) == R"({"before":"x","a":1,"b":[2],"after":1})");
  CHECK(written("", R"("a":1)", true) == R"({"a":1,"after":1})");
  CHECK(written("x", "", true) == R"({"before":"x","after":1})");
}

TEST_CASE("two runs of raw members and a raw value stand in one object") {
  JsonWriter json;
  json.begin_object().raw_members(R"("a":1)").raw_members(R"("b":2)");
  json.key("c").raw(R"({"deep":[1, 2]})");
  json.end_object();
  CHECK(json.text() == R"({"a":1,"b":2,"c":{"deep":[1, 2]}})");
}

TEST_CASE("a number is written with the fewest digits that read back to the same bits") {
  const auto written = [](double number) {
    JsonWriter json;
    json.value(number);
    return std::string(json.text());
  };
  CHECK(written(0.1) == "0.1");
  CHECK(written(1.0) == "1.0");
  CHECK(written(-0.0) == "-0.0");
  CHECK(written(1e23) == "1e+23");
  CHECK(written(5e-324) == "5e-324");
  CHECK(written(2.2250738585072014e-308) == "2.2250738585072014e-308");
  CHECK(written(std::numeric_limits<double>::infinity()) == "null");
  CHECK(written(std::nan("")) == "null");

  std::mt19937_64 bits(7);
  for (int i = 0; i < 10000; ++i) {
    const double number = std::bit_cast<double>(bits());
    if (!std::isfinite(number)) continue;
    const double read = std::strtod(written(number).c_str(), nullptr);
    CHECK(std::bit_cast<std::uint64_t>(read) == std::bit_cast<std::uint64_t>(number));
  }
}

TEST_CASE("each maximal part of a text that is not UTF-8 becomes one U+FFFD") {
  const auto repaired = [](std::string_view text) {
    std::string out;
    flowtts::append_valid_utf8(out, text);
    CHECK(flowtts::valid_utf8_prefix(out) == out.size());
    return out;
  };
  const std::string r = "\xEF\xBF\xBD";
  CHECK(repaired("").empty());
  CHECK(repaired("plain ascii, quite long") == "plain ascii, quite long");
  CHECK(repaired("gr\xC3\xBC\xC3\x9F \xE4\xBD\xA0 \xF0\x9F\x98\x80") ==
        "gr\xC3\xBC\xC3\x9F \xE4\xBD\xA0 \xF0\x9F\x98\x80");
  CHECK(repaired("a\x80z") == "a" + r + "z");
  CHECK(repaired("a\xC3") == "a" + r);                   // Cut off.
  CHECK(repaired("\xE4\xBD!") == r + "!");               // Cut off, one part.
  CHECK(repaired("\xC0\xAF") == r + r);                  // Overlong.
  CHECK(repaired("\xE0\x80\xAF") == r + r + r);          // Overlong.
  CHECK(repaired("\xED\xA0\x80") == r + r + r);          // A surrogate.
  CHECK(repaired("\xF4\x90\x80\x80") == r + r + r + r);  // Above U+10FFFF.
  CHECK(repaired("\xF0\x9F\x98x\xFF") == r + "x" + r);
}

TEST_CASE("names and texts that are not UTF-8 leave as valid JSON") {
  JsonWriter json;
  json.begin_object().field("k\xFF", "v\xE4\xBD").end_object();
  CHECK(json.text() == "{\"k\xEF\xBF\xBD\":\"v\xEF\xBF\xBD\"}");
}

TEST_CASE("a text with a zero byte keeps it as an escape") {
  JsonWriter json;
  json.value(std::string_view("a\0b", 3));
  CHECK(json.text() == R"("a\u0000b")");
}
