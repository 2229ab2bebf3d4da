#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <flowtts/stage.h>
#include <oneapi/tbb/parallel_for.h>

/// Stages for the tests of core: one of each kind, on numbers, with faults that a test can ask for.
/// They are in a registry of their own, so that no test here depends on a built-in stage.
namespace flowtts::testing {

struct Num {
  static constexpr std::string_view kPayloadName = "num";
  std::int64_t value = 0;
  std::uint64_t weight = 8;  ///< What `bytes` says.

  std::size_t bytes() const { return weight; }
  double seconds() const { return 0.5; }
  void to_json(JsonWriter& json) const {
    if (value == kUnwritable) throw std::runtime_error("this number cannot be written");
    json.begin_object().field("value", value).end_object();
  }
  static constexpr std::int64_t kUnwritable = -666;
};

struct Word {
  static constexpr std::string_view kPayloadName = "word";
  std::string text;

  std::size_t bytes() const { return sizeof *this + text.size(); }
  void to_json(JsonWriter& json) const { json.begin_object().field("text", text).end_object(); }
};

/// All numbers of a record.
struct Nums {
  static constexpr std::string_view kPayloadName = "nums";
  std::string id;
  std::vector<std::int64_t> arrived;
  std::vector<std::string> ended;  ///< "stage:reason", "stage:code" or "stage:written".

  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().field("id", id).end_object(); }
};

/// What the stages of a run leave for the test that made it. One for the process; `reset` first.
class Probe {
 public:
  static Probe& get() {
    static Probe probe;
    return probe;
  }

  void reset() {
    const std::lock_guard lock(mutex_);
    numbers_.clear();
    gathered_.clear();
    live_.clear();
    most_live_ = 0;
    events_.clear();
    held_ = false;
    hanging_ = 0;
  }

  void number(std::int64_t value) {
    const std::lock_guard lock(mutex_);
    numbers_.push_back(value);
  }
  void gathered(const Nums& nums) {
    const std::lock_guard lock(mutex_);
    gathered_.push_back(nums);
  }
  void event(std::string text) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(text));
  }
  /// `count` more (or fewer) items of the record are alive.
  void live(std::uint64_t record, int count) {
    const std::lock_guard lock(mutex_);
    if ((live_[record] += count) == 0) live_.erase(record);
    most_live_ = std::max(most_live_, live_.size());
  }

  /// The numbers that reached a sink, sorted.
  std::vector<std::int64_t> numbers() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::int64_t> sorted = numbers_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
  std::vector<Nums> gathered() const {
    const std::lock_guard lock(mutex_);
    return gathered_;
  }
  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::size_t most_live() const {
    const std::lock_guard lock(mutex_);
    return most_live_;
  }

  /// Stages with `fault: hang` wait from now on until `release`.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void hang() {
    std::unique_lock lock(mutex_);
    ++hanging_;
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    --inside_;
    changed_.notify_all();
  }
  /// Lets go what hangs, and waits until nothing does.
  void release_all() {
    std::unique_lock lock(mutex_);
    held_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return inside_ == 0; });
  }
  /// Waits until `count` calls hang.
  void wait_for_hanging(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return hanging_ >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int64_t> numbers_;
  std::vector<Nums> gathered_;
  std::vector<std::string> events_;
  std::map<std::uint64_t, int> live_;
  std::size_t most_live_ = 0;
  bool held_ = false;
  int hanging_ = 0;  ///< Calls that have hung since the last `reset`.
  int inside_ = 0;   ///< Those that do.
};

/// What every test stage can be told to do wrong: `fault` where the number is `fault_at`, or for
/// every number where that is -1.
struct Faulty {
  std::string fault = "none";
  std::int64_t fault_at = -1;
  int fault_times = 2;  ///< For `retry`: this many attempts fail.

  template <class T>
  static void describe_fault(Spec<T>& spec) {
    spec.param("fault", &T::fault, "What goes wrong.")
        .one_of({"none", "error", "filter", "retry", "fatal", "cancelled", "throw", "throw_int",
                 "bad_alloc", "hang", "slow"})
        .param("fault_at", &T::fault_at, "The number at which it goes wrong; -1: each.")
        .at_least(-1)
        .param("fault_times", &T::fault_times, "How many attempts fail.")
        .range(1, 100);
  }

