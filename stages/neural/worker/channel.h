#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

/// A message between FlowTTS and a worker: "FTW1", the head's bytes (32 bits) and the body's (64
/// bits), both little endian, then a head of JSON and a body of raw bytes. docs/workers.md has all
/// heads.
struct WorkerFrame {
  std::string head;
  std::vector<char> body;
};

/// What a wait for a frame ended with.
enum class ChannelState {
  kFrame,
  kTimeout,
  kClosed,   ///< The other end is gone, perhaps within a frame.
  kGarbage,  ///< What came is no frame; nothing more can be read.
  kStopped,  ///< Whoever waits was told to give up.
};

/// FlowTTS's end of the socket pair that it shares with a worker. Owns the descriptor. For one
/// thread at a time. Whatever the other end does, no call waits beyond its deadline.
class WorkerChannel {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  static constexpr std::size_t kLongestHead = std::size_t{1} << 24U;
  /// Of float32 at 384 kHz, more than ten minutes; a larger one is a mistake of the worker's.
  static constexpr std::uint64_t kLongestBody = std::uint64_t{1} << 30U;

  explicit WorkerChannel(int socket);
  ~WorkerChannel();
  WorkerChannel(const WorkerChannel&) = delete;
  WorkerChannel& operator=(const WorkerChannel&) = delete;

  /// Sends a head without a body: kFrame where all of it is on its way.
  ChannelState send(std::string_view head, Time deadline, const std::stop_token& stop);

  /// Waits for the next frame.
  ChannelState receive(WorkerFrame& frame, Time deadline, const std::stop_token& stop);

  /// The last time that anything was received; at first when the channel was made.
  Time heard() const { return heard_; }

  /// No more is sent: the worker reads to the end and goes.
  void close_sending();

 private:
  ChannelState wait(short events, Time deadline, const std::stop_token& stop) const;
  ChannelState read_more(Time deadline, const std::stop_token& stop);
  ChannelState take_frame(WorkerFrame& frame);

  const int socket_;
  Time heard_ = Clock::now();
  std::vector<char> input_;  ///< What has been read and is no whole frame yet.
  std::size_t input_bytes_ = 0;
};

}  // namespace flowtts
