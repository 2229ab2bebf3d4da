#include "core/graph/flow.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "core/exceptions.h"
#include "core/graph/admission.h"
#include "core/graph/device_runner.h"
#include "core/graph/gather_runner.h"
#include "core/graph/hand_over.h"
#include "core/graph/layout.h"
#include "core/graph/reader.h"
#include "core/graph/stage_runner.h"

namespace flowtts {
namespace {

namespace flow = oneapi::tbb::flow;

using StageNode = flow::multifunction_node<PacketPtr, std::tuple<PacketPtr>>;
using Port = std::tuple_element_t<0, StageNode::output_ports_type>;
/// Its bodies run where a packet is sent, not in a task of their own.
using GateNode = flow::function_node<PacketPtr, flow::continue_msg, flow::queueing_lightweight>;
using DeviceNode = flow::async_node<PacketPtr, PacketPtr>;

/// How many threads may be in an arena: one that is made for a single thread has room for a second,
/// which comes for tasks that nobody waits for.
int most_threads(int arena_threads) { return std::max(2, arena_threads); }

/// A stage that the graph's own threads work at.
struct CpuStage {
  CpuStage(PipelineStage& stage, std::size_t index, RunState& state)
      : runner(stage, index, state) {}

  StageRunner runner;
  std::optional<Admission> admission;  ///< Where fewer threads may be in it than there are.
  StageNode* admitted = nullptr;       ///< Where it is: gets packets that have a place.
  Port* out = nullptr;                 ///< By which what is made leaves the line.
  CpuStage* next = nullptr;            ///< Of the line; null: the line ends here.
};

}  // namespace

struct Flow::Impl final : RecordListener {
  Impl(Pipeline& pipeline, RunState& run_state, DeviceExecutor* device_executor,
       const DoneRecords& done)
      : stages(pipeline.stages()),
        state(run_state),
        executor(device_executor),
        threads(pipeline.settings().threads > 0 ? pipeline.settings().threads
                                                : automatic_threads(pipeline.stages())),
        parallelism(std::in_place, oneapi::tbb::global_control::max_allowed_parallelism,
                    static_cast<std::size_t>(threads)),
        arena(threads),
        walkers(static_cast<std::size_t>(most_threads(threads))) {
    arena.execute([this] { build(); });
    reader.emplace(stages, at_source, gathers.size(), state, done, *this);
    if (executor) {
      executor->deliver_by([this](std::function<void()> answers) { deliver(std::move(answers)); });
    }
  }

  // --- the graph ---------------------------------------------------------------------------------

  void build() {
    graph = std::make_unique<flow::graph>();
    senders.resize(stages.size(), nullptr);
    receivers.resize(stages.size(), nullptr);
    cpu.resize(stages.size(), nullptr);
    devices.resize(stages.size(), nullptr);
    const std::vector<std::size_t> order = flow_order(stages);
    for (std::size_t i = 0; i < stages.size(); ++i) {  // the executor counts in the file's order
      device_numbers.push_back(device_stages);
      if (stages[i].type->kind == StageKind::kDevice) ++device_stages;
    }
    for (const std::size_t index : order) add(index);
    for (const std::size_t index : order) {
      for (const std::size_t follower : stages[index].followers) {
        if (!receivers[follower]) continue;
        if (senders[index]) {
          flow::make_edge(*senders[index], *receivers[follower]);
        } else {
          entries.push_back(receivers[follower]);
        }
      }
    }
  }

  void add(std::size_t index) {
    switch (stages[index].type->kind) {
      case StageKind::kSource:
        at_source.source = index;
        return;
      case StageKind::kGather:
        return add_gather(index);
      case StageKind::kDevice:
        return add_device(index);
      default:
        break;
    }
    if (stages[index].in_reader) {
      at_source.filters.push_back(index);
    } else if (stages[index].in_lane) {
      add_in_lane(index);
    } else {
      add_cpu(index);
    }
  }

  /// A stage of a line. A line is worked through in the tasks of its first stage's node; further
  /// nodes it has only for packets that find a stage full: they go on from there in tasks of that
  /// stage's node.
  void add_cpu(std::size_t index) {
    CpuStage& stage = cpu_stages.emplace_back(stages[index], index, state);
    cpu[index] = &stage;
    if (stages[index].retaken_at) send_takes_back(stage.runner, *stages[index].retaken_at);
    const bool limited = stages[index].concurrency < most_threads(threads);
    const bool follows = goes_on_in_thread(stages, index);
    StageNode* node = nullptr;
    if (limited || !follows) {
      node = &nodes.emplace_back(*graph, flow::unlimited,
                                 [this, &stage](const PacketPtr& packet, const auto&) {
                                   const BodyOrder order(*this, packet);
                                   stage.runner.stats().add_queued(-1);
                                   walk(stage, packet);
                                 });
    }
    if (limited) {
      stage.admission.emplace(stages[index].concurrency);
      stage.admitted = node;
    }
    if (follows) {
      CpuStage& before = *cpu[stages[index].from.front()];
      before.next = &stage;
      stage.out = before.out;
    } else {
      stage.out = &flow::output_port<0>(*node);
      receivers[index] = limited ? add_gate(stage) : node;
    }
    senders[index] = stage.out;
  }

