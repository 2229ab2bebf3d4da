#include "core/graph/flow.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

namespace flowtts {
namespace {

namespace flow = oneapi::tbb::flow;

using StageNode = flow::multifunction_node<PacketPtr, std::tuple<PacketPtr>>;
using DeviceNode = flow::async_node<PacketPtr, PacketPtr>;

/// What an exception that left a stage says.
Error caught(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    return {"out_of_host_memory", "the stage ran out of host memory", true};
  } catch (const std::exception& error) {
    return {"exception", error.what()};
  } catch (...) {
    return {"exception", "the stage threw something that is no std::exception"};
  }
}

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

/// Runs one stage's work on packets. The same for every node type: what differs is how a result
/// reaches the followers.
class StageRunner {
 public:
  StageRunner(PipelineStage& stage, std::size_t index, RunState& state)
      : stage_(stage), state_(state), stats_(state.stats(index)) {}

  const PipelineStage& stage() const { return stage_; }
  StageStats& stats() { return stats_; }

  /// Nothing new is begun once the run is cancelled.
  bool refuse_if_cancelled(Claim& claim, int attempts = 1) {
    if (!state_.cancelled()) return false;
    finish(std::move(claim), Ending::kCancelled, Error{"cancelled", "the run was ended"}, attempts);
    return true;
  }

  /// map, filter, expand, sink and record filters inside the flow.
  template <class Emit>
  void process(const PacketPtr& packet, const Emit& emit) {
    Claim claim(packet);
    stats_.received.fetch_add(1, std::memory_order_relaxed);
    if (refuse_if_cancelled(claim)) return;
    const StageStats::Working working(stats_, claim.record().key().id);
    int attempt = 1;
    Result<std::vector<AnyPayload>> result = call(claim.packet(), attempt);
    while (result.is_error() && may_retry(result.error(), attempt)) {
      result = call(claim.packet(), ++attempt);
    }
    settle(std::move(claim), std::move(result), attempt, emit);
  }

