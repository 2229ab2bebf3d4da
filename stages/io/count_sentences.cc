#include <flowtts/payloads.h>
#include <flowtts/stage.h>

namespace flowtts {

/// Takes sentences out of the graph and does nothing with them.
struct CountSentences final : Sink<Sentence> {
  static void describe(Spec<CountSentences>& spec) {
    spec.name("count_sentences")
        .summary("Counts sentences and drops them.")
        .doc("For a look at what a pipeline would speak, and for measuring everything before the "
             "voice: the run's summary says how many arrived.");
  }

  std::optional<Error> process(const Sentence&, const Item&) const { return std::nullopt; }
};

FLOWTTS_STAGE(CountSentences)

}  // namespace flowtts
