#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/spoken_sentences.h"

namespace flowtts::bench {

/// What a lane does at once.
struct Task {
  enum class Kind { kPlan, kRender, kSpeak };
  Kind kind = Kind::kSpeak;
  std::vector<VoiceInput> inputs;   ///< To plan or to speak.
  std::vector<VoicePlanPtr> plans;  ///< To render.
  std::size_t rows = 0;             ///< Of the batch's shape.
  std::size_t useful = 0;           ///< Sum of the lengths, tokens or frames.
  std::size_t padded = 0;           ///< Rows × longest length as the shape has it.
};

/// Sentences in batches without waste, for lanes that never wait: all are known beforehand, sorted
/// by tokens, planned, sorted by their true frames and rendered, the longest first. A window is
/// planned while the one before it is rendered, since planning alone does not fill a device.
///
/// For any thread. A voice that does not plan is spoken in batches by tokens.
class Schedule {
 public:
  /// \param max_items of a batch of an engine without fixed shapes.
  /// \param window    sentences that are sorted together.
  /// \param passes    how often all sentences are gone over.
  Schedule(std::span<const SpokenSentence> sentences, const VoiceEngine& engine,
           std::size_t max_items, std::size_t window, int passes);

  /// Nothing at the end, or where a lane has failed.
  std::optional<Task> take();

  /// What became of a task of the kind kPlan.
  void planned(std::vector<VoicePlanPtr> plans);

  /// Ends the work for all lanes; the first reason is kept.
  void fail(const std::string& why);
  std::string failure() const;

 private:
  /// A run of neighbours of one shape.
  struct Cut {
    std::size_t begin, end;
    std::size_t rows;
    std::size_t padded;
  };
  struct Window {
    std::vector<const SpokenSentence*> order;  ///< Most tokens first.
    std::vector<Cut> cuts;
  };
  std::vector<Cut> cut(const std::vector<std::size_t>& lengths, const BatchShapes& shapes) const;
  void add_window(std::span<const SpokenSentence> sentences);
  bool first_left() const { return at_ > 0 && first_next_ < window().cuts.size(); }
  bool second_left() const { return second_next_ < second_cuts_.size(); }
  const Window& window() const { return windows_[(at_ - 1) % windows_.size()]; }
  Task first_task();
  Task second_task();
  bool advance();
  void sort_planned();

  const bool plans_;
  const std::size_t max_items_;
  const BatchShapes shapes_;
  const BatchShapes render_shapes_;
  std::vector<Window> windows_;
  const std::size_t passes_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string failure_;
  std::size_t at_ = 0;  ///< Windows that have been begun, over all passes.
  std::size_t first_next_ = 0;
  std::size_t plans_away_ = 0;  ///< Tasks of the kind kPlan with a lane.
  std::size_t turn_ = 0;
  std::vector<VoicePlanPtr> planned_;  ///< Of the window at work; sorted once it is whole.
  std::vector<Cut> planned_cuts_;
  std::vector<VoicePlanPtr> second_;  ///< Of the window before.
  std::vector<Cut> second_cuts_;
  std::size_t second_next_ = 0;
};

}  // namespace flowtts::bench
