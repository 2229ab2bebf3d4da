#include "stages/neural/torch/captured_stderr.h"

#include <string>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/stages/temp_folder.h"

namespace {

void say(const std::string& text) { CHECK(::write(STDERR_FILENO, text.data(), text.size()) > 0); }

}  // namespace

TEST_CASE("What compiled code objects to is taken, and other lines are written after all") {
  const flowtts::testing::TempFolder folder;
  const std::string file = folder.write("stderr", "");
  const int before = ::dup(STDERR_FILENO);
  const int into = ::open(file.c_str(), O_WRONLY | O_APPEND);
  REQUIRE(before >= 0);
  REQUIRE(into >= 0);
  ::dup2(into, STDERR_FILENO);
  std::string first, second;
  {
    flowtts::CapturedStderr words;
    say("somebody's line\nError: one\n\nError: two\n");
    first = words.take_errors();
    second = words.take_errors();
    say("another line\n");
  }
  say("behind\n");
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(into);
  CHECK(first == "one; two");
  CHECK(second.empty());
  CHECK(flowtts::testing::read_whole_file(file) == "somebody's line\nanother line\nbehind\n");
}
