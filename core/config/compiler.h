#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/config/yaml_tree.h"

namespace flowtts {

/// Reads the limit of `on_error.max_failed`; see settings.cc.
std::optional<double> parse_max_failed(std::string_view text, bool& share);

/// "4GiB" is bytes, "80%" a share of what a device has. Nothing where it is neither.
std::optional<MemoryLimit> parse_memory_limit(std::string_view text);

/// Turns a pipeline file's tree into a Pipeline, reporting everything that is wrong with it in one
/// pass. Used once.
class PipelineCompiler {
 public:
  PipelineCompiler(const Pipeline::Options& options, Diagnostics& diagnostics)
      : options_(options), diagnostics_(diagnostics) {}

  std::optional<Pipeline> compile(yaml::NodePtr root, const std::string& file);

  /// One stage alone, from the lines that it has in a file; for `testing::StageRunner`.
  std::optional<PipelineStage> compile_stage(const yaml::NodePtr& node, const std::string& file);

 private:
  void read_head(const yaml::Node& root);
  void read_run(const yaml::Node* run);
  void read_stages(const yaml::Node& list);
  void read_stage(const yaml::NodePtr& node);
  void read_type(const yaml::Node& node, PipelineStage& stage);
  void read_numbers(const yaml::Node& node, PipelineStage& stage);
  void read_devices(const yaml::Node& node, PipelineStage& stage);
  std::optional<std::vector<std::string>> read_device_names(const yaml::Node& node,
                                                            const PipelineStage& stage);
  void read_place_of_map(const yaml::Node& node, PipelineStage& stage);
  void configure(const yaml::Node& node, PipelineStage& stage);

  void connect();
  void connect_stage(std::size_t index);
  std::optional<std::size_t> find_stage(const yaml::Node& name, std::size_t asking);
  /// The stages in the order of the flow. Cycles are reported, and their stages put in anywhere.
  std::vector<std::size_t> flow_order();
  /// Reports a cycle among these stages and returns its members.
  std::vector<std::size_t> report_cycle(const std::vector<std::size_t>& unsettled);
  void check_sources();
  void check_ends();
  void check_types(const std::vector<std::size_t>& order);
  void place_record_filters();
  void place_lane_maps();
  void place_retakes();
  /// Finds the way back from a stage that may ask for another take.
  /// \return the stages on it, the device stage last; or nothing, and then why.
  std::optional<std::vector<std::size_t>> way_back(std::size_t from, std::string& why) const;
  void estimate_growth(const std::vector<std::size_t>& order);

  std::string name_of(const PipelineStage& stage) const;
  void error(const SourcePosition& where, std::string code, std::string message) {
    diagnostics_.error(where, std::move(code), std::move(message));
  }

  const Pipeline::Options& options_;
  Diagnostics& diagnostics_;
  Pipeline pipeline_;
  std::vector<yaml::NodePtr> nodes_;  ///< What each stage was read from.
  bool edges_known_ = true;           ///< Every `from` names stages.
  std::optional<std::vector<DeviceInfo>> gpus_;
};

/// The tree as JSON text; texts that YAML reads as numbers, true, false or null are written as
/// such.
std::string tree_json(const yaml::Node& node);

}  // namespace flowtts