  /// Ends the claim, or gives it to what was made.
  template <class Emit>
  void settle(Claim claim, Result<std::vector<AnyPayload>> result, int attempts, const Emit& emit) {
    if (result.is_filtered()) {
      stats_.filtered.fetch_add(1, std::memory_order_relaxed);
      finish(std::move(claim), Ending::kFiltered, result.filtered(), attempts);
    } else if (result.is_error()) {
      const bool cancelled = result.error().code == "cancelled";
      if (!cancelled) stats_.failed.fetch_add(1, std::memory_order_relaxed);
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

  Item item(const Packet& packet, int attempt) const {
    return {packet.record()->key(), packet.path(), state_.settings().seed, attempt};
  }

 private:
  Result<std::vector<AnyPayload>> call(const Packet& packet, int attempt) {
    try {
      if (stage_.type->kind == StageKind::kRecordFilter) {
        if (stage_.stage->keep(packet.record()->key(), state_.settings().seed)) {
          return std::vector<AnyPayload>{packet.payload()};
        }
        return Filtered{stage_.id};
      }
      return stage_.stage->process(packet.payload(), item(packet, attempt));
    } catch (...) {
      return caught(std::current_exception());
    }
  }

  template <class Emit>
  void pass_on(Claim claim, std::vector<AnyPayload> made, const Emit& emit) {
    stats_.made.fetch_add(made.size(), std::memory_order_relaxed);
    const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
    if (followers == 0 || made.empty()) {
      const AnyPayload last = made.empty() ? claim.packet().payload() : made.front();
      state_.add_media(last.seconds());
      finish(std::move(claim), Ending::kWritten, true, 1);
      return;
    }
    state_.items_made(static_cast<std::int64_t>(made.size() * followers) - 1);
    const bool expands = stage_.type->kind == StageKind::kExpand;
    for (PacketPtr& packet :
         claim.divide(std::move(made), followers, expands, stage_.growth_after)) {
      emit(std::move(packet));
    }
  }

  void finish(Claim claim, Ending ending, const Result<bool>& outcome, int attempts) {
    if (outcome.is_error() && outcome.error().fatal) {
      state_.fail(outcome.error());
      ending = Ending::kCancelled;  // the item itself did nothing wrong
    }
    state_.item_ended(claim.packet(), stage_.id, ending, outcome, attempts);
    claim.end(ending, stage_.id, outcome);
  }

  PipelineStage& stage_;
  RunState& state_;
  StageStats& stats_;
};

/// Runs a gather: items wait in their record until it is complete.
class GatherRunner {
 public:
  GatherRunner(PipelineStage& stage, std::size_t index, std::size_t gather, RunState& state)
      : stage_(stage), gather_(gather), state_(state), stats_(state.stats(index)) {}

  StageStats& stats() { return stats_; }

  template <class Emit>
  void process(const PacketPtr& packet, const Emit& emit) {
    Claim claim(packet);
    if (claim.packet().is_trigger()) {
      complete(std::move(claim), emit);
      return;
    }
    stats_.received.fetch_add(1, std::memory_order_relaxed);
    state_.add_media(packet->payload().seconds());
    state_.item_ended(*packet, stage_.id, Ending::kWritten, true, 1);
    claim.arrive(gather_);
  }

 private:
  template <class Emit>
  void complete(Claim claim, const Emit& emit) {
    if (state_.cancelled()) {
      claim.end(Ending::kCancelled, stage_.id, Error{"cancelled", "the run was ended"});
      return;
    }
    const StageStats::Working working(stats_, claim.record().key().id);
    Result<AnyPayload> result = call(claim);
    if (result.ok()) {
      stats_.made.fetch_add(1, std::memory_order_relaxed);
      pass_on(std::move(claim), std::move(result).value(), emit);
      return;
    }
    Ending ending = Ending::kFiltered;
    if (result.is_error()) {
      ending = Ending::kFailed;
      stats_.failed.fetch_add(1, std::memory_order_relaxed);
      state_.gather_failed(claim.packet(), stage_.id, result.error());
      if (result.error().fatal) ending = Ending::kCancelled;
    }
    claim.end(ending, stage_.id, true);
  }

  Result<AnyPayload> call(const Claim& claim) {
    try {
      const Item item{claim.record().key(), claim.packet().path(), state_.settings().seed, 1};
      return stage_.stage->gather(claim.record().take(gather_), item);
    } catch (...) {
      return caught(std::current_exception());
    }
  }

  template <class Emit>
  void pass_on(Claim claim, AnyPayload made, const Emit& emit) {
    const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
    if (followers == 0) {
      claim.end(Ending::kWritten, stage_.id, true);
      return;
    }
    state_.items_made(followers);
    for (PacketPtr& packet :
         claim.divide({std::move(made)}, followers, false, stage_.growth_after)) {
      emit(std::move(packet));
    }
  }

  PipelineStage& stage_;
  const std::size_t gather_;
  RunState& state_;
  StageStats& stats_;
};

}  // namespace

struct Flow::Impl final : RecordListener {
  Impl(Pipeline& pipeline, RunState& run_state, DeviceExecutor* device_executor)
      : stages(pipeline.stages()),
        state(run_state),
        executor(device_executor),
        threads(pipeline.settings().threads > 0
                    ? pipeline.settings().threads
                    : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))),
        parallelism(oneapi::tbb::global_control::max_allowed_parallelism,
                    static_cast<std::size_t>(threads)),
        arena(threads) {
    arena.execute([this] { build(); });
  }

  // --- the graph ---------------------------------------------------------------------------------

