#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/json.h>
#include <flowtts/pipeline.h>

#include "core/device/executor.h"
#include "core/json_value.h"

namespace flowtts {

/// What decides a run's results, as named facts: where they are all the same, two runs write the
/// same bytes, and one may go on with what the other has done. What does not change results is not
/// among them: concurrency, devices, lanes, limits, and the parameters that a stage has declared
/// `neutral`.
struct RunFact {
  /// Of kFactGroups: what the user calls it who accepts the change.
  std::string group;
  std::string name;   ///< "sample.alpha"
  std::string value;  ///< "0.04"
  bool operator==(const RunFact&) const = default;
};

/// Of the Error by which a run is refused that would go on with other results.
inline constexpr std::string_view kRunChangedCode = "run_changed";

/// "version": FlowTTS's own; "pipeline": stages, their parameters, the seed; "input": what the
/// source reads; "files": what other stages read, as a voice; "numerics": what devices compute in.
std::span<const std::string_view> fact_groups();

/// A fact that is no longer as it was.
struct FactChange {
  std::string group;
  std::string name;
  std::string was;  ///< Empty where there was no such fact.
  std::string is;   ///< Empty where there is none any more.
};

class RunIdentity {
 public:
  /// What can be said before anything is started. Reads the files that the stages name.
  static RunIdentity of(const Pipeline& pipeline);

  /// Adds what is known once the devices are loaded.
  void add_numerics(const Pipeline& pipeline, const DeviceExecutor& executor);

  /// How `now` differs from this one, in the order of `now`. Facts of a group that only one of the
  /// two has at all, as numerics before the devices are loaded, are not compared.
  std::vector<FactChange> changes_to(const RunIdentity& now) const;

  void write(JsonWriter& json) const;  ///< One array.
  static RunIdentity read(const JsonValue& json);

  const std::vector<RunFact>& facts() const { return facts_; }

 private:
  std::vector<RunFact> facts_;
};

/// The refusal of a run that would go on in `folder` with other results: what has changed, and what
/// the user may do. Nothing where all changes are accepted.
/// \param accepted groups, or "all".
std::optional<Error> refuse_changes(const std::vector<FactChange>& changes,
                                    std::span<const std::string> accepted,
                                    const std::filesystem::path& folder);

}  // namespace flowtts
