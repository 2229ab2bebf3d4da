#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/run.h>

#include "core/device/executor.h"
#include "core/run/output_folder.h"
#include "core/run/run_identity.h"
#include "core/run/run_state.h"

namespace flowtts {

/// A run's output folder, what earlier sessions have left in it, and which run this is.
struct RunPlace {
  std::shared_ptr<OutputFolder> folder;  ///< Null in a run without one.
  JournalContents contents;
  RunIdentity identity;

  bool goes_on() const { return contents.session.has_value(); }
  std::uint64_t session() const { return goes_on() ? contents.session->number + 1 : 1; }
  std::filesystem::path path() const { return folder ? folder->path() : std::filesystem::path(); }
};

/// Opens the folder and says whether this run may begin or go on there. Changes nothing that is
/// done.
std::optional<Error> take_place(const Pipeline& pipeline, const RunOptions& options,
                                RunPlace& place);

/// The first lines of a session: what is going on, and what was found damaged.
void tell_what_was_found(RunState& state, const RunPlace& place);

/// What the user wants done again is not done any more, for good. A run about one record makes it
/// anew whatever its folder holds.
std::optional<Error> redo_what_is_wanted(const RunOptions& options, RunPlace& place);

/// Counts all that is done, for the report of a run of which nothing is left to do.
RunReport report_of_complete(RunState& state, const JournalContents& contents);

/// Says in the journal which run this is, once all is known that its results depend on.
std::optional<Error> begin_session(const Pipeline& pipeline, const RunOptions& options,
                                   const DeviceExecutor* executor, RunPlace& place);

/// Writes the final run.json, and then into the journal that all is done: a run that was cut off
/// before it has its run.json is not complete.
std::optional<Error> end_session(OutputFolder& folder, const Pipeline& pipeline,
                                 const RunReport& report);

/// What earlier sessions did, as stages see it while they are opened.
class OpeningStages final : public EarlierSessions {
 public:
  OpeningStages(DoneRecords& done, RunState& state) : done_(done), state_(state) {}

  bool is_done(std::uint64_t index) const override { return done_.find(index) != nullptr; }
  std::vector<std::uint64_t> done() const override;
  void redo(std::uint64_t index, const std::string& why) override;
  void note(const std::string& text) override { state_.message(MessageLevel::kWarning, text); }

 private:
  DoneRecords& done_;
  RunState& state_;
};

}  // namespace flowtts
