#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/diagnostics.h>
#include <flowtts/pipeline.h>

#include "core/config/params.h"
#include "tests/core/test_stages.h"

using namespace flowtts;

namespace {

/// Says that a pipeline may end with it, which for a source can only be a mistake.
struct Final final : Source<flowtts::testing::Num> {
  static void describe(Spec<Final>& spec) { spec.name("final").summary("Ends.").may_end(); }
  std::optional<SourceRecord<flowtts::testing::Num>> next(const KeepRecord&) {
    return std::nullopt;
  }
};
struct FinalFilter final : RecordFilter {
  static void describe(Spec<FinalFilter>& spec) {
    spec.name("final_filter").summary("Ends.").may_end();
  }
  bool keep(const RecordKey&, std::uint64_t) const { return true; }
};

}  // namespace

TEST_CASE("a source, or a record filter behind it, needs a follower whatever its spec says") {
  StageRegistry registry;
  registry.add(make_stage_type<Final>());
  registry.add(make_stage_type<FinalFilter>());
  Pipeline::Options options;
  options.registry = &registry;
  for (const char* stages : {"[{type: final}]", "[{type: final}, {type: final_filter}]"}) {
    Diagnostics found;
    CHECK_FALSE(
        Pipeline::parse(std::string("flowtts: 1\nstages: ") + stages, "x.yaml", options, found)
            .has_value());
    REQUIRE(found.sorted().size() == 1);
    CHECK(found.sorted()[0].code == "dead-end");
  }
}

TEST_CASE("the nearest word is one that a person may have meant") {
  const std::vector<std::string> words{"max_words", "roles", "seed", "from", "a", "output"};
  struct Case {
    std::string_view word;
    std::string_view nearest;
  };
  for (const Case& one : std::vector<Case>{{"max_word", "max_words"},
                                           {"maxwords", "max_words"},
                                           {"role", "roles"},
                                           {"rolse", "roles"},
                                           {"sede", "seed"},
                                           {"form", "from"},
                                           {"ouptut", "output"},
                                           {"ab", "a"},
                                           {"b", ""},
                                           {"", ""},
                                           {"completely_different", ""},
                                           {"alpha", ""}}) {
    CAPTURE(one.word);
    CHECK(nearest(one.word, words) == one.nearest);
  }
  CHECK(nearest(std::string(100'000, 'a'), words).empty());
  CHECK(did_you_mean("role", words) == "; did you mean 'roles'?");
  CHECK(did_you_mean("zzz", words).empty());
}

TEST_CASE("lists of words read as a person would write them") {
  const std::vector<std::string> words{"a", "b", "c"};
  CHECK(list_words(std::span(words).first(0)).empty());
  CHECK(list_words(std::span(words).first(1)) == "a");
  CHECK(list_words(std::span(words).first(2)) == "a or b");
  CHECK(list_words(words) == "a, b or c");
}

TEST_CASE("findings come in the order of the file, equal places in the order of finding") {
  Diagnostics found;
  CHECK(found.empty());
  found.warning({"b.yaml", 1, 1}, "w", "late");
  found.error({"a.yaml", 10, 2}, "e", "third");
  found.error({"a.yaml", 2, 30}, "e", "first");
  found.error({"a.yaml", 2, 30}, "e", "second");
  found.error({"a.yaml", 0, 0}, "e", "whole");
  std::vector<std::string> messages;
  for (const Diagnostic& one : found.sorted()) messages.push_back(one.text());
  CHECK(messages ==
        std::vector<std::string>{"a.yaml: error[e]: whole", "a.yaml:2:30: error[e]: first",
                                 "a.yaml:2:30: error[e]: second", "a.yaml:10:2: error[e]: third",
                                 "b.yaml:1:1: warning[w]: late"});
  Diagnostics warned;
  warned.warning({"b.yaml", 1, 1}, "w", "only");
  CHECK_FALSE(warned.has_errors());
  CHECK_FALSE(warned.empty());
}

TEST_CASE("sizes are read and written with their units") {
  struct Case {
    std::string_view text;
    std::uint64_t bytes;
    std::string_view written;
  };
  for (const Case& one : std::vector<Case>{{"0", 0, "0"},
                                           {"1023", 1023, "1023"},
                                           {"1kB", 1000, "1000"},
                                           {"1KiB", 1024, "1KiB"},
                                           {"1.5 MiB", 1572864, "1.5MiB"},
                                           {"4GiB", 4294967296, "4GiB"},
                                           {"2e3", 2000, "2.0KiB"},
                                           {"3TB", 3'000'000'000'000, "2.7TiB"},
                                           {"512B", 512, "512"}}) {
    CAPTURE(one.text);
    const auto size = parse_byte_size(one.text);
    REQUIRE(size.has_value());
    CHECK(size->bytes == one.bytes);
    CHECK(byte_size_text(size->bytes) == one.written);
  }
  for (const char* text :
       {"", "GiB", "-1", "1 gib", "1GiBs", "nan", "inf", "1e400", "2e18", "1,5MB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_byte_size(text).has_value());
  }
}

TEST_CASE("the tolerated failures are a number of records or an exact share of those read") {
  struct Case {
    const char* limit;
    std::uint64_t failed;
    std::uint64_t read;
    bool tolerated;
  };
  for (const Case& one : std::vector<Case>{{"0", 0, 0, true},
                                           {"0", 1, 100, false},
                                           {"3", 3, 3, true},
                                           {"3", 4, 1000, false},
                                           {"1%", 1, 100, true},
                                           {"1%", 2, 199, false},
                                           {"1%", 1, 99, false},
                                           {"29%", 29, 100, true},
                                           {"0.1%", 1, 1000, true},
                                           {"0.7%", 7, 1000, true},
                                           {"100%", 5, 5, true},
                                           {"1%", 0, 0, true}}) {
    RunSettings settings;
    settings.max_failed = one.limit;
    CAPTURE(one.limit);
    CAPTURE(one.failed);
    CAPTURE(one.read);
    CHECK(settings.tolerates(one.failed, one.read) == one.tolerated);
  }
}