  /// Nothing where the stage goes on.
  std::optional<Result<bool>> act(std::int64_t value, int attempt = 1) const {
    if (fault == "none" || (fault_at >= 0 && value != fault_at)) return std::nullopt;
    if (fault == "error") return Error{"test_error", "told to fail"};
    if (fault == "filter") return Filtered{"told_to"};
    if (fault == "retry" && attempt <= fault_times) return Error{"busy", "try again", true};
    if (fault == "fatal") return Error{"test_fatal", "told to end the run", false, true};
    if (fault == "cancelled") return Error{"cancelled", "a stage's own word"};
    if (fault == "throw") throw std::runtime_error("told to throw");
    if (fault == "throw_int") throw 7;
    if (fault == "bad_alloc") throw std::bad_alloc();
    if (fault == "hang") Probe::get().hang();
    if (fault == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::nullopt;
  }
};

template <class To>
Result<To> as_outcome(const Result<bool>& fault) {
  if (fault.is_filtered()) return fault.filtered();
  return fault.error();
}

/// 0, 1, 2, ...: each a record with the id "n0", "n1", ...
struct Numbers final : Source<Num>, Faulty {
  int count = 0;
  int weight = 8;
  bool asks = true;  ///< Whether it asks `keep` at all.
  int lookahead = 0;
  std::int64_t next_number = 0;

  static void describe(Spec<Numbers>& spec) {
    spec.name("numbers").summary("Counts from 0.");
    spec.param("count", &Numbers::count, "How many numbers.").required().range(0, 1e9).example("3");
    spec.param("weight", &Numbers::weight, "Bytes of each.").at_least(0).unit("bytes");
    spec.param("asks", &Numbers::asks, "Whether it asks which records to keep.");
    describe_fault(spec);
  }
  std::optional<Error> open(const RunContext&) {
    next_number = 0;
    Probe::get().event("open numbers");
    return std::nullopt;
  }
  std::optional<Error> close() {
    Probe::get().event("close numbers");
    return std::nullopt;
  }
  std::optional<SourceRecord<Num>> next(const KeepRecord& keep) {
    while (next_number < count) {
      const std::int64_t value = next_number++;
      RecordKey key;
      key.id = "n" + std::to_string(value);
      key.index = static_cast<std::uint64_t>(value);
      key.content_hash = key.index * 7919;
      const std::uint64_t offset = 10 * key.index;
      if (const auto wrong = act(value)) {
        return SourceRecord<Num>{std::move(key), offset, as_outcome<Num>(*wrong)};
      }
      if (asks && !keep(key)) continue;
      return SourceRecord<Num>{std::move(key), offset,
                               Num{value, static_cast<std::uint64_t>(weight)}};
    }
    return std::nullopt;
  }
  double fraction() const { return 0.25; }
};

/// in + by
struct Add final : Map<Num, Num>, Faulty {
  std::int64_t by = 1;

  static void describe(Spec<Add>& spec) {
    spec.name("add")
        .summary("Adds a number.")
        .param("by", &Add::by, "How much.")
        .range(-1000, 1000);
    describe_fault(spec);
  }
  Result<Num> process(Num in, const Item& item) const {
    if (const auto wrong = act(in.value, item.attempt)) return as_outcome<Num>(*wrong);
    in.value += by;
    return in;
  }
};

/// in, in + step, ... : `copies` of them.
struct Repeat final : Expand<Num, Num>, Faulty {
  int copies = 3;
  std::int64_t step = 1000;

  static void describe(Spec<Repeat>& spec) {
    spec.name("repeat").summary("Makes several numbers of one.");
    spec.param("copies", &Repeat::copies, "How many.").range(0, 1000).unit("numbers");
    spec.param("step", &Repeat::step, "How far apart.");
    describe_fault(spec);
  }
  double growth() const { return copies; }
  Result<std::vector<Num>> process(const Num& in, const Item& item) const {
    if (const auto wrong = act(in.value, item.attempt)) return as_outcome<std::vector<Num>>(*wrong);
    Probe::get().live(item.record.index, copies);
    std::vector<Num> out;
    for (int i = 0; i < copies; ++i) out.push_back({in.value + i * step, in.weight});
    return out;
  }
};

/// Lets multiples pass.
struct Multiples final : Filter<Num>, Faulty {
  std::int64_t of = 2;

