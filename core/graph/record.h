#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <flowtts/registry.h>
#include <oneapi/tbb/tbb_allocator.h>

#include "core/graph/credits.h"

namespace flowtts {

class Record;
class Packet;

/// Records and packets are made by one thread and freed by another, each time. The usual allocator
/// locks what the two share for that. Where memory is watched, it is the one that is watched.
#if defined(__SANITIZE_ADDRESS__)
template <class T>
using LineageAllocator = std::allocator<T>;
#else
template <class T>
using LineageAllocator = oneapi::tbb::tbb_allocator<T>;
#endif

using PacketPtr = std::shared_ptr<Packet>;

/// Which way a packet took wherever a stage has several followers: the followers' numbers. Together
/// with the path they tell every packet of a record from every other one.
using Branches = std::vector<std::uint32_t>;

/// What ended for one item of a record at a stage.
enum class Ending { kWritten, kFiltered, kFailed, kCancelled };

/// What became of a record's items.
struct RecordTally {
  std::uint32_t written = 0;
  std::uint32_t filtered = 0;
  std::uint32_t failed = 0;
  double media_seconds = 0;  ///< Of what was written.
  /// How often each reason or error code was; hardly ever more than a few.
  std::vector<std::pair<std::string, std::uint32_t>> filtered_by;
  std::vector<std::pair<std::string, std::uint32_t>> failed_by;

  void add(Ending ending, const Result<bool>& outcome);
};

/// What a record tells its run. Implemented by the run; called from any thread.
class RecordListener {
 public:
  virtual ~RecordListener() = default;
  /// All items of the record have ended or wait at a gather: the gather with this number is next.
  virtual void gather_due(std::size_t gather, PacketPtr trigger) = 0;
  /// Nothing of the record is left. Called exactly once a record.
  virtual void settled(const Record& record, Ending status) = 0;
};

/// The lineage: everything that descends from one source record shares one of these. It counts the
/// record's living packets; when the count reaches zero, the gathers get their turn one after
/// another, in the order of the flow, and then the record is settled.
///
/// Thread-safe. Holds a record's credit for as long as it lives, and the bytes of what waits at its
/// gathers.
class Record : public std::enable_shared_from_this<Record> {
 public:
  /// \param sequence counts the records that entered the graph, in the order of the input.
  Record(RecordKey key, std::uint64_t offset, AnyPayload origin, std::size_t gathers,
         Credits& credits, RecordListener& listener, std::uint64_t sequence = 0);
  ~Record();
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  const RecordKey& key() const { return key_; }
  std::uint64_t offset() const { return offset_; }
  const AnyPayload& origin() const { return origin_; }
  std::uint64_t sequence() const { return sequence_; }
  Credits& credits() { return credits_; }

  /// `count` more packets descend from this record.
  void add_living(std::int64_t count) { living_.fetch_add(count, std::memory_order_relaxed); }

  /// A packet waits at a gather, with what it carries and the credits that it holds.
  void arrive(std::size_t gather, AnyGathered::Arrived arrived, Branches branches,
              std::uint64_t bytes);
  bool has_gathers() const { return !arrived_.empty(); }
  /// A packet ended otherwise than by arriving. `ended` is kept for the gathers, if there are any.
  void end(Ending ending, EndedItem ended, Branches branches, std::uint64_t bytes);
  /// A gather's own work is done.
  void gathered(Ending ending);

  /// Counts the end of an item, and how long it lasts that was written. For who keeps the run's
  /// books: before the item ends.
  void tally(Ending ending, const Result<bool>& outcome);
  void tally_media(double seconds);
  /// Once the record is settled.
  const RecordTally& tally() const { return tally_; }

  /// What has come together at a gather, in an order that is the same in every run: by path, and
  /// for packets of one path by the branches that they took. Called once, by the gather.
  AnyGathered take(std::size_t gather);

 private:
  /// Something that waits for the gathers.
  template <class T>
  struct Kept {
    T what;
    Branches branches;
    bool operator<(const Kept& other) const {
      return std::tie(what.path, branches) < std::tie(other.what.path, other.branches);
    }
  };

  std::unique_lock<std::mutex> lock();
  void note(Ending ending);
  void release_one();
  void advance();

  const RecordKey key_;
  const std::uint64_t offset_;
  const AnyPayload origin_;
  const std::uint64_t sequence_;
  Credits& credits_;
  RecordListener& listener_;
  std::atomic<std::int64_t> living_{1};

