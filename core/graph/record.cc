#include "core/graph/record.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace flowtts {
namespace {

/// At least 1. An estimate that is no size, as a stage's growth() may make it, counts as very
/// large.
std::uint64_t bytes_needed(const AnyPayload& payload, double growth) {
  constexpr double kMost = 1e15;
  const double bytes = static_cast<double>(payload.bytes()) * growth;
  return 1 + static_cast<std::uint64_t>(bytes >= 0 && bytes < kMost ? bytes : kMost);
}

void count(std::vector<std::pair<std::string, std::uint32_t>>& counts, const std::string& name) {
  for (auto& [known, times] : counts) {
    if (known == name) {
      times += 1;
      return;
    }
  }
  counts.emplace_back(name, 1);
}

}  // namespace

void RecordTally::add(Ending ending, const Result<bool>& outcome) {
  if (ending == Ending::kWritten) written += 1;
  if (ending == Ending::kFiltered) {
    filtered += 1;
    count(filtered_by, outcome.filtered().reason);
  }
  if (ending == Ending::kFailed) {
    failed += 1;
    count(failed_by, outcome.error().code);
  }
}

Record::Record(RecordKey key, std::uint64_t offset, AnyPayload origin, std::size_t gathers,
               Credits& credits, RecordListener& listener, std::uint64_t sequence)
    : key_(std::move(key)),
      offset_(offset),
      origin_(std::move(origin)),
      sequence_(sequence),
      credits_(credits),
      listener_(listener),
      arrived_(gathers) {}

Record::~Record() { credits_.release_record(kept_bytes_); }

/// What follows is the caller's alone. Where it is the record's one living packet that calls,
/// nobody else can be here, and what others have noted before they ended can be seen.
std::unique_lock<std::mutex> Record::lock() {
  std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
  if (living_.load(std::memory_order_acquire) > 1) lock.lock();
  return lock;
}

void Record::note(Ending ending) {
  any_written_ = any_written_ || ending == Ending::kWritten;
  any_failed_ = any_failed_ || ending == Ending::kFailed;
  cancelled_ = cancelled_ || ending == Ending::kCancelled;
}

void Record::tally(Ending ending, const Result<bool>& outcome) {
  const auto alone = lock();
  tally_.add(ending, outcome);
}

void Record::tally_media(double seconds) {
  const auto alone = lock();
  tally_.media_seconds += seconds;
}

void Record::arrive(std::size_t gather, AnyGathered::Arrived arrived, Branches branches,
                    std::uint64_t bytes) {
  {
    const auto alone = lock();
    note(Ending::kWritten);
    arrived_[gather].push_back({std::move(arrived), std::move(branches)});
    kept_bytes_ += bytes;
  }
  release_one();
}

void Record::end(Ending ending, EndedItem ended, Branches branches, std::uint64_t bytes) {
  const bool keep = !arrived_.empty();
  if (!keep) credits_.release_bytes(bytes);
  {
    const auto alone = lock();
    note(ending);
    if (keep) {
      ended_.push_back({std::move(ended), std::move(branches)});
      kept_bytes_ += bytes;
    }
  }
  release_one();
}

void Record::gathered(Ending ending) {
  {
    const auto alone = lock();
    if (ending != Ending::kWritten) note(ending);
  }
  release_one();
}

void Record::release_one() {
  if (living_.fetch_sub(1, std::memory_order_acq_rel) == 1) advance();
}

/// Nothing of the record is alive: nobody else is here, and all that was noted can be seen.
void Record::advance() {
  if (cancelled_) next_gather_ = arrived_.size();
  if (next_gather_ < arrived_.size()) {
    living_.store(1, std::memory_order_relaxed);
    listener_.gather_due(next_gather_++, make_packet(shared_from_this(), AnyPayload(),
                                                     std::vector<std::uint32_t>(), 1, 0));
    return;
  }
  Ending status = Ending::kFiltered;
  if (any_written_) status = Ending::kWritten;
  if (any_failed_) status = Ending::kFailed;
  if (cancelled_) status = Ending::kCancelled;
  listener_.settled(*this, status);
}

AnyGathered Record::take(std::size_t gather) {
  AnyGathered gathered;
  gathered.origin = origin_;
  gathered.offset = offset_;
  const std::lock_guard lock(mutex_);  // nobody else wants it: nothing of the record is alive
  std::sort(arrived_[gather].begin(), arrived_[gather].end());
  for (auto& kept : arrived_[gather]) gathered.arrived.push_back(std::move(kept.what));
  arrived_[gather].clear();
  std::sort(ended_.begin(), ended_.end());
  for (const auto& kept : ended_) gathered.ended.push_back(kept.what);
  return gathered;
}

Packet::Packet(std::shared_ptr<Record> record, AnyPayload payload, std::vector<std::uint32_t> path,
               std::uint32_t claims, std::uint64_t bytes, Branches branches)
    : record_(std::move(record)),
      payload_(std::move(payload)),
      path_(std::move(path)),
      branches_(std::move(branches)),
      claims_(claims),
      unclaimed_(claims),
      share_(bytes / claims),
      remainder_(bytes % claims) {}

