#pragma once

#include <flowtts/stage.h>

/// Stages to try on what the command line says of stages, in a registry of their own.
namespace flowtts::test {

struct Reading {
  static constexpr std::string_view kPayloadName = "Reading";
  std::size_t bytes() const { return sizeof *this; }
  void to_json(JsonWriter& json) const { json.begin_object().end_object(); }
};

struct ReadGauge final : Source<Reading> {
  std::filesystem::path path;
  static void describe(Spec<ReadGauge>& spec) {
    spec.name("read_gauge")
        .summary("Reads a gauge.")
        .param("path", &ReadGauge::path, "Its file.")
        .required();
  }
  std::optional<SourceRecord<Reading>> next(const KeepRecord&) { return std::nullopt; }
};

struct Weigh final : DeviceStage<Reading, Reading> {
  double factor = 0.5;
  int most = 40;
  bool strict = true;
  std::string unit = "kg";
  std::string label;
  ByteSize room{1 << 20};
  std::vector<std::string> roles{"human"};
  std::optional<double> limit;

  static void describe(Spec<Weigh>& spec) {
    spec.name("weigh")
        .summary("Weighs readings.")
        .runtime("torch")
        .doc("Slowly.\n\nBut | surely.")
        .param("factor", &Weigh::factor, "Times this.")
        .range(0, 1)
        .param("most", &Weigh::most, "The most.")
        .at_least(2)
        .unit("words")
        .example("12")
        .param("strict", &Weigh::strict, "Whether it is strict.")
        .param("unit", &Weigh::unit, "In which unit.")
        .one_of({"kg", "lb"})
        .param("label", &Weigh::label, "A name | or none.")
        .param("room", &Weigh::room, "How much room.")
        .at_least(1024)
        .param("roles", &Weigh::roles, "Whose.")
        .param("limit", &Weigh::limit, "The end.");
  }
  void check(Checker& checker) const {
    checker.note("weighs in kg");
    if (strict) checker.device_bytes(1 << 20, 128 << 10);
  }
  std::optional<Error> load(DeviceContext&) { return std::nullopt; }
  std::size_t length(const Reading&) const { return 1; }
  std::vector<Result<Reading>> process_batch(std::span<const BatchItem<Reading>> batch,
                                             DeviceContext&) const {
    return {batch.size(), Reading{}};
  }
};

struct Forget final : Sink<Reading> {
  static void describe(Spec<Forget>& spec) { spec.name("forget").summary("Forgets readings."); }
  std::optional<Error> process(const Reading&, const Item&) const { return std::nullopt; }
};

inline const StageRegistry& registry() {
  static const StageRegistry kRegistry = [] {
    StageRegistry made;
    made.add(make_stage_type<ReadGauge>());
    made.add(make_stage_type<Weigh>());
    made.add(make_stage_type<Forget>());
    return made;
  }();
  return kRegistry;
}

}  // namespace flowtts::test
