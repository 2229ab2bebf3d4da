// What the framework itself costs: a chain of stages in FlowTTS against the same chain written by
// hand in oneTBB, in one program and one run.
//
//   hop_bench [--repeats N] [--threads N] [--only flowtts|tbb] [--body US] [--help]
//
// The chain is a source, five maps and a sink: six hops a record. Both have a reader thread of
// their own, a bound on the records in flight and the same concurrency at every stage, and each map
// makes a new block that travels by shared_ptr. FlowTTS runs as it always does, with lineage,
// credits and statistics. The hand-written chain has none of them: no errors, no order, no names.
//
// The two take turns, so that what else the machine does meets both. Medians over all turns; the
// ratio is the median of the turns' ratios.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <flowtts/run.h>
#include <flowtts/stage.h>
#include <fmt/format.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <CLI/CLI.hpp>

namespace {

using namespace flowtts;
namespace flow = oneapi::tbb::flow;

constexpr int kMaps = 5;
constexpr int kHops = kMaps + 1;
constexpr int kInFlight = 256;

/// A cache line of numbers.
struct Block {
  static constexpr std::string_view kPayloadName = "bench_block";
  std::array<std::uint64_t, 8> words{};

  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().end_object(); }
};

Block block_of(std::uint64_t number) { return {{number, 1, 2, 3, 4, 5, 6, 7}}; }

/// A map's work: mixes the block's words so many times over.
Block mixed(const Block& in, std::int64_t rounds) {
  Block out = in;
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::uint64_t before = out.words.back();
    for (std::uint64_t& word : out.words) {
      before = word = (word ^ (before >> 29U)) * 0xbf58476d1ce4e5b9U + 1;
    }
  }
  return out;
}

/// What both chains do and leave.
struct Chain {
  std::int64_t records = 0;
  std::int64_t rounds = 0;
  int concurrency = 1;
  int threads = 1;
};

/// What has reached the end, so that both chains are known to have done the same.
std::atomic<std::uint64_t> sum{0};

void take(const Block& block) { sum.fetch_add(block.words[0], std::memory_order_relaxed); }

// --- in FlowTTS ----------------------------------------------------------------------------------

struct BenchSource final : Source<Block> {
  std::int64_t count = 0;
  std::uint64_t next_number = 0;

  static void describe(Spec<BenchSource>& spec) {
    spec.name("bench_source").summary("Makes blocks.");
    spec.param("count", &BenchSource::count, "How many.").required().example("3");
  }
  std::optional<SourceRecord<Block>> next(const KeepRecord&) {
    if (next_number == static_cast<std::uint64_t>(count)) return std::nullopt;
    const std::uint64_t number = next_number++;
    return SourceRecord<Block>{{std::to_string(number), number, number, 0}, 0, block_of(number)};
  }
};

struct BenchMap final : Map<Block, Block> {
  std::int64_t rounds = 0;

  static void describe(Spec<BenchMap>& spec) {
    spec.name("bench_map").summary("Mixes a block.");
    spec.param("rounds", &BenchMap::rounds, "How often.");
  }
  Block process(const Block& in, const Item&) const { return mixed(in, rounds); }
};

struct BenchSink final : Sink<Block> {
  static void describe(Spec<BenchSink>& spec) {
    spec.name("bench_sink").summary("Adds blocks up.");
  }
  std::optional<Error> process(const Block& in, const Item&) const {
    take(in);
    return std::nullopt;
  }
};

FLOWTTS_STAGE(BenchSource)
FLOWTTS_STAGE(BenchMap)
FLOWTTS_STAGE(BenchSink)

void run_flowtts(const Chain& chain) {
  std::string yaml = fmt::format(
      "flowtts: 1\n"
      "run: {{max_in_flight: {}, threads: {}}}\n"
      "stages:\n"
      "  - {{id: source, type: bench_source, with: {{count: {}}}}}\n",
      kInFlight, chain.threads, chain.records);
  for (int i = 0; i < kMaps; ++i) {
    yaml +=
        fmt::format("  - {{id: map{}, type: bench_map, concurrency: {}, with: {{rounds: {}}}}}\n",
                    i, chain.concurrency, chain.rounds);
  }
  yaml += fmt::format("  - {{id: sink, type: bench_sink, concurrency: {}}}\n", chain.concurrency);
  Diagnostics found;
  auto pipeline = Pipeline::parse(yaml, "bench.yaml", {}, found);
  if (!pipeline) throw std::runtime_error(found.sorted().front().text());
  const RunReport report = run(*pipeline, {});
  if (report.status != RunStatus::kSucceeded ||
      report.items.written != static_cast<std::uint64_t>(chain.records)) {
    throw std::runtime_error("the run did not succeed");
  }
}

// --- by hand -------------------------------------------------------------------------------------

using BlockPtr = std::shared_ptr<const Block>;

