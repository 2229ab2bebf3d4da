#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "core/sealed_line.h"
#include "stages/io/manifest_file.h"
#include "stages/io/manifest_line.h"

namespace flowtts {

/// Writes one JSON line for each record: what it was, and what was made of it.
struct WriteManifest final : Gather<AudioFile, ManifestLine> {
  std::string file = "manifest.jsonl";

  static void describe(Spec<WriteManifest>& spec) {
    spec.name("write_manifest")
        .summary("Writes a line of JSON for each record: what it was, and what was made of it.")
        .doc(
            "A line has the record in the input's own shape, with all members that it had there. "
            "Each turn also has `spoken`, the text that was to be said, and `sentences`: of each, "
            "`text`, `spoken`, and either `audio` (the path below the output folder), "
            "`sample_rate`, `samples`, `seconds`, `peak`, `clipped` (where any sample was), "
            "`bytes` "
            "and `xxh3` (the file's length and its XXH3-64), `speaker`, `seed` and `voice`; or "
            "`status` (`filtered` or `failed`), `stage`, and "
            "`reason`, or `error` and `message`. The record's own `status` is `failed` where any "
            "item failed, else `written` where any was written, else `filtered`. A member of the "
            "input whose name is taken is called `input_...`. `xxh3`, the last member, is the "
            "XXH3-64 of all that stands before it in the line, and tells whether the line is "
            "whole; `flowtts verify` looks at it.\n\n"
            "At the end the lines are put in the order of the input.")
        .param("file", &WriteManifest::file, "The file's name in the run's output folder.")
        .may_end();
  }

  void check(Checker& checker) const {
    if (file.empty() || file.front() == '.' || file.find('/') != std::string::npos) {
      checker.error("file",
                    fmt::format("'{}' is not a plain file name such as 'manifest.jsonl'", file));
    }
  }

  std::optional<Error> open(const RunContext& context) {
    if (context.output.empty()) {
      return Error{"no_output", "write_manifest needs the run's output folder: set run.output"};
    }
    auto opened = ManifestFile::open(context.output / file, context.earlier);
    if (!opened) return opened.error();
    manifest_ = std::move(*opened);
    return std::nullopt;
  }

  std::optional<Error> commit() const { return manifest_->sync(); }

  std::optional<Error> close() {
    const std::shared_ptr<ManifestFile> manifest = std::exchange(manifest_, nullptr);
    return manifest ? manifest->sort() : std::nullopt;
  }

  Result<ManifestLine> process(const Gathered<AudioFile>& gathered, const Item& item) const {
    ManifestLine line{seal_line(manifest_line(item.record, gathered))};
    if (std::optional<Error> error = manifest_->append(line.json)) {
      // Without its line a record is not done: what could not be written must end the run.
      error->fatal = true;
      return *error;
    }
    return line;
  }

 private:
  std::shared_ptr<ManifestFile> manifest_;
};

FLOWTTS_STAGE(WriteManifest)

}  // namespace flowtts
