#include "stages/neural/worker/printed_lines.h"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

using flowtts::LineCutter;
using flowtts::LogLimiter;
using Lines = std::vector<std::string>;

namespace {

constexpr std::size_t kBurst = static_cast<std::size_t>(LogLimiter::kBurst);
constexpr std::size_t kHeld = LogLimiter::kHeld;

Lines cut(const Lines& pieces) {
  Lines lines;
  const auto take = [&](const std::string& line) { lines.push_back(line); };
  LineCutter cutter;
  for (const std::string& piece : pieces) cutter.add(piece, take);
  cutter.end(take);
  return lines;
}

/// A process that prints, by a clock of the test's own.
class Printing {
 public:
  void print(const std::string& line) { limiter_.add(line, now_); }
  /// "0", "1", ... `count` lines in all.
  void print_numbers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) print(std::to_string(i));
  }
  void pass(std::chrono::milliseconds time) { now_ += time; }
  void tick() { limiter_.tick(now_); }
  std::optional<std::chrono::milliseconds> next_tick() const { return limiter_.next_tick(now_); }
  void end() { limiter_.end(); }
  Lines take() { return std::exchange(lines_, {}); }

 private:
  Lines lines_;
  LogLimiter::Time now_{std::chrono::hours(1)};
  LogLimiter limiter_{[this](const std::string& line) { lines_.push_back(line); }};
};

}  // namespace

TEST_CASE("What a process prints is cut into lines, a progress bar is its last state") {
  struct Case {
    const char* name;
    Lines pieces;
    Lines lines;
  };
  const Case cases[] = {
      {"in pieces", {"on", "e\ntw", "o\n", "three"}, {"one", "two", "three"}},
      {"empty lines and blanks", {"\n\n  \none  \n"}, {"one"}},
      {"control characters", {"\x1b[1mbold\x1b[0m\x07\n"}, {"[1mbold[0m"}},
      {"lines of Windows", {"one\r\ntwo\r", "\n"}, {"one", "two"}},
      {"a bar that returns first", {"\r 10%", "\r 50%", "\r100%\n", "done\n"}, {"100%", "done"}},
      {"a bar that returns last", {"10%\r", "50%\r100%\r", "\n"}, {"100%"}},
      {"a bar that is wiped out", {"50%\r", "   \r", "done\n"}, {"done"}},
      {"a bar cut short by the end", {"10%\r50%\r"}, {"50%"}},
      {"a very long line", {std::string(5000, 'a') + "\n"}, {std::string(2000, 'a')}},
  };
  for (const Case& each : cases) {
    INFO(each.name);
    CHECK(cut(each.pieces) == each.lines);
  }
}

TEST_CASE("Ordinary printing gets into the log line by line") {
  Printing process;
  process.print_numbers(kBurst);
  CHECK(process.take().size() == kBurst);
  CHECK_FALSE(process.next_tick());
  for (int second = 0; second < 100; ++second) {
    process.pass(std::chrono::seconds(1));
    process.print_numbers(10);
    CHECK(process.take().size() == 10);
  }
}

TEST_CASE("A flood is counted, and its last lines get into the log as soon as they may") {
  Printing process;
  process.print_numbers(kBurst + 1234 + kHeld);
  CHECK(process.take().size() == kBurst);
  process.tick();
  CHECK(process.take().empty());
  REQUIRE(process.next_tick());
  CHECK(*process.next_tick() == std::chrono::seconds(4));
  process.pass(*process.next_tick());
  process.tick();
  const Lines lines = process.take();
  REQUIRE(lines.size() == 1 + kHeld);
  CHECK(lines.front() == "... 1,234 lines left out");
  CHECK(lines[1] == std::to_string(kBurst + 1234));
  CHECK(lines.back() == std::to_string(kBurst + 1234 + kHeld - 1));
  CHECK_FALSE(process.next_tick());
}

TEST_CASE("One line too many is one line") {
  Printing process;
  process.print_numbers(kBurst + kHeld);
  process.end();
  CHECK(process.take().size() == kBurst + kHeld);  // held back, none left out
  process.print_numbers(kHeld + 1);
  process.end();
  CHECK(process.take().front() == "... 1 line left out");
}

TEST_CASE("A flood without end takes the lines that it may have, and loses none of the count") {
  Printing process;
  std::size_t printed = 0;
  for (int step = 0; step < 36'000; ++step, printed += 10) {  // an hour, 100 lines a second
    process.pass(std::chrono::milliseconds(100));
    process.print_numbers(10);
  }
  process.end();
  std::size_t logged = 0;
  std::size_t left_out = 0;
  const Lines lines = process.take();
  for (std::string line : lines) {
    if (!line.starts_with("... ")) {
      ++logged;
      continue;
    }
    std::erase(line, ',');
    left_out += std::stoul(line.substr(4));
  }
  CHECK(logged + left_out == printed);
  CHECK(logged <= 3600 * 10 + kBurst + kHeld);
  CHECK(logged >= 3600 * 9);
}

TEST_CASE("What comes last before the end is in the log, whatever came before") {
  Printing process;
  process.print_numbers(100'000);
  process.take();
  process.print("terminate called after throwing an instance of 'std::bad_alloc'");
  process.end();
  const Lines lines = process.take();
  CHECK(lines.size() == 1 + kHeld);
  CHECK(lines.back() == "terminate called after throwing an instance of 'std::bad_alloc'");
}

TEST_CASE("A traceback in a flood is in the log at once and whole, with what came before it") {
  const Lines traceback{"Traceback (most recent call last):", "  File \"voice.py\", line 3, in one",
                        "    raise ValueError(text)", "ValueError: too long"};
  Printing process;
  process.print_numbers(10'000);
  process.take();
  for (const std::string& line : traceback) process.print(line);
  process.print("and so on");
  Lines lines = process.take();
  REQUIRE(lines.size() == 1 + kHeld + traceback.size());
  CHECK(lines[kHeld] == "9999");
  CHECK(Lines(lines.begin() + 1 + kHeld, lines.end()) == traceback);

  INFO("unless there are hundreds: then they are like any other line");
  for (int i = 0; i < 1000; ++i) {
    for (const std::string& line : traceback) process.print(line);
  }
  lines = process.take();
  CHECK(lines.size() < kBurst + kHeld);
  process.end();
  CHECK(process.take().back() == "ValueError: too long");
}
