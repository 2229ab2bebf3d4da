#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/pipeline.h>

#include "core/config/yaml_tree.h"
#include "tests/core/config/cases.h"
#include "tests/core/test_stages.h"
#include "tests/stages/temp_folder.h"

/// Files that no editor writes: made here, since no editor should have to show them.
namespace {

using namespace flowtts;

Pipeline::Options test_options() {
  Pipeline::Options options;
  options.registry = &flowtts::testing::test_registry();
  options.environment = [](const std::string&) { return std::nullopt; };
  options.gpus = [] { return std::vector<DeviceInfo>(); };
  return options;
}

/// The findings in one text; the plan is not looked at.
std::string findings(std::string_view yaml) {
  Diagnostics found;
  const auto pipeline = Pipeline::parse(yaml, "x.yaml", test_options(), found);
  CHECK(pipeline.has_value() == !found.has_errors());
  std::string text;
  for (const Diagnostic& one : found.sorted()) text += one.text() + "\n";
  return text;
}

std::string read_findings(const std::filesystem::path& file) {
  Diagnostics found;
  CHECK_FALSE(Pipeline::read(file, test_options(), found).has_value());
  REQUIRE(found.sorted().size() == 1);
  return found.sorted()[0].text();
}

constexpr std::string_view kGood =
    "flowtts: 1\nstages:\n  - {id: load, type: numbers, with: {count: 3}}\n"
    "  - {id: out, type: collect}\n";

}  // namespace

TEST_CASE("bytes that YAML does not allow are reported where they stand") {
  const std::string good(kGood);
  struct Case {
    std::string yaml;
    std::string expected;
  };
  const std::vector<Case> cases{
      {good + std::string("# a\0b\n", 6),
       "x.yaml:5:4: error[bad-character]: the byte 0x00 cannot stand in a YAML file\n"},
      // yaml-cpp takes this one for the end of the file.
      {"flowtts: 1\n\x04" + good,
       "x.yaml:2:1: error[bad-character]: the byte 0x04 cannot stand in a YAML file\n"},
      {"flowtts: 1\nname: \x1b[31m\n",
       "x.yaml:2:7: error[bad-character]: the byte 0x1b cannot stand in a YAML file\n"},
      {good + "#\x7f",
       "x.yaml:5:2: error[bad-character]: the byte 0x7f cannot stand in a YAML file\n"},
      {"name: caf\xe9\n",
       "x.yaml:1:10: error[bad-character]: the byte 0xe9 is not UTF-8; save the file as UTF-8\n"},
      {std::string("\xff\xfe"
                   "f\0l\0",
                   6),
       "x.yaml:1:1: error[bad-character]: the byte 0xff is not UTF-8; save the file as UTF-8\n"},
      {"name: \xed\xa0\x80",
       "x.yaml:1:7: error[bad-character]: the byte 0xed is not UTF-8; save the file as UTF-8\n"},
  };
  for (const Case& one : cases) CHECK(findings(one.yaml) == one.expected);
  CHECK(findings(good + "# \t é 😀\r\n").empty());
}

TEST_CASE("what an escape in a quoted text stands for cannot break a finding into lines") {
  CHECK(
      findings("flowtts: \"a\\nb\\e[31m\"\nstages: []\n") ==
      "x.yaml:1:10: error[format-version]: found format version the text 'a\\nb\\x1b[31m', this "
      "FlowTTS reads version 1\n"
      "x.yaml:2:9: error[missing-key]: 'stages' is required: a list of stages, the source first\n");
}

TEST_CASE("an argument that is not UTF-8 is shown without sending its bytes to the terminal") {
  Pipeline::Options options = test_options();
  options.overrides = {
      "\x9b"
      "31m\xc3.x=1",
      "load.count=\xff"};
  Diagnostics found;
  CHECK_FALSE(Pipeline::parse(kGood, "x.yaml", options, found).has_value());
  REQUIRE(found.sorted().size() == 2);
  CHECK(found.sorted()[0].text() ==
        "--set load.count=\\xff: error[bad-override]: '\\xff' is no YAML value: the byte 0xff is "
        "not UTF-8; save the file as UTF-8");
  CHECK(found.sorted()[1].text() ==
        "--set \\x9b31m\\xc3.x=1: error[bad-override]: there is no '\\x9b31m\\xc3' to set; allowed "
        "is vars, run, load or out");
}

TEST_CASE("a file of any size is read or refused at once") {
  const std::string comment(yaml::kMaxFileBytes - kGood.size() - 1, 'x');
  CHECK(findings(std::string(kGood) + "#" + comment).empty());
  CHECK(findings(std::string(kGood) + "#" + comment + "x") ==
        "x.yaml: error[too-large]: the file has more than 1048576 bytes\n");
  const flowtts::testing::TempFolder folder;
  const std::string huge = folder.write("huge.yaml", std::string(3 << 20, 'x'));
  CHECK(read_findings(huge) == huge + ": error[too-large]: the file has more than 1048576 bytes");
}

TEST_CASE("a file that cannot be read is an error of its own") {
  const flowtts::testing::TempFolder folder;
  const std::string path = folder.path().string();
  CHECK(read_findings(folder.path()) ==
        path + ": error[unreadable-file]: this is a folder, not a YAML file");
  CHECK(read_findings(folder.path() / "none.yaml") ==
        path +
            "/none.yaml: error[unreadable-file]: the file cannot be opened: No such file or "
            "directory");
}

TEST_CASE("brackets without end, quotes without end and deep nesting are findings") {
  for (const char* piece :
       {"[", "{", "- ",    "? ",     "\"", "'",    "[{", "a: [", "&a ",  "*a ", "!",  "!!",
        "|", ">", "---\n", "%YAML ", "${", "- - ", ": ", ",",    "<<: ", "#",   "\t", "\r"}) {
    for (const int times : {1, 70, 5000}) {
      std::string yaml = "flowtts: 1\nvars:\n  x: ";
      for (int i = 0; i < times; ++i) yaml += piece;
      CAPTURE(piece);
      CAPTURE(times);
      CHECK_FALSE(findings(yaml).empty());
    }
  }
}

TEST_CASE("whatever is done to a file, it compiles or gives errors") {
  std::mt19937 random(20260101);
  const auto below = [&](std::size_t limit) { return random() % std::max<std::size_t>(1, limit); };
  constexpr std::string_view kPieces[] = {
      "\n",   "  ", ":", "-", "{", "}",    "[", "]",  "\"", "'",  "*a",  "&a",  "${",  "}",   "$",
      "null", "~",  "1", ",", "#", "load", "|", "? ", "!",  "<<", "010", "a: ", "---", "run", ""};
  for (const auto& file : flowtts::testing::case_files()) {
    const std::string good = flowtts::testing::content_of(file);
    if (good.size() > 4000) continue;
    for (int round = 0; round < 30; ++round) {
      std::string yaml = good;
      for (int change = 0; change < 3; ++change) {
        const std::size_t at = below(yaml.size());
        yaml.replace(at, below(6), kPieces[below(std::size(kPieces))]);
      }
      CAPTURE(yaml);
      findings(yaml);
    }
  }
}
