#include "core/graph/flow.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "core/exceptions.h"
#include "core/graph/hand_over.h"

namespace flowtts {
namespace {

namespace flow = oneapi::tbb::flow;

using StageNode = flow::multifunction_node<PacketPtr, std::tuple<PacketPtr>>;
using DeviceNode = flow::async_node<PacketPtr, PacketPtr>;

/// The stages in the order of the flow; the pipeline is known to have no cycle.
std::vector<std::size_t> flow_order(const std::vector<PipelineStage>& stages) {
  std::vector<std::size_t> missing(stages.size()), order;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    missing[i] = stages[i].from.size();
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::size_t follower : stages[order[next]].followers) {
      if (--missing[follower] == 0) order.push_back(follower);
    }
  }
  return order;
}

/// What a stage made of an item, for a person to read.
template <class Made>
std::string outcome_text(const Result<Made>& result) {
  if (result.is_filtered()) return "filtered: " + result.filtered().reason;
  if (result.is_error()) return result.error().code + ": " + result.error().message;
  if constexpr (std::is_same_v<Made, AnyPayload>) {
    if (!*result) return "done";
    return fmt::format("{} {}", result->info().name, payload_json(*result));
  } else {
    std::string text = fmt::format("{} items", result->size());
    for (const AnyPayload& one : *result) text += "\n  " + payload_json(one);
    return text;
  }
}

/// All cores, but those that lanes of GPUs keep busy with launching and waiting: where a burst of
/// files takes such a core away, the card waits too. At least half of the cores.
int automatic_threads(const std::vector<PipelineStage>& stages) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int lanes = 0;
  for (const PipelineStage& stage : stages) {
    for (const DeviceId device : stage.devices) {
      if (device.kind == DeviceKind::kCuda) lanes += stage.lanes_on(device);
    }
  }
  return std::max({1, cores / 2, cores - lanes});
}

/// A fatal error names its stage, since it is all that will be heard of it.
Error at_stage(const PipelineStage& stage, Error error) {
  error.message = fmt::format("stage '{}': {}", stage.id, error.message);
  return error;
}

/// Runs one stage's work on packets. The same for every node type: what differs is how a result
/// reaches the followers.
class StageRunner {
 public:
  StageRunner(PipelineStage& stage, std::size_t index, RunState& state)
      : stage_(stage), index_(index), state_(state), stats_(state.stats(index)) {}

  const PipelineStage& stage() const { return stage_; }
  std::size_t index() const { return index_; }
  StageStats& stats() { return stats_; }

  /// Nothing new is begun once the run is cancelled.
  bool refuse_if_cancelled(Claim& claim, int attempts = 1) {
    if (!state_.cancelled()) return false;
    finish(std::move(claim), Ending::kCancelled, Error{"cancelled", "the run was ended"}, attempts);
    return true;
  }

  /// How a packet gets back to the device stage that makes another take of it.
  void send_back_by(std::function<void(PacketPtr)> send) { send_back_ = std::move(send); }

  /// Whether the item is to be made anew rather than to end with this error.
  bool wants_retake(const Error& error, const Claim& claim) const {
    return error.retake && !error.fatal && stage_.retaken_at &&
           claim.take() <= state_.settings().retakes;
  }
  /// The same, counted, unless the run is cancelled.
  bool may_retake(const Error& error, const Claim& claim) {
    if (state_.cancelled() || !wants_retake(error, claim)) return false;
    stats_.retakes.fetch_add(1, std::memory_order_relaxed);
    state_.item_retaken(error.code);
    return true;
  }

  /// map, filter, expand, sink and record filters inside the flow.
  template <class Emit>
  void process(const PacketPtr& packet, const Emit& emit) {
    Claim claim(packet, index_);
    stats_.received.fetch_add(1, std::memory_order_relaxed);
    if (refuse_if_cancelled(claim)) return;
    const StageStats::Working working(stats_, packet->record()->key().id);
    if (stage_.type->kind == StageKind::kExpand) {
      work<std::vector<AnyPayload>>(std::move(claim), emit);
    } else {
      work<AnyPayload>(std::move(claim), emit);
    }
  }

