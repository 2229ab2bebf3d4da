#include <flowtts/registry.h>

#include <stdexcept>

#include <doctest/doctest.h>
#include <flowtts/stage.h>

namespace {

using namespace flowtts;

struct Number {
  static constexpr std::string_view kPayloadName = "number";
  int value = 0;
  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().field("value", value).end_object(); }
};

struct AddOne final : Map<Number, Number> {
  int by = 1;
  static void describe(Spec<AddOne>& spec) {
    spec.name("add_one").summary("Adds a number.").param("by", &AddOne::by, "How much.");
  }
  Number process(const Number& in, const Item&) const { return {in.value + by}; }
};
FLOWTTS_STAGE(AddOne)

/// Counts in a member, and does not say that it must be called by one thread at a time.
struct CountsInSecret final : Map<Number, Number> {
  int calls = 0;
  static void describe(Spec<CountsInSecret>& spec) { spec.name("counts_in_secret"); }
  Number process(const Number&, const Item&) { return {++calls}; }
};

struct CountsOpenly final : Map<Number, Number> {
  int calls = 0;
  static void describe(Spec<CountsOpenly>& spec) { spec.name("counts_openly").serial(); }
  Number process(const Number&, const Item&) { return {++calls}; }
};

/// A gather is called by one thread at a time whatever it says.
struct CountsRecords final : Gather<Number, Number> {
  int calls = 0;
  static void describe(Spec<CountsRecords>& spec) { spec.name("counts_records"); }
  Number process(const Gathered<Number>&, const Item&) { return {++calls}; }
};

struct RetakesRecords final : Gather<Number, Number> {
  static void describe(Spec<RetakesRecords>& spec) { spec.name("retakes_records").may_retake(); }
  Number process(const Gathered<Number>&, const Item&) { return {}; }
};

/// Leaves the three out and finds the two faulty.
struct Inspects final : Filter<Number> {
  static void describe(Spec<Inspects>& spec) { spec.name("inspects"); }
  Result<Passed> process(const Number& in, const Item&) const {
    if (in.value == 3) return Filtered{"three"};
    if (in.value == 2) return Error{"two", "a two"};
    return Passed{};
  }
};

StageType named(std::string name) {
  StageType type;
  type.spec.name = std::move(name);
  return type;
}

}  // namespace

TEST_CASE("a stage that registers itself is found by its name, with kind and types") {
  const StageType* type = StageRegistry::global().find("add_one");
  REQUIRE(type != nullptr);
  CHECK(type->kind == StageKind::kMap);
  CHECK(type->in == &payload_info<Number>());
  CHECK(type->out == &payload_info<Number>());

  const auto stage = type->make();
  *std::get<int*>(type->spec.params.at(0).field(stage->object())) = 5;
  const RecordKey record;
  const std::vector<std::uint32_t> path;
  const auto out = stage->clone()->process(AnyPayload::of(Number{2}), Item{record, path});
  REQUIRE(out.ok());
  CHECK(out->as<Number>()->value == 7);
}

TEST_CASE("all stage types come sorted by name") {
  StageRegistry registry;
  for (const char* name : {"split", "clean", "write_audio", "load"}) registry.add(named(name));
  std::vector<std::string> names;
  for (const StageType* type : registry.all()) names.push_back(type->spec.name);
  CHECK(names == std::vector<std::string>{"clean", "load", "split", "write_audio"});
  CHECK(registry.find("clean")->spec.name == "clean");
  CHECK(registry.find("cl") == nullptr);
  CHECK(registry.find("zz") == nullptr);
}

TEST_CASE("a name that is taken, empty or not snake_case is refused") {
  StageRegistry registry;
  registry.add(named("clean_text2"));
  for (const char* name : {"clean_text2", "", "CleanText", "clean-text", "2clean", "_clean",
                           "clean_", "a__b", "a b"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(registry.add(named(name)), std::logic_error);
  }
  CHECK(registry.all().size() == 1);
}

TEST_CASE("a stage whose process changes its members is refused unless it says that it is serial") {
  CHECK_THROWS_WITH_AS(make_stage_type<CountsInSecret>(),
                       "stage type 'counts_in_secret': its process() is not const, so several "
                       "threads must not call it at once: make it const, or declare the stage "
                       "serial()",
                       std::logic_error);
  CHECK(make_stage_type<CountsOpenly>().spec.serial);
  CHECK(make_stage_type<CountsRecords>().kind == StageKind::kGather);
}

TEST_CASE("only a stage that is given items one by one can ask for other takes of them") {
  CHECK_THROWS_WITH_AS(make_stage_type<RetakesRecords>(),
                       "stage type 'retakes_records': only a map, filter, expand or sink can be "
                       "may_retake()",
                       std::logic_error);
}

TEST_CASE("a filter may pass an item on uncopied, leave it out or find it faulty") {
  StageAdapter<Inspects> stage;
  const RecordKey record;
  const std::vector<std::uint32_t> path;
  const Item item{record, path};
  const AnyPayload good = AnyPayload::of(Number{1});
  const auto passed = stage.process(good, item);
  REQUIRE(passed.ok());
  CHECK(passed->as<Number>() == good.as<Number>());
  CHECK(stage.process(AnyPayload::of(Number{3}), item).filtered().reason == "three");
  CHECK(stage.process(AnyPayload::of(Number{2}), item).error().code == "two");
}

TEST_CASE("a call that a stage's kind does not have throws, an optional one does nothing") {
  StageAdapter<AddOne> stage;
  const RecordKey record;
  const std::vector<std::uint32_t> path;
  const Item item{record, path};
  DeviceContext device({}, 0);
  CHECK_THROWS_AS(stage.next({}), std::logic_error);
  CHECK_THROWS_AS(stage.gather({}, item), std::logic_error);
  CHECK_THROWS_AS(stage.keep(record, 1), std::logic_error);
  CHECK_THROWS_AS(stage.length({}), std::logic_error);
  CHECK_THROWS_AS(stage.process_batch({}, device), std::logic_error);
  CHECK_FALSE(stage.needs_scan());
  CHECK_FALSE(stage.load(device).has_value());
  CHECK_FALSE(stage.prepare({}, 1).has_value());
  CHECK(stage.max_batch({}) == 0);
}

TEST_CASE("every kind of stage has a name of its own") {
  std::vector<std::string> names;
  for (const StageKind kind :
       {StageKind::kSource, StageKind::kMap, StageKind::kFilter, StageKind::kRecordFilter,
        StageKind::kExpand, StageKind::kGather, StageKind::kDevice, StageKind::kSink}) {
    names.emplace_back(stage_kind_name(kind));
  }
  CHECK(names == std::vector<std::string>{"source", "map", "filter", "record_filter", "expand",
                                          "gather", "device", "sink"});
}
