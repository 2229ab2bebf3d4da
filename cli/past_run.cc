#include "cli/past_run.h"

#include <system_error>
#include <utility>

#include <flowtts/json.h>
#include <fmt/format.h>

#include "core/json_value.h"
#include "core/run/output_folder.h"

namespace flowtts::cli {

std::string text_override(const std::string& name, const std::string& value) {
  JsonWriter json;
  json.value(value);
  return fmt::format("{}={}", name, json.text());
}

namespace {

/// A configuration as it took effect has its variables put in: they would only be called unused.
std::string without_variables(const std::string& config) {
  JsonWriter json;
  json.begin_object();
  for (const auto& [key, value] : JsonValue::parse(config).members()) {
    if (key != "vars") json.key(key).raw(value.json());
  }
  json.end_object();
  return std::string(json.text());
}

}  // namespace

Result<PastRun> read_past_run(const std::filesystem::path& folder) {
  auto journal = read_journal(folder / OutputFolder::kJournal);
  if (!journal.ok()) return journal.error();
  if (!journal->session) {
    return Error{"no_session", fmt::format("no run had begun in {} when it was ended: there is "
                                           "nothing to look at",
                                           folder.string())};
  }
  std::error_code unknown;
  return PastRun{std::filesystem::absolute(folder, unknown).lexically_normal(),
                 std::move(*journal)};
}

std::optional<Pipeline> past_pipeline(const PastRun& past, std::vector<std::string> overrides,
                                      Diagnostics& diagnostics) {
  const JournalSession& session = *past.journal.session;
  std::error_code failed;
  std::filesystem::current_path(session.directory, failed);
  if (failed) {
    diagnostics.error({session.file, 0, 0}, "no-directory",
                      fmt::format("the run was begun in {}, from where its paths are meant: {}",
                                  session.directory, failed.message()));
    return std::nullopt;
  }
  Pipeline::Options options;
  options.overrides.push_back(text_override("run.output", past.folder.string()));
  for (std::string& one : overrides) options.overrides.push_back(std::move(one));
  return Pipeline::parse(without_variables(session.config_json), session.file, options,
                         diagnostics);
}

}  // namespace flowtts::cli
