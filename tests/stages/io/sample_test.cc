#include <doctest/doctest.h>

#include <set>
#include <string>

#include <fmt/format.h>
#include <flowtts/registry.h>

namespace flowtts {
namespace {

std::unique_ptr<AnyStage> sample() { return StageRegistry::global().find("sample")->make(); }

void set_number(AnyStage& stage, const char* name, double value) {
  for (const ParamInfo& param : StageRegistry::global().find("sample")->spec.params) {
    if (param.name != name) continue;
    const ParamField field = param.field(stage.object());
    if (auto* const* share = std::get_if<std::optional<double>*>(&field)) **share = value;
    if (auto* const* count = std::get_if<std::optional<std::uint64_t>*>(&field)) {
      **count = static_cast<std::uint64_t>(value);
    }
  }
}

std::vector<RecordKey> keys(std::uint64_t count) {
  std::vector<RecordKey> made;
  for (std::uint64_t i = 0; i < count; ++i) {
    made.push_back({fmt::format("id-{}", i), i * 7919, i, 0});
  }
  return made;
}

std::set<std::string> kept(const AnyStage& stage, const std::vector<RecordKey>& records,
                           std::uint64_t seed) {
  std::set<std::string> ids;
  for (const RecordKey& record : records) {
    if (stage.keep(record, seed)) ids.insert(record.id);
  }
  return ids;
}

RecordScan scan_of(const std::vector<RecordKey>& records) {
  return [&records](const std::function<void(const RecordKey&)>& see) -> std::optional<Error> {
    for (const RecordKey& record : records) see(record);
    return std::nullopt;
  };
}

TEST_SUITE("sample") {
  TEST_CASE("alpha takes about its share, and all or nothing at its ends") {
    const auto records = keys(20000);
    for (const auto& [alpha, low, high] :
         {std::tuple{0.0, 0, 0}, {0.04, 700, 900}, {0.5, 9700, 10300}, {1.0, 20000, 20000}}) {
      CAPTURE(alpha);
      auto stage = sample();
      set_number(*stage, "alpha", alpha);
      const auto count = static_cast<int>(kept(*stage, records, 42).size());
      CHECK(count >= low);
      CHECK(count <= high);
    }
  }

  TEST_CASE("a larger alpha keeps all that a smaller one chose") {
    const auto records = keys(5000);
    std::set<std::string> smaller;
    for (const double alpha : {0.01, 0.04, 0.2, 0.9}) {
      auto stage = sample();
      set_number(*stage, "alpha", alpha);
      const auto larger = kept(*stage, records, 7);
      CHECK(std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end()));
      CHECK(larger.size() > smaller.size());
      smaller = larger;
    }
  }

  TEST_CASE("the choice depends on the seed and not on where a record stands") {
    auto records = keys(2000);
    auto stage = sample();
    set_number(*stage, "alpha", 0.1);
    const auto chosen = kept(*stage, records, 1);
    CHECK(chosen != kept(*stage, records, 2));
    for (RecordKey& record : records) {
      record.index += 100000;
      record.occurrence = 3;
    }
    CHECK(chosen == kept(*stage, records, 1));
  }

  TEST_CASE("count takes exactly so many, the same in any order, and a larger count keeps them") {
    auto records = keys(3000);
    std::set<std::string> smaller;
    for (const int count : {1, 10, 777, 3000}) {
      auto stage = sample();
      set_number(*stage, "count", count);
      REQUIRE(stage->needs_scan());
      REQUIRE(!stage->prepare(scan_of(records), 42));
      const auto chosen = kept(*stage, records, 42);
      CHECK(chosen.size() == static_cast<std::size_t>(count));
      CHECK(std::includes(chosen.begin(), chosen.end(), smaller.begin(), smaller.end()));
      smaller = chosen;

      const std::vector<RecordKey> turned(records.rbegin(), records.rend());
      auto again = sample();
      set_number(*again, "count", count);
      REQUIRE(!again->prepare(scan_of(turned), 42));
      CHECK(kept(*again, turned, 42) == chosen);
    }
  }

  TEST_CASE("count tells records apart that are equal to the letter") {
    std::vector<RecordKey> twins(10, RecordKey{"same", 5, 0, 0});
    for (std::size_t i = 0; i < twins.size(); ++i) twins[i].index = i;
    auto stage = sample();
    set_number(*stage, "count", 4);
    REQUIRE(!stage->prepare(scan_of(twins), 42));
    int count = 0;
    for (const RecordKey& twin : twins) count += stage->keep(twin, 42) ? 1 : 0;
    CHECK(count == 4);
  }

  TEST_CASE("count refuses an input that has fewer records") {
    const auto records = keys(3);
    auto stage = sample();
    set_number(*stage, "count", 4);
    const auto error = stage->prepare(scan_of(records), 42);
    REQUIRE(error);
    CHECK(error->message == "'count' asks for 4 records, the input has 3");
  }
}

}  // namespace
}  // namespace flowtts
