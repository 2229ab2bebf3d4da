#include <doctest/doctest.h>

#include "stages/neural/sha256.h"
#include "stages/neural/voice.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

namespace {

constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string voice_with(const std::string& pins) {
  return "flowtts_voice: 1\nname: plain\nformat: torchscript\nmodel: plain.pt\nsample_rate: 16000\n"
         "front_end: {type: text}\nspeakers: [one]\nsha256: " +
         pins + "\n";
}

}  // namespace

TEST_CASE("SHA-256 gives the digests of the standard's examples, however the text is cut") {
  struct Case {
    std::string text;
    std::string hex;
  };
  const Case cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", kAbc},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const Case& each : cases) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{55}, std::size_t{64}, std::size_t{1'000'003}}) {
      Sha256 hash;
      for (std::size_t at = 0; at < each.text.size(); at += piece) {
        hash.add(std::string_view(each.text).substr(at, piece));
      }
      CHECK(hash.hex() == each.hex);
    }
  }
}

TEST_CASE("A voice whose files are those that were pinned is opened") {
  const TempFolder folder;
  folder.write("plain.pt", "abc");
  const auto voice =
      read_voice(folder.write("v.yaml", voice_with(std::string("{plain.pt: ") + kAbc + "}")), true);
  CHECK(voice.ok());
}

TEST_CASE("What is wrong with a pin is said with its place") {
  struct Case {
    std::string pins;
    std::string message;
    bool only_opened = false;  ///< Not found where files are not read.
  };
  const std::string zeros(64, '0');
  const Case cases[] = {
      {"{plain.pt: " + zeros + "}",
       "DIR/v.yaml:8:20: error[pin-mismatch]: voice 'sha256': DIR/plain.pt is not the file that "
       "was "
       "pinned: it has " +
           std::string(kAbc),
       true},
      {"{gone.pt: " + zeros + "}",
       "DIR/v.yaml:8:10: error[missing-file]: voice 'sha256': there is no file DIR/gone.pt"},
      {"{plain.pt: 12ab}",
       "DIR/v.yaml:8:20: error[wrong-type]: voice 'sha256': 'plain.pt': found '12ab', expected the "
       "64 lower-case hex digits that sha256sum prints"},
      {"[plain.pt]",
       "DIR/v.yaml:8:9: error[wrong-type]: voice 'sha256': found a list, expected a map from files "
       "to their digests"},
  };
  const TempFolder folder;
  folder.write("plain.pt", "abc");
  for (const Case& each : cases) {
    INFO(each.pins);
    const std::string file = folder.write("v.yaml", voice_with(each.pins));
    const auto opened = read_voice(file, true);
    REQUIRE(opened.is_error());
    std::string message = opened.error().message;
    const std::string name = folder.path().string();
    for (std::size_t at = 0; (at = message.find(name, at)) != std::string::npos;) {
      message.replace(at, name.size(), "DIR");
    }
    CHECK(message == each.message);
    CHECK(read_voice(file, false).ok() == each.only_opened);
  }
}