  static void describe(Spec<Multiples>& spec) {
    spec.name("multiples").summary("Lets multiples pass.");
    spec.param("of", &Multiples::of, "Of which number.").range(1, 1000);
    describe_fault(spec);
  }
  std::optional<Filtered> process(const Num& in, const Item& item) const {
    if (const auto wrong = act(in.value, item.attempt)) return wrong->filtered();
    if (in.value % of == 0) return std::nullopt;
    return Filtered{in.value % 3 == 0 ? "odd_three" : "odd"};
  }
};

/// Keeps every n-th record.
struct Every final : RecordFilter, Faulty {
  int nth = 2;

  static void describe(Spec<Every>& spec) {
    spec.name("every").summary("Keeps every n-th record.");
    spec.param("nth", &Every::nth, "Which.").range(1, 1000);
    describe_fault(spec);
  }
  bool keep(const RecordKey& key, std::uint64_t) const {
    act(static_cast<std::int64_t>(key.index));
    return key.index % static_cast<std::uint64_t>(nth) == 0;
  }
};

/// Keeps the last records, which takes a look at all of them first.
struct Last final : RecordFilter, Faulty {
  int count = 1;
  std::set<std::uint64_t> kept;

  static void describe(Spec<Last>& spec) {
    spec.name("last").summary("Keeps the last records.");
    spec.param("count", &Last::count, "How many.").range(1, 1000);
    describe_fault(spec);
  }
  std::optional<Error> prepare(const RecordScan& scan, std::uint64_t) {
    act(-1);
    std::vector<std::uint64_t> all;
    if (auto error = scan([&](const RecordKey& key) { all.push_back(key.index); })) return error;
    const std::size_t first = all.size() - std::min<std::size_t>(all.size(), count_size());
    kept = {all.begin() + static_cast<std::ptrdiff_t>(first), all.end()};
    return std::nullopt;
  }
  bool keep(const RecordKey& key, std::uint64_t) const { return kept.contains(key.index); }
  std::size_t count_size() const { return static_cast<std::size_t>(count); }
};

struct ToWord final : Map<Num, Word> {
  static void describe(Spec<ToWord>& spec) { spec.name("to_word").summary("Writes it out."); }
  Word process(const Num& in, const Item&) const { return {std::to_string(in.value)}; }
};

/// All numbers of a record.
struct Together final : Gather<Num, Nums>, Faulty {
  static void describe(Spec<Together>& spec) {
    spec.name("together").summary("All numbers of a record.").may_end();
    describe_fault(spec);
  }
  Result<Nums> process(const Gathered<Num>& all, const Item& item) {
    const auto value = static_cast<std::int64_t>(item.record.index);
    if (const auto wrong = act(value, item.attempt)) return as_outcome<Nums>(*wrong);
    Nums nums{item.record.id, {}, {}};
    for (const auto& arrived : all.arrived) nums.arrived.push_back(arrived.payload->value);
    for (const EndedItem& ended : all.ended) {
      std::string how = "written";
      if (ended.outcome.is_filtered()) how = ended.outcome.filtered().reason;
      if (ended.outcome.is_error()) how = ended.outcome.error().code;
      nums.ended.push_back(ended.stage + ":" + how);
    }
    Probe::get().gathered(nums);
    return nums;
  }
};

/// Notes how many calls there are at once, and spreads its work over oneTBB's threads.
struct Crowd final : Map<Num, Num> {
  int tasks = 1;

  static void describe(Spec<Crowd>& spec) {
    spec.name("crowd").summary("Counts who is in it.");
    spec.param("tasks", &Crowd::tasks, "Of which a call's work consists.").range(1, 100);
  }
  std::optional<Error> open(const RunContext&) {
    state = std::make_shared<State>();
    return std::nullopt;
  }
  std::optional<Error> close() {
    Probe::get().event("most at once " + std::to_string(state->most));
    Probe::get().event("most in a thread " + std::to_string(state->most_in_thread));
    return std::nullopt;
  }
  Num process(const Num& in, const Item&) const {
    static thread_local int in_thread = 0;
    in_thread += 1;
    raise(state->most_in_thread, in_thread);
    raise(state->most, state->inside += 1);
    const auto rest = [](int) { std::this_thread::sleep_for(std::chrono::microseconds(100)); };
    if (tasks == 1) {
      rest(0);
    } else {
      oneapi::tbb::parallel_for(0, tasks, rest);
    }
    state->inside -= 1;
    in_thread -= 1;
    return in;
  }

