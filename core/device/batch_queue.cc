#include "core/device/batch_queue.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace flowtts {
namespace {

/// How often as many jobs as wait may come after one that still waits. Less fills batches worse: of
/// 4,096 waiting sentences, batches of 64 are 96.9% useful with 1.5, 97.5% with 3 and with 10.
constexpr std::uint64_t kPatience = 3;

/// How many batches are left when the longest begin to go first. Any earlier, and what came first
/// would be finished last: an interruption would find many records begun and few done.
constexpr std::size_t kLastBatches = 16;

}  // namespace

/// Neighbours in the order of length, as positions in it.
struct BatchQueue::Window {
  std::size_t first_group = 0;
  std::size_t last_group = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  double useful = 0;  ///< Share of the padded length.
  bool full = false;
  bool holds_oldest = false;

  std::size_t count() const { return end - begin; }
};

struct BatchQueue::Choice {
  std::optional<Window> full;              ///< The most useful.
  std::optional<Window> full_with_oldest;  ///< The most useful.
  std::optional<Window> most_with_oldest;  ///< The one with the most jobs.
};

BatchLimits BatchLimits::fixed() const {
  BatchLimits limits = *this;
  limits.ceiling = nullptr;
  const std::size_t now = ceiling ? ceiling->value() : 0;
  if (now > 0 && (max_length == 0 || now < max_length)) limits.max_length = now;
  return limits;
}

std::size_t BatchLimits::rows(std::size_t longest) const {
  if (ceiling) return fixed().rows(longest);
  const std::size_t length = std::max<std::size_t>(1, shapes.padded(longest));
  const std::size_t most = max_length > 0 ? max_length : std::numeric_limits<std::size_t>::max();
  const std::size_t fitting = std::max<std::size_t>(1, most / length);
  std::size_t rows = shapes.rows(longest);
  if (rows == 0) return std::min(std::max<std::size_t>(max_items, 1), fitting);
  while (rows > fitting && rows > 1) rows /= 2;
  return rows;
}

void BatchQueue::push(std::size_t length, Time now, LaneJob&& job) {
  std::deque<Entry>& group = groups_[length];
  try {
    group.emplace_back(arrivals_, now, std::move(job));  // moved once there is memory for it
  } catch (...) {
    if (group.empty()) groups_.erase(length);
    throw;
  }
  ++arrivals_;
  ++size_;
}

bool BatchQueue::may_be_full(const BatchLimits& limits) const {
  return size_ > 0 && size_ >= limits.rows(groups_.rbegin()->first);
}

BatchQueue::Groups::const_iterator BatchQueue::oldest_group() const {
  return std::min_element(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) {
    return a.second.front().number < b.second.front().number;
  });
}

std::optional<BatchQueue::Time> BatchQueue::next_due() const {
  if (empty()) return std::nullopt;
  return oldest_group()->second.front().arrival + max_wait_;
}

std::optional<Batch> BatchQueue::take(const BatchLimits& moving, Time now, bool at_once) {
  if (empty()) return std::nullopt;
  const BatchLimits limits = moving.fixed();
  const bool due = at_once || now >= *next_due();
  if (!due && !may_be_full(limits)) return std::nullopt;

  survey(limits);
  const auto oldest = oldest_group();
  const auto is_oldest = [&](const Group& group) { return group.place == oldest; };
  const auto position = std::find_if(survey_.begin(), survey_.end(), is_oldest) - survey_.begin();
  const Choice choice = choose(limits, static_cast<std::size_t>(position));

  const std::uint64_t passed_by = arrivals_ - oldest->second.front().number;
  const bool turn_of_oldest = !is_end(limits) && passed_by > kPatience * size_;
  if (turn_of_oldest && choice.full_with_oldest) {
    return remove(*choice.full_with_oldest, limits, now);
  }
  if (choice.full && !(turn_of_oldest && due)) return remove(*choice.full, limits, now);
  if (due) return remove(*choice.most_with_oldest, limits, now);
  return std::nullopt;
}

bool BatchQueue::is_end(const BatchLimits& limits) const {
  return nothing_comes_ && size_ <= kLastBatches * limits.max_items;
}

