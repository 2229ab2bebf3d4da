#include "cli/format.h"

#include <limits>

#include <doctest/doctest.h>

using namespace flowtts::cli;

TEST_CASE("a duration is told in its two largest units, and never as more than it is") {
  struct Case {
    double seconds;
    const char* text;
  };
  for (const Case& one : {Case{0, "0.0 s"}, Case{0.84, "0.8 s"}, Case{9.94, "9.9 s"},
                          Case{9.96, "9 s"}, Case{59.9, "59 s"}, Case{60, "1 min 0 s"},
                          Case{125, "2 min 5 s"}, Case{3599.9, "59 min 59 s"},
                          Case{3725, "1 h 2 min"}, Case{86400.0 * 3 + 4 * 3600, "3 d 4 h"},
                          Case{-1, "?"}, Case{std::numeric_limits<double>::infinity(), "?"}}) {
    CAPTURE(one.seconds);
    CHECK(format_duration(one.seconds) == one.text);
  }
}

TEST_CASE("counts have their thousands apart") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_number_of(1, "record") == "1 record");
  CHECK(format_number_of(1200, "record") == "1,200 records");
}

TEST_CASE("rates keep two or three figures") {
  CHECK(format_rate(0) == "0.00");
  CHECK(format_rate(0.25) == "0.25");
  CHECK(format_rate(7.54) == "7.5");
  CHECK(format_rate(9.96) == "10");
  CHECK(format_rate(152.4) == "152");
  CHECK(format_rate(17280.3) == "17,280");
  CHECK(format_rate(-1) == "?");
}

TEST_CASE("a share is 0% only where there is nothing, and 100% only where it is all") {
  CHECK(format_share(0) == "0%");
  CHECK(format_share(0.00001) == "0.1%");
  CHECK(format_share(0.004) == "0.4%");
  CHECK(format_share(0.43) == "43%");
  CHECK(format_share(0.9999) == "99%");
  CHECK(format_share(1) == "100%");
}