  void build() {
    graph = std::make_unique<flow::graph>();
    entry = std::make_unique<flow::broadcast_node<PacketPtr>>(*graph);
    senders.resize(stages.size(), nullptr);
    receivers.resize(stages.size(), nullptr);
    const std::vector<std::size_t> order = flow_order(stages);
    std::size_t device_stages = 0;
    for (std::size_t i = 0; i < stages.size(); ++i) {  // the executor counts in the file's order
      device_numbers.push_back(stages[i].type->kind == StageKind::kDevice ? device_stages++ : 0);
    }
    for (const std::size_t index : order) add_node(index);
    for (const std::size_t index : order) {
      for (const std::size_t follower : stages[index].followers) {
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
        add_plain(index);
    }
  }

  void add_plain(std::size_t index) {
    PipelineStage& stage = stages[index];
    StageRunner& runner = runners.emplace_back(stage, index, state);
    const auto concurrency = static_cast<std::size_t>(stage.concurrency);  // 1 where serial
    connect(index, nodes.emplace_back(
                       *graph, concurrency,
                       [this, &runner](const PacketPtr& packet, StageNode::output_ports_type& out) {
                         runner.process(packet, [&](PacketPtr made) {
                           send(std::get<0>(out), runner.stage(), std::move(made));
                         });
                         runner.stats().add_queued(-1);
                       }));
  }

  void add_gather(std::size_t index) {
    const std::size_t number = gathers.size();
    GatherRunner& runner = gather_runners.emplace_back(stages[index], index, number, state);
    StageNode& node = nodes.emplace_back(
        *graph, flow::serial,
        [this, &runner, index](const PacketPtr& packet, StageNode::output_ports_type& out) {
          runner.process(packet, [&](PacketPtr made) {
            send(std::get<0>(out), stages[index], std::move(made));
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
          runner.stats().received.fetch_add(1, std::memory_order_relaxed);
          auto claim = std::make_shared<Claim>(packet);
          if (runner.refuse_if_cancelled(*claim)) {
            runner.stats().add_queued(-1);
            return;
          }
          gateway.reserve_wait();
          submit(runner, device_numbers[index], packet, std::move(claim), gateway, 1);
        });
    receivers[index] = &node;
    senders[index] = &flow::output_port<0>(node);  // the node itself takes no successors
  }

  /// Hands an item to the device executor; its answer comes on a lane's thread.
  void submit(StageRunner& runner, std::size_t device_stage, const PacketPtr& packet,
              std::shared_ptr<Claim> claim, DeviceNode::gateway_type& gateway, int attempt) {
    DeviceJob job{packet->payload(), runner.item(*packet, attempt), packet, {}};
    job.done = [this, &runner, device_stage, packet, claim = std::move(claim), &gateway,
                attempt](Result<AnyPayload> result) {
      if (result.is_error() && !state.cancelled() && runner.may_retry(result.error(), attempt)) {
        submit(runner, device_stage, packet, claim, gateway, attempt + 1);
        return;
      }
      Result<std::vector<AnyPayload>> made{std::vector<AnyPayload>{}};
      if (result.ok()) made.value().push_back(std::move(result).value());
      if (result.is_filtered()) made = result.filtered();
      if (result.is_error()) made = result.error();
      runner.settle(std::move(*claim), std::move(made), attempt, [&](PacketPtr next) {
        queued_at_followers(runner.stage());
        gateway.try_put(next);
      });
      runner.stats().add_queued(-1);
      gateway.release_wait();
    };
    executor->submit(device_stage, std::move(job));
  }

  void queued_at_followers(const PipelineStage& stage) {
    for (const std::size_t follower : stage.followers) state.stats(follower).add_queued(1);
  }

  template <class Port>
  void send(Port& port, const PipelineStage& from, PacketPtr packet) {
    queued_at_followers(from);
    port.try_put(packet);
  }

  // --- lineage -----------------------------------------------------------------------------------

  void gather_due(std::size_t gather, PacketPtr trigger) override {
    state.stats(gathers[gather].index).add_queued(1);
    gathers[gather].node->try_put(std::move(trigger));
  }

  void settled(const Record& record, Ending status) override {
    state.record_settled(record, status);
  }

  // --- the reader --------------------------------------------------------------------------------

  bool keep(const RecordKey& key) {
    // An interrupted source is let go at the next record, which is then not counted.
    if (state.reading().stop_requested()) return true;
    for (const std::size_t filter : reader_filters) {
      if (stages[filter].stage->keep(key, state.settings().seed)) continue;
      state.record_read();
      state.record_not_kept(filter);
      return false;
    }
    return true;
  }

  void read() {
    const KeepRecord keep_record = [this](const RecordKey& key) { return keep(key); };
    try {
      while (!state.reading().stop_requested()) {
        std::optional<AnySourceRecord> next = stages[source].stage->next(keep_record);
        if (!next || state.reading().stop_requested()) break;
        if (!enter(*std::move(next))) break;
      }
    } catch (...) {
      Error error = caught(std::current_exception());
      error.message =
          fmt::format("stage '{}' cannot read on: {}", stages[source].id, error.message);
      state.fail(error);
    }
  }

  bool enter(AnySourceRecord next) {
    if (next.payload.is_error() && next.payload.error().fatal) {
      state.fail(next.payload.error());
      return false;
    }
    const AnyPayload origin = next.payload.ok() ? next.payload.value() : AnyPayload();
    const auto weight = static_cast<std::uint64_t>(static_cast<double>(origin.bytes()) *
                                                   stages[source].growth_after);
    bool granted = false;
    const std::uint64_t bytes = state.credits().acquire(weight, state.reading(), granted);
    if (!granted) return false;
    state.record_read();
    state.items_made(1);
    state.stats(source).made.fetch_add(1, std::memory_order_relaxed);
    auto record = std::make_shared<Record>(std::move(next.key), next.offset, origin, gathers.size(),
                                           state.credits(), *this);
    if (!next.payload.ok()) {
      const Error error = next.payload.is_error()
                              ? next.payload.error()
                              : Error{"filtered_by_source", next.payload.filtered().reason};
      state.credits().release_bytes(bytes);
      state.record_malformed(*record, stages[source].id, error);
      record->end(Ending::kFailed, EndedItem{{}, stages[source].id, AnyPayload(), error});
      return true;
    }
    const auto followers = static_cast<std::uint32_t>(stages[entry_stage].followers.size());
    if (followers > 1) {
      record->add_living(followers - 1);
      state.items_made(followers - 1);
    }
    queued_at_followers(stages[entry_stage]);
    entry->try_put(std::make_shared<Packet>(std::move(record), origin, std::vector<std::uint32_t>(),
                                            followers, bytes));
    return true;
  }

  void run() {
    graph->reserve_wait();
    std::thread reader([this] {
      read();
      graph->release_wait();
    });
    arena.execute([this] { graph->wait_for_all(); });
    reader.join();
  }

  struct GatherNode {
    std::size_t index;
    StageNode* node;
  };

  std::vector<PipelineStage>& stages;
  RunState& state;
  DeviceExecutor* executor;
  const int threads;
  oneapi::tbb::global_control parallelism;
  oneapi::tbb::task_arena arena;
  std::unique_ptr<flow::graph> graph;
  std::unique_ptr<flow::broadcast_node<PacketPtr>> entry;
  std::deque<StageRunner> runners;
  std::deque<GatherRunner> gather_runners;
  std::deque<StageNode> nodes;
  std::deque<DeviceNode> device_nodes;
  std::vector<flow::sender<PacketPtr>*> senders;
  std::vector<flow::receiver<PacketPtr>*> receivers;
  std::vector<GatherNode> gathers;
  std::vector<std::size_t> device_numbers;  ///< Of a device stage: its number in the executor.
  std::vector<std::size_t> reader_filters;
  std::size_t source = 0;
  std::size_t entry_stage = 0;  ///< The source, or the last record filter that it asks itself.
};

Flow::Flow(Pipeline& pipeline, RunState& state, DeviceExecutor* executor)
    : impl_(std::make_unique<Impl>(pipeline, state, executor)) {}
Flow::~Flow() = default;

void Flow::run() { impl_->run(); }

}  // namespace flowtts
