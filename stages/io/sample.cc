#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <flowtts/stage.h>

namespace flowtts {

/// Takes a part of the records, decided by each record's own identity.
struct Sample final : RecordFilter {
  std::optional<double> alpha;
  std::optional<std::uint64_t> count;

  static void describe(Spec<Sample>& spec) {
    spec.name("sample")
        .summary("Takes a share or a fixed number of the records, at random and repeatably.")
        .doc("Each record is decided by a hash of the run's seed, its id and what it says: not of "
             "its place, so that neither the order of the input nor threads nor shards change the "
             "choice, and a larger sample keeps all that a smaller one chose.\n\n"
             "Directly behind the source, records that are not taken are never built. `count` "
             "reads the input twice, first for the identities alone, and must stand there.")
        .param("alpha", &Sample::alpha, "The share of the records to take, each by itself.")
        .range(0, 1)
        .example("0.04")
        .param("count", &Sample::count, "Takes exactly so many records instead.")
        .at_least(1)
        .unit("records")
        .example("40000");
  }

  void check(Checker& checker) const {
    if (alpha && count) checker.error("count", "'alpha' and 'count' exclude each other");
    if (!alpha && !count) checker.error("", "one of 'alpha' and 'count' is required");
  }

  bool needs_scan() const { return count.has_value(); }

  /// Finds the `count` records with the smallest draws, holding no more than that many.
  std::optional<Error> prepare(const RecordScan& scan, std::uint64_t seed) {
    if (!count) return std::nullopt;
    std::vector<Draw> chosen;  // a heap, the largest on top
    std::uint64_t seen = 0;
    const auto failed = scan([&](const RecordKey& key) {
      seen += 1;
      const Draw drawn = draw_of(key, seed);
      if (chosen.size() == *count) {
        if (!(drawn < chosen.front())) return;
        std::pop_heap(chosen.begin(), chosen.end());
        chosen.pop_back();
      }
      chosen.push_back(drawn);
      std::push_heap(chosen.begin(), chosen.end());
    });
    if (failed) return failed;
    if (chosen.size() < *count) {
      return Error{"too_few_records",
                   fmt::format("'count' asks for {} records, the input has {}", *count, seen)};
    }
    last_ = chosen.front();
    return std::nullopt;
  }

  bool keep(const RecordKey& key, std::uint64_t seed) const {
    if (alpha) return draw_fraction(seed, key, "sample") < *alpha;
    return !(last_ < draw_of(key, seed));
  }

 private:
  /// What records are ordered by. The index tells apart those that are equal to the letter.
  using Draw = std::pair<std::uint64_t, std::uint64_t>;

  static Draw draw_of(const RecordKey& key, std::uint64_t seed) {
    return {draw(seed, key, "sample"), key.index};
  }

  Draw last_;  ///< The largest draw that is taken.
};

FLOWTTS_STAGE(Sample)

}  // namespace flowtts