Packet::~Packet() {
  const std::uint32_t lost = unclaimed_.load();
  if (lost == 0) return;
  const Error error{"lost_in_graph", "the graph dropped this item; this is a fault of FlowTTS"};
  record_->credits().release_bytes(lost * share_ + remainder_);
  if (is_trigger()) {
    record_->gathered(Ending::kFailed);
    return;
  }
  for (std::uint32_t i = 0; i < lost; ++i) {
    record_->end(Ending::kFailed, EndedItem{path_, "", payload_, error}, branches_, 0);
  }
}

Claim::Claim(PacketPtr packet, std::size_t stage) : packet_(std::move(packet)) {
  branches_ = packet_->branches_;
  if (packet_->claims_ > 1) branches_.push_back(static_cast<std::uint32_t>(stage));
  const bool last = packet_->claims_ == 1 || packet_->unclaimed_.fetch_sub(1) == 1;
  if (packet_->claims_ == 1) packet_->unclaimed_.store(0, std::memory_order_relaxed);
  bytes_ = packet_->share_ + (last ? packet_->remainder_ : 0);
  take_ = packet_->take_;
}

Claim::~Claim() {
  if (!packet_) return;
  const Error error{"lost_in_stage", "a stage dropped this item; this is a fault of FlowTTS"};
  end(Ending::kFailed, "", error);
}

void Claim::end(Ending ending, const std::string& stage, Result<bool> outcome) {
  const PacketPtr packet = std::move(packet_);
  Record& record = *packet->record();
  if (packet->is_trigger()) {
    record.credits().release_bytes(bytes_);
    record.gathered(ending);
    return;
  }
  EndedItem ended;
  if (record.has_gathers()) {
    ended = {packet->path(), stage, packet->payload(), std::move(outcome)};
  }
  record.end(ending, std::move(ended), std::move(branches_), bytes_);
}

void Claim::arrive(std::size_t gather) {
  const PacketPtr packet = std::move(packet_);
  packet->record()->arrive(gather, {packet->path(), packet->payload()}, std::move(branches_),
                           bytes_);
}

void Claim::keep_credits(std::uint64_t needed) {
  if (needed >= bytes_) return;
  record().credits().release_bytes(bytes_ - needed);
  bytes_ = needed;
}

PacketPtr Claim::pass_on(AnyPayload payload, std::uint32_t followers, double growth,
                         bool may_come_back) {
  AnyPayload given;
  if (may_come_back) {  // the first to pass it on is the device stage itself, or a map in its lanes
    given = packet_->given_ ? packet_->given_ : packet_->payload_;
  } else {
    keep_credits(bytes_needed(payload, growth));
  }
  if (followers == 1 && packet_->claims_ == 1 && !packet_->is_trigger()) {
    packet_->payload_ = std::move(payload);
    packet_->given_ = std::move(given);
    packet_->take_ = may_come_back ? take_ : 1;
    packet_->share_ = bytes_;
    packet_->unclaimed_.store(1, std::memory_order_relaxed);  // the graph's edge publishes it
    return std::move(packet_);
  }
  auto made = make_packet(packet_->record(), std::move(payload), packet_->path(), followers, bytes_,
                          branches_);
  made->given_ = std::move(given);
  made->take_ = may_come_back ? take_ : 1;
  record().add_living(followers - 1);
  packet_.reset();
  return made;
}

PacketPtr Claim::send_back() {
  AnyPayload given = packet_->given_;
  take_ += 1;
  // The device stage is the one follower; it is given its payload as at first, without an origin.
  PacketPtr back = pass_on(std::move(given), 1, 0, true);
  back->given_ = AnyPayload();
  return back;
}

std::vector<PacketPtr> Claim::divide(std::vector<AnyPayload> payloads, std::uint32_t followers,
                                     double growth) {
  const std::shared_ptr<Record>& record = packet_->record();
  const std::size_t children = payloads.size();
  std::vector<std::uint64_t> needed;
  needed.reserve(children);
  for (const AnyPayload& payload : payloads) needed.push_back(bytes_needed(payload, growth));
  std::uint64_t all_needed = std::accumulate(needed.begin(), needed.end(), std::uint64_t{0});
  keep_credits(all_needed);
  std::vector<PacketPtr> made;
  made.reserve(children);
  for (std::size_t i = 0; i < children; ++i) {
    // Each child gets its part of what it needs; the last one what rounding left.
    const double part = static_cast<double>(needed[i]) / static_cast<double>(all_needed);
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(bytes_) * part);
    const std::uint64_t bytes = i + 1 == children ? bytes_ : std::min(bytes_, wanted);
    all_needed -= needed[i];
    std::vector<std::uint32_t> path;
    path.reserve(packet_->path().size() + 1);
    path = packet_->path();
    path.push_back(static_cast<std::uint32_t>(i));
    made.push_back(
        make_packet(record, std::move(payloads[i]), std::move(path), followers, bytes, branches_));
    record->add_living(followers);  // From here on the child ends by itself, whatever happens.
    bytes_ -= bytes;
  }
  record->add_living(-1);  // Never the last one: the children live.
  packet_.reset();
  return made;
}

}  // namespace flowtts