  /// Ends the claim, or gives it to what was made: an AnyPayload or several.
  template <class Made, class Emit>
  void settle(Claim claim, Result<Made> result, int attempts, const Emit& emit) {
    if (state_.traces()) state_.trace(stage_.id, claim.packet(), attempts, outcome_text(result));
    if (result.is_filtered()) {
      stats_.filtered.fetch_add(1, std::memory_order_relaxed);
      finish(std::move(claim), Ending::kFiltered, result.filtered(), attempts);
    } else if (result.is_error()) {
      // An item that would have had another take is as unfinished as one that has not begun.
      const bool cancelled = state_.cancelled() && (result.error().code == "cancelled" ||
                                                    wants_retake(result.error(), claim));
      finish(std::move(claim), cancelled ? Ending::kCancelled : Ending::kFailed, result.error(),
             attempts);
    } else {
      pass_on(std::move(claim), std::move(result).value(), emit);
    }
  }

  bool may_retry(const Error& error, int attempt) {
    if (!error.retryable || error.fatal || attempt > state_.settings().retries) return false;
    stats_.retried.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  Item item(const Claim& claim, int attempt) const {
    const Packet& packet = claim.packet();
    return {packet.record()->key(), packet.path(), state_.settings().seed, attempt, claim.take()};
  }

 private:
  template <class Made, class Emit>
  void work(Claim claim, const Emit& emit) {
    int attempt = 1;
    Result<Made> result = call<Made>(claim, attempt);
    while (result.is_error() && !state_.cancelled() && may_retry(result.error(), attempt)) {
      result = call<Made>(claim, ++attempt);
    }
    if (result.is_error() && may_retake(result.error(), claim)) {
      send_back_(claim.send_back());
      return;
    }
    settle(std::move(claim), std::move(result), attempt, emit);
  }

  template <class Made>
  Result<Made> call(const Claim& claim, int attempt) {
    const Packet& packet = claim.packet();
    try {
      if constexpr (std::is_same_v<Made, AnyPayload>) {
        if (stage_.type->kind != StageKind::kRecordFilter) {
          return stage_.stage->process(packet.payload(), item(claim, attempt));
        }
        if (!stage_.stage->keep(packet.record()->key(), state_.settings().seed)) {
          return Filtered{stage_.id};
        }
        return packet.payload();
      } else {
        return stage_.stage->expand(packet.payload(), item(claim, attempt));
      }
    } catch (...) {
      return error_from_exception();
    }
  }

  /// \param made empty where the stage is a sink.
  template <class Emit>
  void pass_on(Claim claim, AnyPayload made, const Emit& emit) {
    if (made) stats_.made.fetch_add(1, std::memory_order_relaxed);
    const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
    if (followers == 0 || !made) {
      state_.add_media(claim.record(), made ? made.seconds() : claim.packet().payload().seconds());
      finish(std::move(claim), Ending::kWritten, true, 1);
      return;
    }
    if (followers > 1) state_.items_made(followers - 1);
    emit(claim.pass_on(std::move(made), followers, stage_.growth_after, stage_.may_come_back));
  }

  template <class Emit>
  void pass_on(Claim claim, std::vector<AnyPayload> made, const Emit& emit) {
    stats_.made.fetch_add(made.size(), std::memory_order_relaxed);
    const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
    if (followers == 0 || made.empty()) {
      for (const AnyPayload& last : made) state_.add_media(claim.record(), last.seconds());
      finish(std::move(claim), Ending::kWritten, true, 1);
      return;
    }
    state_.items_made(static_cast<std::int64_t>(made.size() * followers) - 1);
    for (PacketPtr& packet : claim.divide(std::move(made), followers, stage_.growth_after)) {
      emit(std::move(packet));
    }
  }

  void finish(Claim claim, Ending ending, const Result<bool>& outcome, int attempts) {
    if (outcome.is_error() && outcome.error().fatal) {
      state_.fail(at_stage(stage_, outcome.error()));
      ending = Ending::kCancelled;  // the item itself did nothing wrong
    }
    if (ending == Ending::kFailed) stats_.failed.fetch_add(1, std::memory_order_relaxed);
    state_.item_ended(claim.packet(), stage_.id, ending, outcome, attempts, claim.take());
    claim.end(ending, stage_.id, outcome);
  }

  PipelineStage& stage_;
  const std::size_t index_;
  RunState& state_;
  StageStats& stats_;
  std::function<void(PacketPtr)> send_back_;  ///< Where `retaken_at` says where to.
};

/// Runs a gather: items wait in their record until it is complete.
class GatherRunner {
 public:
  GatherRunner(PipelineStage& stage, std::size_t index, std::size_t gather, RunState& state)
      : stage_(stage), index_(index), gather_(gather), state_(state), stats_(state.stats(index)) {}