  std::mutex mutex_;
  std::size_t next_gather_ = 0;
  std::vector<std::vector<Kept<AnyGathered::Arrived>>> arrived_;
  std::vector<Kept<EndedItem>> ended_;
  std::uint64_t kept_bytes_ = 0;
  RecordTally tally_;
  bool any_written_ = false;
  bool any_failed_ = false;
  bool cancelled_ = false;
};

/// What travels along the edges: a shared, immutable payload and where it comes from. One packet is
/// sent to all followers of a stage; each of them claims its share of it. Where that is one
/// follower, which makes one payload for one follower in turn, the packet travels on with it.
///
/// Whoever has sent a packet must not look at it again: it may already be the next stage's.
class Packet {
 public:
  /// \param claims how many followers will claim it.
  /// \param bytes  the credits that it holds, divided among the claims.
  Packet(std::shared_ptr<Record> record, AnyPayload payload, std::vector<std::uint32_t> path,
         std::uint32_t claims, std::uint64_t bytes, Branches branches = {});
  /// Ends what no follower has claimed: a broken graph loses no record in silence.
  ~Packet();
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  const std::shared_ptr<Record>& record() const { return record_; }
  const AnyPayload& payload() const { return payload_; }
  const std::vector<std::uint32_t>& path() const { return path_; }
  bool is_trigger() const { return !payload_; }  ///< Tells a gather that its record is complete.

 private:
  friend class Claim;

  const std::shared_ptr<Record> record_;
  AnyPayload payload_;
  AnyPayload given_;  ///< To the device stage that made this, where it may be sent back there.
  int take_ = 1;      ///< See Item::take.
  const std::vector<std::uint32_t> path_;
  const Branches branches_;
  const std::uint32_t claims_;
  std::atomic<std::uint32_t> unclaimed_;
  std::uint64_t share_;            ///< Credits of one claim, bytes.
  const std::uint64_t remainder_;  ///< What the division left; goes to the last claim.
};

template <class... Args>
std::shared_ptr<Record> make_record(Args&&... args) {
  return std::allocate_shared<Record>(LineageAllocator<Record>(), std::forward<Args>(args)...);
}
template <class... Args>
PacketPtr make_packet(Args&&... args) {
  return std::allocate_shared<Packet>(LineageAllocator<Packet>(), std::forward<Args>(args)...);
}

/// A follower's share of a packet: one of the record's living, and a part of its credits. Exactly
/// one of `end`, `arrive`, `pass_on`, `send_back` and `divide` is to be called; a claim that is
/// destroyed before ends as an internal error, so that its record still settles.
class Claim {
 public:
  /// \param stage the number of the stage that claims.
  Claim(PacketPtr packet, std::size_t stage);
  Claim(Claim&& other) noexcept = default;
  Claim& operator=(Claim&& other) = delete;
  ~Claim();

  const Packet& packet() const { return *packet_; }
  Record& record() const { return *packet_->record(); }

  void end(Ending ending, const std::string& stage, Result<bool> outcome);
  void arrive(std::size_t gather);

  /// Gives the share to what was made of this packet, for so many followers, at least one. Now that
  /// the payload is there, what it still can become is known better than before: credits beyond
  /// `growth` times its bytes are given back at once. Where it throws, for lack of memory, the
  /// record still settles.
  ///
  /// \param may_come_back whether another take may still be asked for. The packet then keeps what
  /// the device stage was given, and all its credits: it holds what that stage estimated for any
  /// take, so that a longer one has room, and payload and origin together stay within
  /// `run.memory_limit`. What is too much goes back when the last stage that may ask has passed it
  /// on.
  PacketPtr pass_on(AnyPayload payload, std::uint32_t followers, double growth,
                    bool may_come_back = false);

  /// The number of the take at hand.
  int take() const { return take_; }
  /// At the device stage, or in its lanes: the next take is made of the same packet.
  void take_again() { take_ += 1; }
  /// Behind the device stage: what it was given, as the next take, for the device stage alone. With
  /// all its credits. Only of a packet that came with `may_come_back`.
  PacketPtr send_back();

  /// The same for several children, at least one: each has its number at the end of its path.
  std::vector<PacketPtr> divide(std::vector<AnyPayload> payloads, std::uint32_t followers,
                                double growth);

 private:
  void keep_credits(std::uint64_t needed);

  PacketPtr packet_;
  Branches branches_;
  std::uint64_t bytes_ = 0;
  int take_ = 1;
};

}  // namespace flowtts
