#include "core/graph/record.h"

#include <algorithm>

namespace flowtts {

Record::Record(RecordKey key, std::uint64_t offset, AnyPayload origin, std::size_t gathers,
               Credits& credits, RecordListener& listener)
    : key_(std::move(key)),
      offset_(offset),
      origin_(std::move(origin)),
      credits_(credits),
      listener_(listener),
      arrived_(gathers) {}

Record::~Record() { credits_.release_record(); }

void Record::note(Ending ending) {
  any_written_ = any_written_ || ending == Ending::kWritten;
  any_failed_ = any_failed_ || ending == Ending::kFailed;
  cancelled_ = cancelled_ || ending == Ending::kCancelled;
}

void Record::arrive(std::size_t gather, AnyGathered::Arrived arrived) {
  {
    const std::lock_guard lock(mutex_);
    note(Ending::kWritten);
    arrived_[gather].push_back(std::move(arrived));
  }
  release_one();
}

void Record::end(Ending ending, EndedItem ended) {
  {
    const std::lock_guard lock(mutex_);
    note(ending);
    if (!arrived_.empty()) ended_.push_back(std::move(ended));
  }
  release_one();
}

void Record::gathered(Ending ending) {
  {
    const std::lock_guard lock(mutex_);
    if (ending != Ending::kWritten) note(ending);
  }
  release_one();
}

void Record::release_one() {
  if (living_.fetch_sub(1, std::memory_order_acq_rel) == 1) advance();
}

void Record::advance() {
  std::size_t due = 0;
  Ending status = Ending::kFiltered;
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) next_gather_ = arrived_.size();
    due = next_gather_;
    if (due < arrived_.size()) {
      next_gather_ += 1;
      living_.store(1, std::memory_order_relaxed);
    }
    if (any_written_) status = Ending::kWritten;
    if (any_failed_) status = Ending::kFailed;
    if (cancelled_) status = Ending::kCancelled;
  }
  if (due < arrived_.size()) {
    listener_.gather_due(due, std::make_shared<Packet>(shared_from_this(), AnyPayload(),
                                                       std::vector<std::uint32_t>(), 1, 0));
  } else {
    listener_.settled(*this, status);
  }
}

AnyGathered Record::take(std::size_t gather) {
  AnyGathered gathered;
  gathered.origin = origin_;
  gathered.offset = offset_;
  {
    const std::lock_guard lock(mutex_);
    gathered.arrived = std::move(arrived_[gather]);
    gathered.ended = ended_;
  }
  const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
  std::stable_sort(gathered.arrived.begin(), gathered.arrived.end(), by_path);
  std::stable_sort(gathered.ended.begin(), gathered.ended.end(), by_path);
  return gathered;
}

Packet::Packet(std::shared_ptr<Record> record, AnyPayload payload, std::vector<std::uint32_t> path,
               std::uint32_t claims, std::uint64_t bytes)
    : record_(std::move(record)),
      payload_(std::move(payload)),
      path_(std::move(path)),
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
    record_->end(Ending::kFailed, EndedItem{path_, "", payload_, error});
  }
}

Claim::Claim(PacketPtr packet) : packet_(std::move(packet)) {
  const bool last = packet_->unclaimed_.fetch_sub(1) == 1;
  bytes_ = packet_->share_ + (last ? packet_->remainder_ : 0);
}

Claim::~Claim() {
  if (!packet_) return;
  const Error error{"lost_in_stage", "a stage dropped this item; this is a fault of FlowTTS"};
  end(Ending::kFailed, "", error);
}

void Claim::end(Ending ending, const std::string& stage, Result<bool> outcome) {
  const PacketPtr packet = std::move(packet_);
  packet->record()->credits().release_bytes(bytes_);
  if (packet->is_trigger()) {
    packet->record()->gathered(ending);
  } else {
    packet->record()->end(ending,
                          EndedItem{packet->path(), stage, packet->payload(), std::move(outcome)});
  }
}

void Claim::arrive(std::size_t gather) {
  const PacketPtr packet = std::move(packet_);
  packet->record()->credits().release_bytes(bytes_);
  packet->record()->arrive(gather, {packet->path(), packet->payload()});
}

std::vector<PacketPtr> Claim::divide(std::vector<AnyPayload> payloads, std::uint32_t followers,
                                     bool number_children, double growth) {
  const PacketPtr packet = std::move(packet_);
  const std::size_t children = payloads.size();
  packet->record()->add_living(static_cast<std::int64_t>(children * followers) - 1);

  std::vector<std::uint64_t> needed;
  needed.reserve(children);
  std::uint64_t all_needed = 0;
  for (const AnyPayload& payload : payloads) {
    needed.push_back(1 + static_cast<std::uint64_t>(static_cast<double>(payload.bytes()) * growth));
    all_needed += needed.back();
  }
  std::uint64_t left = std::min(bytes_, all_needed);
  packet->record()->credits().release_bytes(bytes_ - left);

  std::vector<PacketPtr> made;
  made.reserve(children);
  for (std::size_t i = 0; i < children; ++i) {
    // Each child gets its part of what it needs; the last one what rounding left.
    const double part = static_cast<double>(needed[i]) / static_cast<double>(all_needed);
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(left) * part);
    const std::uint64_t bytes = i + 1 == children ? left : std::min(left, wanted);
    left -= bytes;
    all_needed -= needed[i];
    std::vector<std::uint32_t> path = packet->path();
    if (number_children) path.push_back(static_cast<std::uint32_t>(i));
    made.push_back(std::make_shared<Packet>(packet->record(), std::move(payloads[i]),
                                            std::move(path), followers, bytes));
  }
  return made;
}

}  // namespace flowtts