  StageStats& stats() { return stats_; }

  template <class Emit>
  void process(const PacketPtr& packet, const Emit& emit) {
    Claim claim(packet, index_);
    if (claim.packet().is_trigger()) {
      if (stage_.type->spec.in_order) {
        complete_in_order(std::move(claim), emit);
      } else {
        complete(std::move(claim), emit);
      }
      return;
    }
    stats_.received.fetch_add(1, std::memory_order_relaxed);
    state_.add_media(*packet->record(), packet->payload().seconds());
    state_.item_ended(*packet, stage_.id, Ending::kWritten, true, 1);
    claim.arrive(gather_);
  }

  /// Once the graph is empty: of a run that was cancelled, records may wait for one that never
  /// came.
  void cancel_waiting() {
    for (auto& [sequence, claim] : waiting_) {
      claim.end(Ending::kCancelled, stage_.id, Error{"cancelled", "the run was ended"});
    }
    waiting_.clear();
  }

 private:
  template <class Emit>
  void complete_in_order(Claim claim, const Emit& emit) {
    const std::uint64_t sequence = claim.record().sequence();
    waiting_.emplace(sequence, std::move(claim));
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      next_ += 1;
      Claim first = std::move(waiting_.extract(waiting_.begin()).mapped());
      complete(std::move(first), emit);
    }
  }

  template <class Emit>
  void complete(Claim claim, const Emit& emit) {
    if (state_.cancelled()) {
      claim.end(Ending::kCancelled, stage_.id, Error{"cancelled", "the run was ended"});
      return;
    }
    const StageStats::Working working(stats_, claim.record().key().id);
    AnyGathered all = claim.record().take(gather_);
    int attempt = 1;
    Result<AnyPayload> result = call(claim, all, attempt);
    while (result.is_error() && !state_.cancelled() && may_retry(result.error(), attempt)) {
      result = call(claim, all, ++attempt);
    }
    if (state_.traces()) state_.trace(stage_.id, claim.packet(), attempt, outcome_text(result));
    if (result.ok()) {
      stats_.made.fetch_add(1, std::memory_order_relaxed);
      pass_on(std::move(claim), std::move(result).value(), emit);
      return;
    }
    Ending ending = Ending::kFiltered;
    if (result.is_filtered()) {
      stats_.filtered.fetch_add(1, std::memory_order_relaxed);
    } else if (result.error().fatal) {
      ending = Ending::kCancelled;
      state_.fail(at_stage(stage_, result.error()));
    } else {
      ending = Ending::kFailed;
      stats_.failed.fetch_add(1, std::memory_order_relaxed);
      state_.gather_failed(claim.packet(), stage_.id, result.error(), attempt);
    }
    claim.end(ending, stage_.id, true);
  }

