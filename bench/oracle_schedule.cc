#include "bench/oracle_schedule.h"

#include <algorithm>
#include <utility>

namespace flowtts::bench {

Schedule::Schedule(std::span<const SpokenSentence> sentences, const VoiceEngine& engine,
                   std::size_t max_items, std::size_t window, int passes)
    : plans_(engine.plans()),
      max_items_(engine.max_batch() > 0 ? std::min(max_items, engine.max_batch()) : max_items),
      shapes_(engine.shapes()),
      render_shapes_(engine.render_shapes()),
      passes_(static_cast<std::size_t>(passes)) {
  for (std::size_t begin = 0; begin < sentences.size(); begin += window) {
    add_window(sentences.subspan(begin, std::min(window, sentences.size() - begin)));
  }
}

void Schedule::add_window(std::span<const SpokenSentence> sentences) {
  Window& added = windows_.emplace_back();
  for (const SpokenSentence& sentence : sentences) added.order.push_back(&sentence);
  std::stable_sort(added.order.begin(), added.order.end(), [](const auto* a, const auto* b) {
    return a->tokens.size() > b->tokens.size();
  });
  std::vector<std::size_t> lengths;
  for (const SpokenSentence* sentence : added.order) lengths.push_back(sentence->tokens.size());
  added.cuts = cut(lengths, shapes_);
}

std::vector<Schedule::Cut> Schedule::cut(const std::vector<std::size_t>& lengths,
                                         const BatchShapes& shapes) const {
  std::vector<Cut> cuts;
  for (std::size_t begin = 0; begin < lengths.size();) {
    const std::size_t fixed = shapes.rows(lengths[begin]);
    const std::size_t most = fixed > 0 ? fixed : max_items_;
    std::size_t end = begin + 1;
    while (end < lengths.size() && end - begin < most && shapes.rows(lengths[end]) == fixed) ++end;
    const std::size_t rows = fixed > 0 ? fixed : end - begin;
    cuts.push_back({begin, end, rows, rows * shapes.padded(lengths[begin])});
    begin = end;
  }
  return cuts;
}

std::optional<Task> Schedule::take() {
  std::unique_lock lock(mutex_);
  while (failure_.empty()) {
    // New ones are planned quickly and leave room: two of them, then one that is rendered.
    if (first_left() && (!second_left() || ++turn_ % 3 != 0)) return first_task();
    if (second_left()) return second_task();
    if (plans_away_ > 0) {
      changed_.wait(lock);
    } else if (!advance()) {
      break;
    }
  }
  return std::nullopt;
}

/// All of the window before has been taken, and this one is planned.
bool Schedule::advance() {
  second_ = std::exchange(planned_, {});
  second_cuts_ = std::exchange(planned_cuts_, {});
  second_next_ = 0;
  const bool more = at_ < windows_.size() * passes_;
  if (more) {
    ++at_;
    first_next_ = 0;
  }
  return more || second_left();
}

Task Schedule::first_task() {
  const Cut& batch = window().cuts[first_next_++];
  Task task{plans_ ? Task::Kind::kPlan : Task::Kind::kSpeak, {}, {}, batch.rows, 0, batch.padded};
  for (std::size_t i = batch.begin; i < batch.end; ++i) {
    task.inputs.push_back(window().order[i]->input());
    task.useful += window().order[i]->tokens.size();
  }
  if (plans_) ++plans_away_;
  return task;
}

Task Schedule::second_task() {
  const Cut& batch = second_cuts_[second_next_++];
  Task task{Task::Kind::kRender, {}, {}, batch.rows, 0, batch.padded};
  for (std::size_t i = batch.begin; i < batch.end; ++i) {
    task.useful += second_[i]->frames;
    task.plans.push_back(std::move(second_[i]));
  }
  return task;
}

void Schedule::planned(std::vector<VoicePlanPtr> plans) {
  const std::lock_guard lock(mutex_);
  std::move(plans.begin(), plans.end(), std::back_inserter(planned_));
  --plans_away_;
  if (plans_away_ == 0 && !first_left()) sort_planned();
  changed_.notify_all();
}

void Schedule::sort_planned() {
  std::stable_sort(planned_.begin(), planned_.end(),
                   [](const auto& a, const auto& b) { return a->frames > b->frames; });
  std::vector<std::size_t> lengths;
  for (const VoicePlanPtr& plan : planned_) lengths.push_back(plan->frames);
  planned_cuts_ = cut(lengths, render_shapes_);
}

void Schedule::fail(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = why;
  changed_.notify_all();
}

std::string Schedule::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace flowtts::bench
