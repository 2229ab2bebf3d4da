#include "stages/neural/torch/plan_store.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "stages/neural/torch/device_numbers.h"

namespace flowtts {
namespace {

std::int64_t pages_for(std::int64_t tokens) {
  return (tokens + PlanStore::kPageTokens - 1) / PlanStore::kPageTokens;
}

}  // namespace

PlanPages::~PlanPages() { store_->give_back(pages_); }

std::int64_t PlanPages::line(std::int64_t token) const {
  return pages_[static_cast<std::size_t>(token / PlanStore::kPageTokens)] * PlanStore::kPageTokens +
         token % PlanStore::kPageTokens;
}

std::shared_ptr<PlanStore> PlanStore::make(at::Device device, std::int64_t width,
                                           std::int64_t tokens) {
  return std::shared_ptr<PlanStore>(new PlanStore(device, width, tokens));
}

PlanStore::PlanStore(at::Device device, std::int64_t width, std::int64_t tokens)
    : device_(device), width_(width) {
  pages_ = new_pages(1 + pages_for(tokens));
  free_.resize(static_cast<std::size_t>(pages_.size(0) - 1));
  std::iota(free_.rbegin(), free_.rend(), std::int64_t{1});
}

at::Tensor PlanStore::new_pages(std::int64_t count) const {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device_);
  at::Tensor pages = at::empty({count, kPageTokens, width_}, options);
  pages[0].zero_();
  return pages;
}

std::int64_t PlanStore::room() const {
  const std::shared_lock lock(growth_);
  return (pages_.size(0) - 1) * kPageTokens;
}

at::Tensor PlanStore::lines() const {
  const std::shared_lock lock(growth_);
  return pages_.view({-1, width_});
}

PlanStore::Kept PlanStore::keep(const at::Tensor& tables, std::span<const std::int64_t> tokens) {
  const std::int64_t pages_a_row = pages_for(tables.size(1));
  std::int64_t wanted = 0;
  for (const std::int64_t count : tokens) wanted += pages_for(count);
  Kept kept;
  std::vector<std::int64_t> pages;
  for (;;) {
    kept.no_growth = std::shared_lock(growth_);
    if (take(wanted, pages)) break;
    kept.no_growth.unlock();
    grow(wanted);
  }
  auto next = pages.cbegin();
  for (const std::int64_t count : tokens) {
    const auto end = next + pages_for(count);
    kept.sentences.push_back(std::make_shared<const PlanPages>(
        shared_from_this(), std::vector<std::int64_t>(next, end), count));
    next = end;
  }
  DeviceNumbers numbers(2 * wanted, device_);
  std::int64_t* from = numbers.data();
  std::copy(pages.begin(), pages.end(), from + wanted);
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    for (std::int64_t page = 0; page < pages_for(tokens[row]); ++page) {
      *from++ = static_cast<std::int64_t>(row) * pages_a_row + page;
    }
  }
  numbers.send();
  const at::Tensor rows =
      at::constant_pad_nd(tables, {0, 0, 0, pages_a_row * kPageTokens - tables.size(1)})
          .view({-1, kPageTokens, width_});
  pages_.index_copy_(0, numbers.cut(wanted, wanted), rows.index_select(0, numbers.cut(0, wanted)));
  return kept;
}

bool PlanStore::take(std::int64_t count, std::vector<std::int64_t>& pages) {
  const std::lock_guard lock(mutex_);
  if (static_cast<std::int64_t>(free_.size()) < count) return false;
  pages.assign(free_.end() - count, free_.end());
  free_.resize(free_.size() - static_cast<std::size_t>(count));
  return true;
}

void PlanStore::give_back(const std::vector<std::int64_t>& pages) noexcept {
  const std::lock_guard lock(mutex_);
  free_.insert(free_.end(), pages.begin(), pages.end());
}

void PlanStore::grow(std::int64_t wanted) {
  const std::unique_lock alone(growth_);
  {
    const std::lock_guard lock(mutex_);
    if (static_cast<std::int64_t>(free_.size()) >= wanted) return;  // somebody else was here
  }
  const std::int64_t before = pages_.size(0);
  const std::int64_t after = std::max(2 * before, before + wanted);
  at::Tensor larger = new_pages(after);
  larger.narrow(0, 0, before).copy_(pages_);
  if (device_.is_cuda()) {  // other streams read what this one copies
    const c10::impl::VirtualGuardImpl guard(device_.type());
    guard.synchronizeStream(guard.getStream(device_));
  }
  outgrown_.push_back(std::exchange(pages_, std::move(larger)));
  const std::lock_guard lock(mutex_);
  free_.reserve(static_cast<std::size_t>(after));
  for (std::int64_t page = before; page < after; ++page) free_.push_back(page);
}

}  // namespace flowtts
