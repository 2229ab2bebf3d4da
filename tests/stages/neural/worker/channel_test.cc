#include "stages/neural/worker/channel.h"

#include <array>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace flowtts;
using namespace std::chrono_literals;

namespace {

/// Both ends of a connection; the far one is written to as a worker would.
struct Ends {
  Ends() {
    std::array<int, 2> sockets{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0);
    channel.emplace(sockets[0]);
    far = sockets[1];
  }
  ~Ends() { close_far(); }
  void close_far() {
    if (far >= 0) ::close(far);
    far = -1;
  }
  void write(std::string_view bytes) const {
    REQUIRE(::write(far, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ChannelState receive(WorkerFrame& frame, std::chrono::milliseconds most = 60s) {
    return channel->receive(frame, WorkerChannel::Clock::now() + most, {});
  }
  std::optional<WorkerChannel> channel;
  int far = -1;
};

std::string frame_of(std::string_view head, std::string_view body) {
  std::string text = "FTW1";
  for (int i = 0; i < 4; ++i) text += static_cast<char>(head.size() >> (8 * i) & 0xFFU);
  for (int i = 0; i < 8; ++i)
    text += static_cast<char>(std::uint64_t{body.size()} >> (8 * i) & 0xFFU);
  return text.append(head).append(body);
}

std::string text_of(const WorkerFrame& frame) {
  return frame.head + "|" + std::string(frame.body.begin(), frame.body.end());
}

}  // namespace

TEST_CASE("Frames arrive as they were sent, in whatever pieces they come") {
  const std::string sent =
      frame_of("{}", "") + frame_of("{\"a\":1}", "body") + frame_of("", std::string(200'000, 'x'));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{17}, std::size_t{70'000}}) {
    Ends ends;
    // A piece of one is for the first frames alone: a byte at a time takes its time.
    std::jthread writer([&] {
      for (std::size_t at = 0; at < sent.size();) {
        const std::size_t count = std::min(at < 60 ? piece : 70'000, sent.size() - at);
        ends.write(std::string_view(sent).substr(at, count));
        at += count;
      }
    });
    WorkerFrame frame;
    REQUIRE(ends.receive(frame) == ChannelState::kFrame);
    CHECK(text_of(frame) == "{}|");
    REQUIRE(ends.receive(frame) == ChannelState::kFrame);
    CHECK(text_of(frame) == "{\"a\":1}|body");
    REQUIRE(ends.receive(frame) == ChannelState::kFrame);
    CHECK(frame.body.size() == 200'000);
  }
}

TEST_CASE("A frame that comes late is whole all the same") {
  Ends ends;
  const std::string sent = frame_of("head", "body");
  WorkerFrame frame;
  ends.write(sent.substr(0, 18));
  CHECK(ends.receive(frame, 1ms) == ChannelState::kTimeout);
  ends.write(sent.substr(18));
  REQUIRE(ends.receive(frame) == ChannelState::kFrame);
  CHECK(text_of(frame) == "head|body");
}

TEST_CASE("Garbage, an end in the middle and a wish to stop are told apart") {
  WorkerFrame frame;
  SUBCASE("no frame") {
    Ends ends;
    ends.write("<html>");
    CHECK(ends.receive(frame) == ChannelState::kGarbage);
  }
  SUBCASE("a frame too large to be one") {
    Ends ends;
    ends.write("FTW1\xFF\xFF\xFF\x7F" + std::string(8, '\0'));
    CHECK(ends.receive(frame) == ChannelState::kGarbage);
  }
  SUBCASE("a body too large to be one") {
    Ends ends;
    ends.write(std::string("FTW1\2\0\0\0", 8) + std::string(7, '\xFF') + "\x7F");
    CHECK(ends.receive(frame) == ChannelState::kGarbage);
  }
  SUBCASE("the end within a frame") {
    Ends ends;
    ends.write(frame_of("head", "body").substr(0, 19));
    ends.close_far();
    CHECK(ends.receive(frame) == ChannelState::kClosed);
  }
  SUBCASE("nobody to send to") {
    Ends ends;
    ends.close_far();
    CHECK(ends.channel->send("{}", WorkerChannel::Clock::now() + 60s, {}) == ChannelState::kClosed);
  }
  SUBCASE("somebody who does not read") {
    Ends ends;
    const std::string large(std::size_t{1} << 22U, 'x');
    CHECK(ends.channel->send(large, WorkerChannel::Clock::now() + 1ms, {}) ==
          ChannelState::kTimeout);
  }
  SUBCASE("stopped") {
    Ends ends;
    std::stop_source stop;
    stop.request_stop();
    CHECK(ends.channel->receive(frame, WorkerChannel::Clock::now() + 60s, stop.get_token()) ==
          ChannelState::kStopped);
  }
}
