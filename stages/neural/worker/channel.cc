#include "stages/neural/worker/channel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace flowtts {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little endian");

constexpr std::string_view kMagic = "FTW1";
constexpr std::size_t kPrefixBytes = kMagic.size() + sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::size_t kBlock = std::size_t{1} << 16U;

/// So often a wait looks whether it is to be given up.
constexpr std::chrono::milliseconds kSlice{50};

struct Prefix {
  std::uint32_t head_bytes = 0;
  std::uint64_t body_bytes = 0;
};

Prefix prefix_of(const char* data) {
  Prefix prefix;
  std::memcpy(&prefix.head_bytes, data + kMagic.size(), sizeof prefix.head_bytes);
  std::memcpy(&prefix.body_bytes, data + kMagic.size() + sizeof prefix.head_bytes,
              sizeof prefix.body_bytes);
  return prefix;
}

std::string framed(std::string_view head) {
  const auto head_bytes = static_cast<std::uint32_t>(head.size());
  const std::uint64_t body_bytes = 0;
  std::string text(kMagic);
  text.append(reinterpret_cast<const char*>(&head_bytes), sizeof head_bytes);
  text.append(reinterpret_cast<const char*>(&body_bytes), sizeof body_bytes);
  return text.append(head);
}

}  // namespace

WorkerChannel::WorkerChannel(int socket) : socket_(socket) {}

WorkerChannel::~WorkerChannel() { ::close(socket_); }

void WorkerChannel::close_sending() { ::shutdown(socket_, SHUT_WR); }

ChannelState WorkerChannel::wait(short events, Time deadline, const std::stop_token& stop) const {
  for (;;) {
    if (stop.stop_requested()) return ChannelState::kStopped;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return ChannelState::kTimeout;
    // Only a wait that can be given up looks up from time to time.
    const auto slice = stop.stop_possible() ? std::min(left, kSlice) : left;
    pollfd waiting{socket_, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long>(slice.count(), 60'000)));
    if (ready > 0) return ChannelState::kFrame;
    if (ready < 0 && errno != EINTR) return ChannelState::kClosed;
  }
}

ChannelState WorkerChannel::send(std::string_view head, Time deadline,
                                 const std::stop_token& stop) {
  const std::string text = framed(head);
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t count =
        ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      const ChannelState state = wait(POLLOUT, deadline, stop);
      if (state != ChannelState::kFrame) return state;
    } else if (errno != EINTR) {
      return ChannelState::kClosed;
    }
  }
  return ChannelState::kFrame;
}

ChannelState WorkerChannel::receive(WorkerFrame& frame, Time deadline,
                                    const std::stop_token& stop) {
  for (;;) {
    const ChannelState taken = take_frame(frame);
    if (taken != ChannelState::kTimeout) return taken;
    const ChannelState read = read_more(deadline, stop);
    if (read != ChannelState::kFrame) return read;
  }
}

/// kTimeout where more has to be read first.
ChannelState WorkerChannel::take_frame(WorkerFrame& frame) {
  const std::size_t known = std::min(input_bytes_, kMagic.size());
  if (!std::equal(kMagic.begin(), kMagic.begin() + static_cast<std::ptrdiff_t>(known),
                  input_.begin())) {
    return ChannelState::kGarbage;
  }
  if (input_bytes_ < kPrefixBytes) return ChannelState::kTimeout;
  const Prefix prefix = prefix_of(input_.data());
  if (prefix.head_bytes > kLongestHead || prefix.body_bytes > kLongestBody) {
    return ChannelState::kGarbage;
  }
  const std::size_t whole = kPrefixBytes + prefix.head_bytes + prefix.body_bytes;
  if (input_bytes_ < whole) {
    if (input_.size() < whole) input_.resize(whole);
    return ChannelState::kTimeout;
  }
  const auto begin = input_.begin();
  const auto head = begin + static_cast<std::ptrdiff_t>(kPrefixBytes);
  const auto body = head + static_cast<std::ptrdiff_t>(prefix.head_bytes);
  const auto end = begin + static_cast<std::ptrdiff_t>(whole);
  frame.head.assign(head, body);
  frame.body.assign(body, end);
  std::copy(end, begin + static_cast<std::ptrdiff_t>(input_bytes_), begin);
  input_bytes_ -= whole;
  return ChannelState::kFrame;
}

ChannelState WorkerChannel::read_more(Time deadline, const std::stop_token& stop) {
  for (;;) {
    if (input_.size() - input_bytes_ < kBlock) input_.resize(input_bytes_ + kBlock);
    const ssize_t count =
        ::recv(socket_, input_.data() + input_bytes_, input_.size() - input_bytes_, MSG_DONTWAIT);
    if (count > 0) {
      input_bytes_ += static_cast<std::size_t>(count);
      heard_ = Clock::now();
      return ChannelState::kFrame;
    }
    if (count == 0) return ChannelState::kClosed;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return ChannelState::kClosed;
    const ChannelState state = wait(POLLIN, deadline, stop);
    if (state != ChannelState::kFrame) return state;
  }
}

}  // namespace flowtts