  /// Before a limited stage that begins a line, so that what has to wait is no task meanwhile.
  flow::receiver<PacketPtr>* add_gate(CpuStage& stage) {
    return &gates.emplace_back(*graph, flow::unlimited, [this, &stage](PacketPtr packet) noexcept {
      guard([&] {
        if (!stage.admission->enter(packet)) return;
        stage.admitted->try_put(packet);
      });
      return flow::continue_msg();
    });
  }

  /// \param device stands before the stage in the order of the flow.
  void send_takes_back(StageRunner& runner, std::size_t device) {
    runner.send_back_by([this, device](PacketPtr packet) {
      state.stats(device).add_queued(1);
      handed_over(packet.get());
      receivers[device]->try_put(packet);
    });
  }

  void add_gather(std::size_t index) {
    GatherRunner& runner = gather_runners.emplace_back(stages[index], index, gathers.size(), state);
    StageNode& node = nodes.emplace_back(
        *graph, flow::serial,
        [this, &runner](const PacketPtr& packet, StageNode::output_ports_type& out) {
          const BodyOrder order(*this, packet, &runner);
          guard([&] {
            for (PacketPtr& made : runner.process(packet)) {
              send(std::get<0>(out), runner.stage(), std::move(made));
            }
          });
          runner.stats().add_queued(-1);
        });
    receivers[index] = &node;
    senders[index] = &flow::output_port<0>(node);
    gathers.push_back({index, &node});
  }

  void add_device(std::size_t index) {
    StageRunner& stage = device_stage_runners.emplace_back(stages[index], index, state);
    DeviceRunner& runner =
        device_runners.emplace_back(stage, device_numbers[index], *executor, state);
    DeviceNode& node = device_nodes.emplace_back(
        *graph, flow::unlimited,
        [this, &runner](const PacketPtr& packet, DeviceNode::gateway_type& gateway) {
          const BodyOrder order(*this, packet);
          gateway.reserve_wait();
          bool submitted = false;
          guard([&] {
            submitted = runner.submit(packet, [this, &runner, &gateway](PacketPtr made) {
              guard([&] {
                if (made) send(gateway, runner.last_stage(), std::move(made));
              });
              leave_device(runner, gateway);
            });
          });
          if (!submitted) leave_device(runner, gateway);
        });
    devices[index] = &runner;
    receivers[index] = &node;
    senders[index] = &flow::output_port<0>(node);  // the node itself takes no successors
  }

  void leave_device(DeviceRunner& runner, DeviceNode::gateway_type& gateway) {
    runner.stage().stats().add_queued(-1);
    handed_over(this);
    gateway.release_wait();
  }