  Result<AnyPayload> call(const Claim& claim, const AnyGathered& all, int attempt) {
    try {
      const Item item{claim.record().key(), claim.packet().path(), state_.settings().seed, attempt};
      return stage_.stage->gather(all, item);
    } catch (...) {
      return error_from_exception();
    }
  }

  bool may_retry(const Error& error, int attempt) {
    if (!error.retryable || error.fatal || attempt > state_.settings().retries) return false;
    stats_.retried.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  template <class Emit>
  void pass_on(Claim claim, AnyPayload made, const Emit& emit) {
    const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
    if (followers == 0) {
      claim.end(Ending::kWritten, stage_.id, true);
      return;
    }
    state_.items_made(followers);
    emit(claim.pass_on(std::move(made), followers, stage_.growth_after));
  }

  PipelineStage& stage_;
  const std::size_t index_;
  const std::size_t gather_;
  RunState& state_;
  StageStats& stats_;
  // Of a gather that is in order; calls come one after another.
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, Claim> waiting_;  ///< Complete records, by their sequence.
};

}  // namespace

struct Flow::Impl final : RecordListener {
  Impl(Pipeline& pipeline, RunState& run_state, DeviceExecutor* device_executor,
       const DoneRecords& done_before)
      : stages(pipeline.stages()),
        state(run_state),
        executor(device_executor),
        done(done_before),
        threads(pipeline.settings().threads > 0 ? pipeline.settings().threads
                                                : automatic_threads(pipeline.stages())),
        parallelism(std::in_place, oneapi::tbb::global_control::max_allowed_parallelism,
                    static_cast<std::size_t>(threads)),
        arena(threads) {
    arena.execute([this] { build(); });
    if (executor) {
      executor->deliver_by([this](std::function<void()> answers) { deliver(std::move(answers)); });
    }
  }

  // --- the graph ---------------------------------------------------------------------------------

  void build() {
    graph = std::make_unique<flow::graph>();
    entry = std::make_unique<flow::broadcast_node<PacketPtr>>(*graph);
    senders.resize(stages.size(), nullptr);
    receivers.resize(stages.size(), nullptr);
    in_lane.resize(stages.size(), nullptr);
    const std::vector<std::size_t> order = flow_order(stages);
    std::size_t device_stages = 0;
    for (std::size_t i = 0; i < stages.size(); ++i) {  // the executor counts in the file's order
      device_numbers.push_back(stages[i].type->kind == StageKind::kDevice ? device_stages++ : 0);
    }
    for (const std::size_t index : order) add_node(index);
    for (const std::size_t index : order) {
      for (const std::size_t follower : stages[index].followers) {
        if (stages[follower].in_lane) continue;
        if (receivers[follower]) flow::make_edge(*senders[index], *receivers[follower]);
      }
    }
  }

  void add_node(std::size_t index) {
    PipelineStage& stage = stages[index];
    switch (stage.type->kind) {
      case StageKind::kSource:
        source = index;
        entry_stage = index;
        senders[index] = entry.get();
        break;
      case StageKind::kGather:
        add_gather(index);
        break;
      case StageKind::kDevice:
        add_device(index);
        break;
      case StageKind::kRecordFilter:
        if (stage.in_reader) {
          reader_filters.push_back(index);
          entry_stage = index;
          senders[index] = entry.get();
          break;
        }
        [[fallthrough]];
      default:
        if (stages[index].in_lane) {
          add_in_lane(index);
        } else {
          add_plain(index);
        }
    }
  }