 private:
  struct State {
    std::atomic<int> inside{0}, most{0}, most_in_thread{0};
  };
  static void raise(std::atomic<int>& most, int value) {
    int now = most;
    while (value > now && !most.compare_exchange_weak(now, value)) {
    }
  }
  std::shared_ptr<State> state;
};

/// Sums up what a gather made.
struct SumUp final : Map<Nums, Num> {
  static void describe(Spec<SumUp>& spec) { spec.name("sum_up").summary("Sums up."); }
  Num process(const Nums& in, const Item&) const {
    Num sum;
    for (const std::int64_t value : in.arrived) sum.value += value;
    return sum;
  }
};

/// in * 2, on a device; each further take makes `by_take` more.
struct Twice final : DeviceStage<Num, Num>, Faulty {
  std::int64_t by_take = 0;

  static void describe(Spec<Twice>& spec) {
    spec.name("twice").summary("Doubles numbers.");
    spec.param("by_take", &Twice::by_take, "What each further take adds.");
    describe_fault(spec);
  }
  std::optional<Error> load(DeviceContext& device) {
    Probe::get().event("load on " + device.device().text());
    return std::nullopt;
  }
  std::size_t length(const Num& in) const { return 1 + static_cast<std::size_t>(in.value % 5); }
  std::vector<Result<Num>> process_batch(std::span<const BatchItem<Num>> batch,
                                         DeviceContext&) const {
    std::vector<Result<Num>> out;
    for (const auto& one : batch) {
      const auto wrong = act(one.payload.value, one.item.attempt);
      const std::int64_t value = one.payload.value * 2 + (one.item.take - 1) * by_take;
      out.push_back(wrong ? as_outcome<Num>(*wrong) : Result<Num>(Num{value, one.payload.weight}));
    }
    return out;
  }
};

/// Rejects what a device stage made until it is the take of that number.
struct Judge final : Map<Num, Num>, Faulty {
  int good_take = 2;
  std::int64_t nth = 1;
  bool in_lane = false;

  static void describe(Spec<Judge>& spec) {
    spec.name("judge").summary("Rejects takes.").may_retake();
    spec.param("good_take", &Judge::good_take, "The first take that it lets pass.").range(1, 1000);
    spec.param("nth", &Judge::nth, "Of every n-th record only.").range(1, 1000);
    spec.param("in_lane", &Judge::in_lane, "Whether it runs in the device stage's lanes.");
    describe_fault(spec);
  }
  bool runs_in_lane(DeviceId) const { return in_lane; }
  Result<Num> process(const Num& in, const Item& item) const {
    if (const auto wrong = act(static_cast<std::int64_t>(item.record.index), item.attempt)) {
      return as_outcome<Num>(*wrong);
    }
    if (item.record.index % static_cast<std::uint64_t>(nth) != 0 || item.take >= good_take) {
      return in;
    }
    Error error{"no_good", "take " + std::to_string(item.take)};
    error.retake = true;
    return error;
  }
  std::vector<Result<Num>> process_batch(std::span<const BatchItem<Num>> batch,
                                         DeviceContext&) const {
    std::vector<Result<Num>> out;
    for (const auto& one : batch) out.push_back(process(one.payload, one.item));
    return out;
  }
};

/// Hands the numbers to the test.
struct Collect final : Sink<Num>, Faulty {
  std::int64_t undoes = -1;
  std::function<void(std::uint64_t)> undo;

  static void describe(Spec<Collect>& spec) {
    spec.name("collect").summary("Hands the numbers to the test.");
    spec.param("undoes", &Collect::undoes, "A record to take back at the end; -1: none.")
        .at_least(-1)
        .neutral();
    describe_fault(spec);
  }
  std::optional<Error> open(const RunContext& context) {
    undo = context.undo;
    return std::nullopt;
  }
  std::optional<Error> close() {
    if (undoes < 0) return std::nullopt;
    undo(static_cast<std::uint64_t>(undoes));
    return Error{"taken_back", "that was no good"};
  }
  std::optional<Error> process(const Num& in, const Item& item) const {
    if (const auto wrong = act(in.value, item.attempt)) return wrong->error();
    Probe::get().number(in.value);
    if (!item.path.empty()) Probe::get().live(item.record.index, -1);
    return std::nullopt;
  }
};

struct CollectWords final : Sink<Word> {
  static void describe(Spec<CollectWords>& spec) {
    spec.name("collect_words").summary("Takes words.");
  }
  std::optional<Error> process(const Word&, const Item&) const { return std::nullopt; }
};

/// Counts its calls without a lock: only right where calls come one after another.
struct CountCalls final : Map<Num, Num> {
  int calls = 0;
  static void describe(Spec<CountCalls>& spec) {
    spec.name("count_calls").summary("Numbers what passes.").serial();
  }
  Num process(const Num& in, const Item&) { return {calls++, in.weight}; }
};

/// Parameters of every type that YAML can give.
struct EveryType final : Map<Num, Num> {
  bool flag = false;
  int number = 3;
  std::int64_t big = -5;
  std::uint32_t small = 7;
  std::uint64_t seed = 9;
  double share = 0.5;
  std::string text = "old";
  std::string mode = "fast";
  std::filesystem::path file = "a/b";
  std::vector<std::string> names{"x", "y"};
  std::vector<std::string> colours;
  ByteSize size{1 << 20};
  std::optional<bool> maybe_flag;
  std::optional<std::int64_t> maybe_number;
  std::optional<std::uint64_t> maybe_seed;
  std::optional<double> maybe_share;
  std::optional<std::string> maybe_text;