  /// A map that runs in the lanes of the device stage before it: what it makes leaves that node.
  void add_in_lane(std::size_t index) {
    const std::size_t before = stages[index].from.front();
    StageRunner& runner = device_stage_runners.emplace_back(stages[index], index, state);
    devices[index] = devices[before];
    devices[index]->add_in_lane(runner);
    senders[index] = senders[before];
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

  // --- packets -----------------------------------------------------------------------------------

  /// Works on a packet that has been admitted to the stage, and on what is made of it as far as the
  /// line leads. A thread does so with one packet at a time: where a stage itself waits for tasks
  /// of oneTBB, and its thread is given one of the graph's meanwhile, that packet's turn comes
  /// after.
  void walk(CpuStage& first, const PacketPtr& packet) {
    const auto thread =
        static_cast<std::size_t>(oneapi::tbb::this_task_arena::current_thread_index());
    Walker& walker = walkers[thread];
    if (walker.walks) {
      guard([&] { walker.later.emplace_back(&first, packet); });
      return;
    }
    walker.walks = true;
    walk_through(first, packet, thread);
    while (!walker.later.empty()) {
      const auto [stage, next] = std::move(walker.later.back());
      walker.later.pop_back();
      walk_through(*stage, next, thread);
    }
    walker.walks = false;
  }

  /// From one stage to the next in the same thread, so that nothing is handed over. Where a stage
  /// is full, the packet stays there, and the thread is free.
  ///
  /// \param at_first kept by the caller, and its record with it.
  void walk_through(CpuStage& first, const PacketPtr& at_first, std::size_t thread) {
    PacketPtr packet = at_first;
    Walk so_far{Clock::now(), thread};
    for (CpuStage* at = &first; at;) {
      PacketPtr made;
      guard([&] { made = work(*at, std::move(packet), so_far); });
      if (at->admission) let_next_in(*at);
      CpuStage* next = nullptr;
      guard([&] {
        if (!made) return;
        if (!at->next) {
          send(*at->out, at->runner.stage(), std::move(made));
        } else if (enter(*at->next, made)) {
          next = at->next;
        }
      });
      packet = std::move(made);
      at = next;
    }
  }

  /// \return what goes on in this thread, or leaves the line; null where there is nothing more.
  PacketPtr work(CpuStage& stage, PacketPtr packet, Walk& so_far) {
    if (stage.runner.stage().type->kind != StageKind::kExpand) {
      return stage.runner.process(std::move(packet), so_far);
    }
    for (PacketPtr& child : stage.runner.expand(std::move(packet), so_far)) {
      send(*stage.out, stage.runner.stage(), std::move(child));
    }
    return nullptr;
  }

  /// \return whether the packet may be worked on now. Otherwise it waits at the stage.
  bool enter(CpuStage& stage, PacketPtr& packet) {
    if (!stage.admission || stage.admission->enter(packet)) return true;
    stage.runner.stats().add_queued(1);
    return false;
  }

  /// A packet has left the stage: its place is that of the next one.
  void let_next_in(CpuStage& stage) {
    guard([&] {
      const PacketPtr next = stage.admission->leave();
      if (!next) return;
      handed_over(next.get());
      stage.admitted->try_put(next);
    });
  }

  /// By an edge, to all followers of a stage.
  template <class Out>
  void send(Out& out, const PipelineStage& from, PacketPtr packet) {
    queued_at_followers(from);
    handed_over(packet.get());
    out.try_put(packet);
  }

  void queued_at_followers(const PipelineStage& stage) {
    for (const std::size_t follower : stage.followers) state.stats(follower).add_queued(1);
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
  /// before the graph's wait returns, and at a serial node after the body before it.
  struct BodyOrder {
    BodyOrder(const Impl& flow, const PacketPtr& packet, const void* serial_node = nullptr)
        : impl(flow), serial(serial_node) {
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
    const void* const serial;
  };

  // --- lineage -----------------------------------------------------------------------------------

  void gather_due(std::size_t gather, PacketPtr trigger) override {
    state.stats(gathers[gather].index).add_queued(1);
    handed_over(trigger.get());
    gathers[gather].node->try_put(std::move(trigger));
  }

  void settled(const Record& record, Ending status) override {
    state.record_settled(record, status);
  }

  // --- the run -----------------------------------------------------------------------------------

  void read() {
    reader->read([this](const PacketPtr& packet) {
      queued_at_followers(stages[at_source.last()]);
      handed_over(packet.get());
      for (flow::receiver<PacketPtr>* one : entries) one->try_put(packet);
    });
    if (executor) executor->longest_first();
  }

  /// Neither thread is this one: a stage's call that does not come back must not hold it.
  bool run() {
    graph->reserve_wait();
    std::thread reading([this] {
      read();
      graph->release_wait();
      thread_ended();
    });
    std::thread working([this] {
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
    for (std::thread* thread : {&reading, &working}) {
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

  /// A thread of the graph, by its number: its own.
  struct alignas(64) Walker {
    bool walks = false;
    std::vector<std::pair<CpuStage*, PacketPtr>> later;
  };
  struct GatherNode {
    std::size_t index;
    StageNode* node;
  };

  std::vector<PipelineStage> stages;  ///< A copy, which shares the stages themselves.
  RunState& state;
  DeviceExecutor* executor;
  const int threads;
  std::optional<oneapi::tbb::global_control> parallelism;
  oneapi::tbb::task_arena arena;
  std::vector<Walker> walkers;
  std::unique_ptr<flow::graph> graph;
  std::deque<CpuStage> cpu_stages;
  std::deque<GatherRunner> gather_runners;
  std::deque<StageRunner> device_stage_runners;  ///< And those of the maps in their lanes.
  std::deque<DeviceRunner> device_runners;
  std::deque<StageNode> nodes;
  std::deque<GateNode> gates;
  std::deque<DeviceNode> device_nodes;
  std::vector<flow::receiver<PacketPtr>*> entries;  ///< For what the reader reads.
  // By stage; null where it is none of that kind, or no node of its own.
  std::vector<flow::sender<PacketPtr>*> senders;
  std::vector<flow::receiver<PacketPtr>*> receivers;
  std::vector<CpuStage*> cpu;
  std::vector<DeviceRunner*> devices;  ///< Of a map in a lane: the device stage's.
  std::vector<GatherNode> gathers;
  std::size_t device_stages = 0;
  std::vector<std::size_t> device_numbers;  ///< Of a device stage: its number in the executor.
  SourceStages at_source;
  std::optional<Reader> reader;
  std::mutex ended_mutex;
  std::condition_variable thread_has_ended;
  int threads_ended = 0;  ///< Of the reader and the one that waits for the graph.
};

Flow::Flow(Pipeline& pipeline, RunState& state, DeviceExecutor* executor, const DoneRecords& done)
    : impl_(std::make_unique<Impl>(pipeline, state, executor, done)) {}
Flow::~Flow() = default;

bool Flow::run() { return impl_->run(); }

}  // namespace flowtts