  void add_plain(std::size_t index) {
    PipelineStage& stage = stages[index];
    StageRunner& runner = runners.emplace_back(stage, index, state);
    if (stage.retaken_at) {
      const std::size_t device = *stage.retaken_at;  // before this one in the order of the flow
      runner.send_back_by([this, device](PacketPtr packet) {
        state.stats(device).add_queued(1);
        receivers[device]->try_put(packet);
      });
    }
    const auto concurrency = static_cast<std::size_t>(stage.concurrency);  // 1 where serial
    connect(index, nodes.emplace_back(
                       *graph, concurrency,
                       [this, &runner](const PacketPtr& packet, StageNode::output_ports_type& out) {
                         const BodyOrder order(*this, packet, runner.stage());
                         guard([&] {
                           runner.process(packet, [&](PacketPtr made) {
                             send(std::get<0>(out), runner.stage(), std::move(made));
                           });
                         });
                         runner.stats().add_queued(-1);
                       }));
  }

  /// A map that runs in the lanes of the device stage before it: what it makes leaves that node.
  void add_in_lane(std::size_t index) {
    in_lane[index] = &runners.emplace_back(stages[index], index, state);
    senders[index] = senders[stages[index].from.front()];
  }

  void add_gather(std::size_t index) {
    const std::size_t number = gathers.size();
    GatherRunner& runner = gather_runners.emplace_back(stages[index], index, number, state);
    StageNode& node = nodes.emplace_back(
        *graph, flow::serial,
        [this, &runner, index](const PacketPtr& packet, StageNode::output_ports_type& out) {
          const BodyOrder order(*this, packet, stages[index]);
          guard([&] {
            runner.process(packet, [&](PacketPtr made) {
              send(std::get<0>(out), stages[index], std::move(made));
            });
          });
          runner.stats().add_queued(-1);
        });
    connect(index, node);
    gathers.push_back({index, &node});
  }

  void connect(std::size_t index, StageNode& node) {
    receivers[index] = &node;
    senders[index] = &flow::output_port<0>(node);
  }

  void add_device(std::size_t index) {
    StageRunner& runner = runners.emplace_back(stages[index], index, state);
    DeviceNode& node = device_nodes.emplace_back(
        *graph, flow::unlimited,
        [this, &runner, index](const PacketPtr& packet, DeviceNode::gateway_type& gateway) {
          const BodyOrder order(*this, packet, runner.stage());
          runner.stats().received.fetch_add(1, std::memory_order_relaxed);
          bool submitted = false;
          guard([&] {
            auto claim = std::make_shared<Claim>(packet, index);
            if (runner.refuse_if_cancelled(*claim)) return;
            gateway.reserve_wait();
            try {
              submit(runner, device_numbers[index], packet, std::move(claim), gateway, 1);
            } catch (...) {
              gateway.release_wait();  // nobody else will
              throw;
            }
            submitted = true;
          });
          if (!submitted) runner.stats().add_queued(-1);
        });
    receivers[index] = &node;
    senders[index] = &flow::output_port<0>(node);  // the node itself takes no successors
  }

  /// Hands an item to the device executor; its answer comes on a lane's thread.
  void submit(StageRunner& runner, std::size_t device_stage, const PacketPtr& packet,
              std::shared_ptr<Claim> claim, DeviceNode::gateway_type& gateway, int attempt) {
    DeviceJob job{packet->payload(), runner.item(*claim, attempt), packet, {}};
    job.done = [this, &runner, device_stage, packet, claim = std::move(claim), &gateway, attempt](
                   Result<AnyPayload> result, std::size_t ended_at) {
      StageRunner& last = count_in_lane(runner, ended_at);
      if (result.is_error() && !state.cancelled() && last.may_retry(result.error(), attempt)) {
        submit(runner, device_stage, packet, claim, gateway, attempt + 1);
        return;
      }
      if (result.is_error() && last.may_retake(result.error(), *claim)) {  // a map in the lane asks
        claim->take_again();
        runner.stats().received.fetch_add(1, std::memory_order_relaxed);
        submit(runner, device_stage, packet, claim, gateway, 1);
        return;
      }
      guard([&] {
        last.settle(std::move(*claim), std::move(result), attempt, [&](PacketPtr next) {
          queued_at_followers(last.stage());
          handed_over(next.get());
          gateway.try_put(next);
        });
      });
      runner.stats().add_queued(-1);
      handed_over(this);
      gateway.release_wait();
    };
    executor->submit(device_stage, std::move(job));
  }