/// Lays the lengths out beside one another, with running sums.
void BatchQueue::survey(const BatchLimits& limits) {
  survey_.clear();
  std::size_t end = 0;
  double sum = 0;
  for (auto place = groups_.begin(); place != groups_.end(); ++place) {
    end += place->second.size();
    sum += static_cast<double>(place->first) * static_cast<double>(place->second.size());
    survey_.push_back({place, limits.shapes.rows(place->first), end, sum});
  }
}

/// Looks at one window for each longest length: as many jobs as fit, the longest that there are of
/// its shape.
BatchQueue::Choice BatchQueue::choose(const BatchLimits& limits, std::size_t oldest) const {
  Choice choice;
  const auto better = [end = is_end(limits)](const Window& a, const std::optional<Window>& b) {
    if (!b || end || a.useful > b->useful) return true;  // they come shortest first
    return a.useful == b->useful && a.holds_oldest && !b->holds_oldest;
  };
  Window window;
  std::size_t shape_begin = 0;  // jobs of other shapes, which are shorter
  for (window.last_group = 0; window.last_group < survey_.size(); ++window.last_group) {
    const Group& last = survey_[window.last_group];
    const std::size_t longest = last.place->first;
    const std::size_t rows = limits.rows(longest);
    if (window.last_group > 0 && survey_[window.last_group - 1].shape != last.shape) {
      shape_begin = survey_[window.last_group - 1].end;
    }
    window.end = last.end;
    window.begin = std::max(window.end > rows ? window.end - rows : 0, shape_begin);
    // The longer the longest, the fewer the rows: `begin` only ever moves on.
    while (survey_[window.first_group].end <= window.begin) ++window.first_group;
    const Group& first = survey_[window.first_group];
    const double sum =
        last.sum_end - first.sum_end +
        static_cast<double>(first.end - window.begin) * static_cast<double>(first.place->first);
    const double padded =
        static_cast<double>(limits.shapes.padded(longest)) * static_cast<double>(window.count());
    window.useful = padded > 0 ? sum / padded : 1;
    window.full = window.count() == rows;
    window.holds_oldest = window.first_group <= oldest && oldest <= window.last_group;

    if (window.full && better(window, choice.full)) choice.full = window;
    if (!window.holds_oldest) continue;
    if (window.full && better(window, choice.full_with_oldest)) {
      choice.full_with_oldest = window;
    }
    const std::optional<Window>& most = choice.most_with_oldest;
    if (!most || window.count() > most->count() ||
        (window.count() == most->count() && window.useful > most->useful)) {
      choice.most_with_oldest = window;
    }
  }
  return choice;
}

/// Takes the window's jobs out. Of its shortest length it may hold a part: the oldest of them.
Batch BatchQueue::remove(const Window& window, const BatchLimits& limits, Time now) {
  Batch batch;
  batch.jobs.reserve(window.count());
  const std::size_t longest = survey_[window.last_group].place->first;
  batch.longest = limits.shapes.padded(longest);
  batch.rows = limits.shapes.rows(longest) > 0 ? limits.rows(longest) : window.count();
  std::size_t wanted = survey_[window.first_group].end - window.begin;
  for (std::size_t g = window.first_group; g <= window.last_group; ++g) {
    const auto place = survey_[g].place;
    std::deque<Entry>& group = place->second;
    if (g > window.first_group) wanted = group.size();
    batch.length += place->first * wanted;
    for (std::size_t i = 0; i < wanted; ++i) {
      batch.waited_s += std::chrono::duration<double>(now - group.front().arrival).count();
      batch.jobs.push_back(std::move(group.front().job));
      group.pop_front();
    }
    if (group.empty()) groups_.erase(place);
  }
  size_ -= batch.jobs.size();
  return batch;
}

std::vector<LaneJob> BatchQueue::take_all() {
  std::vector<LaneJob> jobs;
  jobs.reserve(size_);
  for (auto& [length, group] : groups_) {
    for (Entry& entry : group) jobs.push_back(std::move(entry.job));
  }
  groups_.clear();
  size_ = 0;
  return jobs;
}

}  // namespace flowtts