  static void describe(Spec<EveryType>& spec) {
    using T = EveryType;
    spec.name("every_type").summary("Has parameters of every type.");
    spec.param("flag", &T::flag, "A flag.")
        .param("number", &T::number, "A number.")
        .range(1, 10)
        .unit("pieces")
        .param("big", &T::big, "A big number.")
        .at_least(-100)
        .param("small", &T::small, "A small number.")
        .param("seed", &T::seed, "A seed.")
        .param("share", &T::share, "A share.")
        .range(0, 1)
        .param("text", &T::text, "A text.")
        .param("mode", &T::mode, "A mode.")
        .one_of({"fast", "good", "best"})
        .param("file", &T::file, "A file.")
        .param("names", &T::names, "Names.")
        .param("colours", &T::colours, "Colours.")
        .one_of({"red", "green"})
        .param("size", &T::size, "A size.")
        .at_least(1024)
        .param("maybe_flag", &T::maybe_flag, "A flag.")
        .param("maybe_number", &T::maybe_number, "A number.")
        .param("maybe_seed", &T::maybe_seed, "A seed.")
        .param("maybe_share", &T::maybe_share, "A share.")
        .param("maybe_text", &T::maybe_text, "A text.");
  }
  Num process(const Num& in, const Item&) const { return in; }
};

/// Finds fault with its parameters, leaves notes.
struct Picky final : Map<Num, Num> {
  int low = 0;
  int high = 10;
  bool throws = false;

  static void describe(Spec<Picky>& spec) {
    spec.name("picky").summary("Looks at its parameters.");
    spec.param("low", &Picky::low, "From.").param("high", &Picky::high, "To.");
    spec.param("throws", &Picky::throws, "Whether looking at them throws.");
  }
  void check(Checker& checker) const {
    if (throws) throw std::runtime_error("cannot look");
    if (low > high) checker.error("low", "is above 'high'");
    if (low == high) checker.warning("", "lets one number pass");
    checker.note("passes " + std::to_string(high - low));
  }
  Num process(const Num& in, const Item&) const { return in; }
};

/// The stages above and nothing else.
/// \param runtime of the device stages; only "host" is there to run them.
inline const StageRegistry* make_test_registry(const char* runtime) {
  auto* made = new StageRegistry;
  made->add(make_stage_type<Numbers>());
  made->add(make_stage_type<Add>());
  made->add(make_stage_type<Repeat>());
  made->add(make_stage_type<Multiples>());
  made->add(make_stage_type<Every>());
  made->add(make_stage_type<Last>());
  made->add(make_stage_type<ToWord>());
  made->add(make_stage_type<Together>());
  made->add(make_stage_type<SumUp>());
  StageType twice = make_stage_type<Twice>();
  twice.spec.runtime = runtime;
  made->add(std::move(twice));
  made->add(make_stage_type<Judge>());
  made->add(make_stage_type<Collect>());
  made->add(make_stage_type<CollectWords>());
  made->add(make_stage_type<CountCalls>());
  made->add(make_stage_type<EveryType>());
  made->add(make_stage_type<Picky>());
  made->add(make_stage_type<Crowd>());
  return made;
}

inline const StageRegistry& test_registry() {
  static const StageRegistry* registry = make_test_registry("host");
  return *registry;
}

/// The same with device stages that can have GPUs, to compile and not to run.
inline const StageRegistry& gpu_test_registry() {
  static const StageRegistry* registry = make_test_registry("a runtime with GPUs");
  return *registry;
}

}  // namespace flowtts::testing