  /// One task for all answers of a batch: a lane that puts each into the graph itself wakes a
  /// worker for each, and its device waits meanwhile. The graph does not end before the task has
  /// let go of the batch.
  void deliver(std::function<void()> answers) {
    graph->reserve_wait();
    try {
      arena.enqueue([this, answers = std::move(answers)] {
        answers();
        graph->release_wait();
      });
    } catch (...) {
      graph->release_wait();
      throw;
    }
  }

  /// Counts an item through the maps that run in a device stage's lanes.
  /// \return the stage where it ended: the device stage, or the map of that number behind it.
  StageRunner& count_in_lane(StageRunner& runner, std::size_t ended_at) {
    StageRunner* last = &runner;
    for (std::size_t i = 0; i < ended_at; ++i) {
      last->stats().made.fetch_add(1, std::memory_order_relaxed);
      last = in_lane[last->stage().followers.front()];
      last->stats().received.fetch_add(1, std::memory_order_relaxed);
    }
    return *last;
  }

  /// An exception must not leave a body: oneTBB would drop what is queued. Stages' own exceptions
  /// are errors of their items and do not come here; this is for what is left, as no memory for a
  /// packet.
  template <class Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (...) {
      state.fail(error_from_exception());
    }
  }

  /// What oneTBB promises of a body, for ThreadSanitizer: it comes after its packet was sent and
  /// before the graph's wait returns, and at a serial stage after the body before it.
  struct BodyOrder {
    BodyOrder(const Impl& flow, const PacketPtr& packet, const PipelineStage& stage)
        : impl(flow), serial(stage.concurrency == 1 ? &stage : nullptr) {
      taken_over(packet.get());
      if (serial) taken_over(serial);
    }
    ~BodyOrder() {
      if (serial) handed_over(serial);
      handed_over(&impl);
    }
    BodyOrder(const BodyOrder&) = delete;
    BodyOrder& operator=(const BodyOrder&) = delete;

    const Impl& impl;
    const PipelineStage* const serial;
  };

  void queued_at_followers(const PipelineStage& stage) {
    for (const std::size_t follower : stage.followers) state.stats(follower).add_queued(1);
  }

  template <class Port>
  void send(Port& port, const PipelineStage& from, PacketPtr packet) {
    queued_at_followers(from);
    handed_over(packet.get());
    port.try_put(packet);
  }

  // --- lineage -----------------------------------------------------------------------------------

  void gather_due(std::size_t gather, PacketPtr trigger) override {
    state.stats(gathers[gather].index).add_queued(1);
    handed_over(trigger.get());
    gathers[gather].node->try_put(std::move(trigger));
  }

  void settled(const Record& record, Ending status) override {
    state.record_settled(record, status);
  }

  // --- the reader --------------------------------------------------------------------------------

  /// Whether an earlier session has done the record, which is then counted. A record of that place
  /// that says something else ends the run.
  bool done_before(const RecordKey& key) {
    const DoneRecord* record = done.find(key.index);
    const bool changed = record && record->content_hash != key.content_hash;
    if (!record || (changed && done.changed_are_new())) return false;
    if (changed) {
      state.fail(at_stage(stages[source],
                          {"input_changed",
                           fmt::format("record {} ('{}') is not the one that an earlier session of "
                                       "this run has done: the input has changed",
                                       key.index, key.id)}));
      return true;
    }
    state.record_done_before(*record);
    return true;
  }

  /// Whether a record is to be made: it is not done yet, and the record filters that stand directly
  /// behind the source keep it.
  bool keep(const RecordKey& key) {
    state.stats(source).touch();
    // An interrupted source is let go at the next record, which is then not counted.
    if (state.reading().stop_requested()) return true;
    if (!state.is_wanted(key)) return false;
    if (done_before(key)) return false;
    std::optional<FilterError> failed;
    for (const std::size_t filter : reader_filters) {
      StageStats& stats = state.stats(filter);
      stats.received.fetch_add(1, std::memory_order_relaxed);
      bool kept = true;
      try {
        kept = stages[filter].stage->keep(key, state.settings().seed);
      } catch (...) {
        stats.failed.fetch_add(1, std::memory_order_relaxed);
        failed = FilterError{filter, error_from_exception()};
        break;  // The record is made, and fails.
      }
      if (!kept) {
        state.record_read();
        state.record_not_kept(filter);
        return false;
      }
      stats.made.fetch_add(1, std::memory_order_relaxed);
    }
    asked.emplace(key.index, std::move(failed));
    return true;
  }

  /// Whether a record that the source has made may enter; a source that does not ask about its
  /// records is asked about them here. Where a filter failed, so does the record.
  bool may_enter(AnySourceRecord& record, std::size_t& stage) {
    auto answer = asked.find(record.key.index);
    if (!record.payload.ok()) {
      if (answer != asked.end()) asked.erase(answer);
      const bool ends_run = record.payload.is_error() && record.payload.error().fatal;
      return ends_run || (state.is_wanted(record.key) && !done_before(record.key));
    }
    if (answer == asked.end()) {
      if (!keep(record.key)) return false;
      answer = asked.find(record.key.index);
      if (answer == asked.end()) return true;  // the run was interrupted in between
    }
    if (answer->second) {
      stage = answer->second->filter;
      record.payload = std::move(answer->second->error);
    }
    asked.erase(answer);
    return true;
  }

  void read() {
    const KeepRecord keep_record = [this](const RecordKey& key) { return keep(key); };
    std::string reading = "the first record";  // its memory is used again for every record
    try {
      while (!state.reading().stop_requested()) {
        std::optional<AnySourceRecord> next;
        {
          const StageStats::Working working(state.stats(source), reading);
          next = stages[source].stage->next(keep_record);
        }
        if (!next || state.reading().stop_requested()) break;
        reading.assign("the record after ").append(next->key.id);
        std::size_t stage = source;
        if (may_enter(*next, stage) && !enter(*std::move(next), stage)) break;
      }
    } catch (...) {
      Error error = error_from_exception();
      error.message = fmt::format("cannot read on: {}", error.message);
      state.fail(at_stage(stages[source], std::move(error)));
    }
    if (executor) executor->longest_first();
  }

  /// \param made_by the source, or a record filter that failed.
  bool enter(AnySourceRecord next, std::size_t made_by) {
    if (next.payload.is_error() && next.payload.error().fatal) {
      state.fail(at_stage(stages[source], next.payload.error()));
      return false;
    }
    const AnyPayload origin = next.payload.ok() ? next.payload.value() : AnyPayload();
    bool granted = false;
    const std::uint64_t bytes = state.credits().acquire(weight(origin), state.reading(), granted);
    if (!granted) return false;
    state.record_read();
    state.items_made(1);
    state.stats(source).made.fetch_add(1, std::memory_order_relaxed);
    auto record = std::make_shared<Record>(std::move(next.key), next.offset, origin, gathers.size(),
                                           state.credits(), *this, entered++);
    if (!next.payload.ok()) {
      Result<bool> outcome(true);
      Ending ending = Ending::kFailed;
      if (next.payload.is_error()) {
        outcome = next.payload.error();
      } else {
        outcome = next.payload.filtered();
        ending = Ending::kFiltered;
      }
      state.record_not_made(*record, stages[made_by].id, ending, outcome);
      record->end(ending, EndedItem{{}, stages[made_by].id, AnyPayload(), outcome}, {}, bytes);
      return true;
    }
    const auto followers = static_cast<std::uint32_t>(stages[entry_stage].followers.size());
    if (followers > 1) {
      record->add_living(followers - 1);
      state.items_made(followers - 1);
    }
    queued_at_followers(stages[entry_stage]);
    auto packet = std::make_shared<Packet>(std::move(record), origin, std::vector<std::uint32_t>(),
                                           followers, bytes);
    handed_over(packet.get());
    entry->try_put(std::move(packet));
    return true;
  }

  /// The bytes that a record takes at its largest, by the stages' estimates.
  std::uint64_t weight(const AnyPayload& origin) const {
    const double most = static_cast<double>(state.settings().memory_limit.bytes);
    const double estimate = static_cast<double>(origin.bytes()) * stages[source].growth_after;
    return static_cast<std::uint64_t>(estimate < most ? std::max(estimate, 1.0) : most);
  }

  /// Neither thread is this one: a stage's call that does not come back must not hold it.
  bool run() {
    graph->reserve_wait();
    std::thread reader([this] {
      read();
      graph->release_wait();
      thread_ended();
    });
    std::thread worker([this] {
      arena.execute([this] { graph->wait_for_all(); });
      taken_over(this);
      thread_ended();
    });
    bool ended = false;
    {
      std::unique_lock lock(ended_mutex);
      const auto both = [this] { return threads_ended == 2; };
      do {
        ended = thread_has_ended.wait_for(lock, std::chrono::milliseconds(50), both);
      } while (!ended && !state.abandoned());
    }
    for (std::thread* thread : {&reader, &worker}) {
      if (ended) {
        thread->join();
      } else {
        thread->detach();
      }
    }
    if (ended) {
      for (GatherRunner& gather : gather_runners) gather.cancel_waiting();
    } else {
      parallelism.reset();  // it would hold for other runs of this process
    }
    return ended;
  }

  void thread_ended() {
    const std::lock_guard lock(ended_mutex);
    ++threads_ended;
    thread_has_ended.notify_one();
  }

  struct GatherNode {
    std::size_t index;
    StageNode* node;
  };
  struct FilterError {
    std::size_t filter;
    Error error;
  };

  std::vector<PipelineStage> stages;  ///< A copy, which shares the stages themselves.
  RunState& state;
  DeviceExecutor* executor;
  const DoneRecords& done;
  const int threads;
  std::optional<oneapi::tbb::global_control> parallelism;
  oneapi::tbb::task_arena arena;
  std::unique_ptr<flow::graph> graph;
  std::unique_ptr<flow::broadcast_node<PacketPtr>> entry;
  std::deque<StageRunner> runners;
  std::deque<GatherRunner> gather_runners;
  std::deque<StageNode> nodes;
  std::deque<DeviceNode> device_nodes;
  std::vector<flow::sender<PacketPtr>*> senders;
  std::vector<flow::receiver<PacketPtr>*> receivers;
  std::vector<StageRunner*> in_lane;  ///< Of a map in a lane; otherwise null.
  std::vector<GatherNode> gathers;
  std::vector<std::size_t> device_numbers;  ///< Of a device stage: its number in the executor.
  std::vector<std::size_t> reader_filters;
  /// The records that the source has asked about, may make and has not made yet. The reader's own.
  std::unordered_multimap<std::uint64_t, std::optional<FilterError>> asked;
  std::uint64_t entered = 0;  ///< Records. The reader's own.
  std::size_t source = 0;
  std::size_t entry_stage = 0;  ///< The source, or the last record filter that it asks itself.
  std::mutex ended_mutex;
  std::condition_variable thread_has_ended;
  int threads_ended = 0;  ///< Of the reader and the one that waits for the graph.
};

Flow::Flow(Pipeline& pipeline, RunState& state, DeviceExecutor* executor, const DoneRecords& done)
    : impl_(std::make_unique<Impl>(pipeline, state, executor, done)) {}
Flow::~Flow() = default;

bool Flow::run() { return impl_->run(); }

}  // namespace flowtts
