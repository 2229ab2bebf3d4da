#pragma once

#include <cstddef>
#include <vector>

#include <flowtts/pipeline.h>

namespace flowtts {

/// The stages in the order of the flow; the pipeline is known to have no cycle.
std::vector<std::size_t> flow_order(const std::vector<PipelineStage>& stages);

/// How many threads work at CPU stages where the pipeline does not say: all cores, but those that
/// lanes of GPUs keep busy with launching and waiting, for where a burst of files takes such a core
/// away, the card waits too. At least half of the cores.
int automatic_threads(const std::vector<PipelineStage>& stages);

/// Whether what reaches a stage is worked on by the thread that made it, without a node of the
/// graph between: both are CPU stages, neither of them a gather, and all that the one makes is one
/// item for the other alone, which gets nothing else. Stages that follow one another so are a line.
bool goes_on_in_thread(const std::vector<PipelineStage>& stages, std::size_t stage);

}  // namespace flowtts