void build_and_run_by_hand(const Chain& chain, oneapi::tbb::task_arena& arena) {
  using MapNode = flow::function_node<BlockPtr, BlockPtr>;
  std::counting_semaphore<kInFlight> free_places(kInFlight);
  flow::graph graph;
  const auto concurrency = static_cast<std::size_t>(chain.concurrency);
  std::deque<MapNode> maps;
  for (int i = 0; i < kMaps; ++i) {
    maps.emplace_back(graph, concurrency, [&chain](const BlockPtr& in) -> BlockPtr {
      return std::make_shared<const Block>(mixed(*in, chain.rounds));
    });
    if (i > 0) flow::make_edge(*(maps.end() - 2), maps.back());
  }
  flow::function_node<BlockPtr> sink(graph, concurrency, [&](const BlockPtr& in) {
    take(*in);
    free_places.release();
    return flow::continue_msg();
  });
  flow::make_edge(maps.back(), sink);

  graph.reserve_wait();
  std::thread reader([&] {
    for (std::int64_t i = 0; i < chain.records; ++i) {
      free_places.acquire();
      maps.front().try_put(std::make_shared<const Block>(block_of(static_cast<std::uint64_t>(i))));
    }
    graph.release_wait();
  });
  arena.execute([&] { graph.wait_for_all(); });
  reader.join();
}

void run_by_hand(const Chain& chain) {
  const oneapi::tbb::global_control parallelism(
      oneapi::tbb::global_control::max_allowed_parallelism,
      static_cast<std::size_t>(chain.threads));
  oneapi::tbb::task_arena arena(chain.threads);
  arena.execute([&] { build_and_run_by_hand(chain, arena); });
}

// --- measuring -----------------------------------------------------------------------------------

/// Nanoseconds a hop.
struct Cost {
  double wall = 0;
  double processor = 0;  ///< Of all threads together.
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Cost measure(const Chain& chain, void (*run_chain)(const Chain&)) {
  const auto start = std::chrono::steady_clock::now();
  const double processor = processor_seconds();
  run_chain(chain);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const double hops = static_cast<double>(chain.records * kHops);
  return {wall.count() * 1e9 / hops, (processor_seconds() - processor) * 1e9 / hops};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// How many rounds take a microsecond.
double rounds_per_us() {
  constexpr std::int64_t kRounds = 1'000'000;
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    take(mixed(block_of(1), kRounds));
    const std::chrono::duration<double, std::micro> us = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kRounds) / us.count());
  }
  return best;
}

struct Options {
  int repeats = 9;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::string only;
  std::vector<double> bodies{0, 1, 5, 20};
};

/// Enough records that starting and ending a run, a few milliseconds, counts little.
std::int64_t records_for(double body_us, const Options& options) {
  return static_cast<std::int64_t>(400'000 / (1 + kMaps * body_us / options.threads));
}

void compare(const Chain& chain, double body_us, const Options& options) {
  std::vector<double> hand, ours, ratio, hand_processor, ours_processor;
  for (int i = -1; i < options.repeats; ++i) {  // the first turn warms up
    sum = 0;
    const Cost by_hand = options.only == "flowtts" ? Cost{} : measure(chain, run_by_hand);
    const std::uint64_t expected = sum.exchange(0);
    const Cost in_flowtts = options.only == "tbb" ? Cost{} : measure(chain, run_flowtts);
    if (options.only.empty() && sum != expected) throw std::runtime_error("the sums differ");
    if (i < 0) continue;
    hand.push_back(by_hand.wall);
    ours.push_back(in_flowtts.wall);
    ratio.push_back(in_flowtts.wall / by_hand.wall);
    hand_processor.push_back(by_hand.processor);
    ours_processor.push_back(in_flowtts.processor);
  }
  fmt::print("| {:4.0f} | {:11} | {:7.0f} | {:7.0f} | {:5.2f} | {:10.0f} | {:7.0f} | {:7.0f} |\n",
             body_us, chain.concurrency, median(hand), median(ours), median(ratio),
             median(ours) - median(hand), median(hand_processor), median(ours_processor));
  std::fflush(stdout);
}

int measure_all(int argc, char** argv) {
  Options options;
  CLI::App app("What the framework costs against oneTBB by hand", "hop_bench");
  app.add_option("--repeats", options.repeats, "Turns of each chain")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "Of the stages; default: the machine's cores")
      ->check(CLI::Range(1, 1024));
  app.add_option("--only", options.only, "One of the two chains, for a profiler")
      ->check(CLI::IsMember({"flowtts", "tbb"}));
  app.add_option("--body", options.bodies, "Microseconds of work in each map")
      ->check(CLI::Range(0.0, 1e6));
  CLI11_PARSE(app, argc, argv);

  const double per_us = rounds_per_us();
  fmt::print(
      "{} hops a record, {} threads, {} records in flight, medians of {} turns; ns a hop\n\n"
      "| body | concurrency | oneTBB  | FlowTTS | ratio | difference | CPU tbb | CPU ours |\n"
      "| us   |             | wall    | wall    |       |            | ns      | ns       |\n"
      "|------|-------------|---------|---------|-------|------------|---------|----------|\n",
      kHops, options.threads, kInFlight, options.repeats);
  for (const double body_us : options.bodies) {
    for (const int concurrency : {1, options.threads}) {
      Chain chain;
      chain.records = records_for(body_us, options);
      chain.rounds = static_cast<std::int64_t>(body_us * per_us);
      chain.concurrency = concurrency;
      chain.threads = options.threads;
      compare(chain, body_us, options);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure_all(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hop_bench: {}\n", error.what());
    return 1;
  }
}
