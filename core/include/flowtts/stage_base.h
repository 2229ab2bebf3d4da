#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/item.h>
#include <flowtts/payload.h>
#include <flowtts/result.h>
#include <flowtts/spec.h>

namespace flowtts {

/// What earlier sessions of a run have done, for a stage that keeps something of each record and
/// finds it again when the run goes on. Used in `open` only.
class EarlierSessions {
 public:
  virtual ~EarlierSessions() = default;

  /// Whether the record of that index is done: all that was made of it lasts, and it is not worked
  /// on again. What a stage finds of a record that is not done is to go: it is made anew.
  virtual bool is_done(std::uint64_t index) const = 0;
  virtual std::vector<std::uint64_t> done() const = 0;  ///< Their indexes, in order.

  /// A record is to be done again, since what the stage had of it is missing or damaged. `why` is a
  /// sentence that names the place.
  virtual void redo(std::uint64_t index, const std::string& why) = 0;

  /// Tells the user what was found and mended.
  virtual void note(const std::string& text) = 0;
};

/// What a stage may know of the run. Valid between `open` and the end of `close`.
struct RunContext {
  /// Takes a line of text from any thread, also after the end, when it does nothing. May be empty.
  using Words = std::function<void(const std::string&)>;

  std::filesystem::path output;  ///< The run's output folder; exists. Empty in a run without one.
  std::uint64_t seed = 0;
  EarlierSessions* earlier = nullptr;  ///< Where the run goes on; valid during `open`.
  /// Says that something about so many items is not as it should be, though they go on: counted by
  /// code in run.json and the summary, kept in the log. 0 items: they are counted later. Any
  /// thread, until `close` returns. Empty outside of a run.
  std::function<void(const std::string& code, const std::string& message, std::uint64_t items)>
      doubt = {};
  /// Takes back that a record of that index is done: what was made of it turned out not to be
  /// trusted. It is done again when the run goes on. In `close` only. Empty outside of a run that
  /// keeps a journal.
  std::function<void(std::uint64_t index)> undo = {};
  /// Requested when nothing more is to be read: the run was interrupted or has failed. A source
  /// that waits for its input gives up waiting then, and returns nothing.
  std::stop_token stop{};
  Words log = {};   ///< Into the run's log, for whoever looks there.
  Words warn = {};  ///< Into the log, and before the user's eyes.
};

/// Takes what a stage's `check` finds wrong with its parameters.
class Checker {
 public:
  virtual ~Checker() = default;
  /// \param param the parameter at fault, or empty for the stage as a whole.
  virtual void error(std::string_view param, std::string message) = 0;
  virtual void warning(std::string_view param, std::string message) = 0;
  /// A line for the plan that `flowtts check` prints: what this stage will do or need.
  virtual void note(std::string text) = 0;
  /// The device memory that the stage needs at the most, bytes: what is there once on each device
  /// (weights), and what each item of a batch takes while a lane works on it.
  virtual void device_bytes(std::uint64_t once, std::uint64_t each_item) = 0;
};

/// Asked by a source for each record as soon as the record's identity is known, once, in input
/// order; where it says no, the source need not make the record. It also counts the record as read.
using KeepRecord = std::function<bool(const RecordKey&)>;

/// A record as a source makes it.
template <PayloadType Out>
struct SourceRecord {
  RecordKey key;
  std::uint64_t offset = 0;  ///< Where it stands in the input, bytes; for diagnostics.
  Result<Out> payload;       ///< An Error for a malformed record: it fails, the run goes on.
};

/// Makes the records: `std::optional<SourceRecord<Out>> next(const KeepRecord& keep)`, nothing at
/// the end. Called by one dedicated thread that may block on I/O. `open` prepares it, and may be
/// called again after `close` to start from the beginning. Malformed records that have no identity
/// are returned without asking `keep`. It may have `double fraction() const`, called from other
/// threads: the share of the input that has been read, 0 to 1, for the remaining time.
template <PayloadType OutT>
struct Source {
  using Out = OutT;
};

/// Makes one item of one: `Out process(const In&, const Item&) const`, or `Result<Out>`. `In` may
/// be taken by value where a copy is to be changed.
///
/// It may have a second form for devices: `process_batch` as a DeviceStage has it, and
/// `bool runs_in_lane(DeviceId) const`. As the only follower of a device stage on such devices it
/// then runs in that stage's lanes, on what is still on the device, and is no node of the graph.
template <PayloadType InT, PayloadType OutT>
struct Map {
  using In = InT;
  using Out = OutT;
};

/// What a filter says of an item that goes on.
struct Passed {};

/// Lets items pass or not: `std::optional<Filtered> process(const In&, const Item&) const`; or,
/// where an item may also be found faulty, `Result<Passed>`. What passes is not copied.
template <PayloadType InT>
struct Filter {
  using In = InT;
  using Out = InT;
};

/// Decides by a record's identity alone, whatever the payload: `bool keep(const RecordKey&,
/// std::uint64_t seed) const`. Directly behind a source it is asked by the source itself, so that a
/// record that is not kept is never made. Such records are counted and leave no manifest line.
///
/// Where it has `std::optional<Error> prepare(const RecordScan&, std::uint64_t seed)`, that is
/// called before the run with a scan over all of the source's keys; such a filter must stand
/// directly behind a source unless `needs_scan() const` says false.
struct RecordFilter {};
using RecordScan =
    std::function<std::optional<Error>(const std::function<void(const RecordKey&)>&)>;

/// Makes any number of items of one: `std::vector<Out> process(const In&, const Item&) const`, or
/// `Result<std::vector<Out>>`. An empty vector filters the item with the reason "empty".
template <PayloadType InT, PayloadType OutT>
struct Expand {
  using In = InT;
  using Out = OutT;
};

/// Where an item of a record ended before it reached a `Gather`.
struct EndedItem {
  std::vector<std::uint32_t> path;
  std::string stage;           ///< The id of the stage where it ended.
  AnyPayload payload;          ///< What that stage was given; empty where the source itself failed.
  Result<bool> outcome{true};  ///< Filtered or Error; true where it was written elsewhere.
};

/// All that became of one record.
template <PayloadType In>
struct Gathered {
  struct Arrived {
    std::vector<std::uint32_t> path;
    std::shared_ptr<const In> payload;
  };
  AnyPayload origin;             ///< What the source made; empty where it was malformed.
  std::uint64_t offset = 0;      ///< Of the record in the input, bytes.
  std::vector<Arrived> arrived;  ///< Sorted by path.
  std::vector<EndedItem> ended;  ///< Sorted by path.
};

/// Brings all items of a record together again: `Out process(const Gathered<In>&, const Item&)`, or
/// `Result<Out>`. Called once for every record that entered the graph, when each of its items has
/// arrived here or ended elsewhere; also for a record of which nothing arrived. One whose spec says
/// `in_order()` gets them in the order of the input.
template <PayloadType InT, PayloadType OutT>
struct Gather {
  using In = InT;
  using Out = OutT;
};

/// One item of a batch.
template <PayloadType In>
struct BatchItem {
  const In& payload;
  const Item& item;
};

/// One item of a batch's second half, with what `prepare_batch` made of it.
template <PayloadType In, class Prepared>
struct PreparedItem {
  const In& payload;
  const Item& item;
  const Prepared& prepared;
};

/// Works on a device, a batch at a time. The executor copies the configured stage for each device
/// and then calls
///
///     std::optional<Error> load(DeviceContext&);                 // once on each device's copy
///     std::size_t length(const In&) const;                       // what batches are bucketed by
///     std::vector<Result<Out>> process_batch(std::span<const BatchItem<In>>, DeviceContext&)
///     const; std::size_t max_batch(DeviceId) const;                     // optional: its own
///     limit; 0: none
///
/// `process_batch` is called by the device's lanes, several at once, each on its own thread with
/// the device, a stream and thread counts bound; it returns one result an item, in order, and sees
/// no queue, thread or other device. An Error without payload (`fatal`) ends the run; two codes
/// mean more than that, see kOutOfMemoryCode and kDeviceLostCode.
///
/// Runtime. A stage that only knows once its parameters are set which device runtime its lanes need
/// may have
///
///     std::string runtime() const;
///
/// asked once, by `flowtts check` as well, in place of what its spec says. On the runtime "host" it
/// works on CPUs alone.
///
/// Fixed shapes. Where what a device computes depends on the shape of a batch, a stage may have
///
///     BatchShapes shapes() const;                                // asked once, after `load`
///
/// and fills its batches up to DeviceContext::rows, which tells how many rows the shape has. Only
/// where memory is short are they fewer than the class says: a half, a quarter and so on.
///
/// What it has loaded, told in the log and in run.json:
///
///     std::string numerics() const;        // what decides its results beside pipeline and input
///     std::string advice() const;          // what the user had better do; empty where all is well
///
/// Two halves. A stage that learns by a cheap first half how long an item really is may have
///
///     using Prepared = ...;                                      // stays on its device; movable
///     bool prepares() const;                                     // once loaded: whether it works
///     so std::vector<Result<Prepared>> prepare_batch(std::span<const BatchItem<In>>,
///     DeviceContext&) const; std::size_t prepared_length(const Prepared&) const; BatchShapes
///     prepared_shapes() const;                       // optional, as shapes
///     std::size_t look_ahead() const;                // optional: how many may wait prepared where
///                                                    // that is fewer than the pipeline's; 0: its
///     std::vector<Result<Out>> finish_batch(std::span<const PreparedItem<In, Prepared>>,
///                                           DeviceContext&) const;
///
/// beside `process_batch`. Prepared items wait on their device, bucketed by `prepared_length`, and
/// any of its lanes may finish them; a copy of the stage that was loaded later as well.
template <PayloadType InT, PayloadType OutT>
struct DeviceStage {
  using In = InT;
  using Out = OutT;
};

/// Takes items out of the graph: `std::optional<Error> process(const In&, const Item&) const`.
template <PayloadType InT>
struct Sink {
  using In = InT;
};

}  // namespace flowtts
