#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace flowtts {

class PlanStore;

/// The pages that a planned sentence has in a store, which it keeps alive, until they are
/// destroyed.
class PlanPages {
 public:
  PlanPages(std::shared_ptr<PlanStore> store, std::vector<std::int64_t> pages, std::int64_t tokens)
      : store_(std::move(store)), pages_(std::move(pages)), tokens_(tokens) {}
  ~PlanPages();
  PlanPages(const PlanPages&) = delete;
  PlanPages& operator=(const PlanPages&) = delete;

  PlanStore& store() const { return *store_; }
  std::int64_t tokens() const { return tokens_; }
  /// The line of the store that has this token's numbers.
  std::int64_t line(std::int64_t token) const;

 private:
  const std::shared_ptr<PlanStore> store_;
  const std::vector<std::int64_t> pages_;
  const std::int64_t tokens_;
};

/// Where planned sentences wait on their device until they are rendered: one tensor, a line of
/// `width` numbers for each token, handed out in pages of some lines. Thousands of sentences of all
/// lengths come and go in any order here; as tensors of their own they would leave gaps in the
/// device's memory, which would so grow through a long run.
///
/// Any thread, with the device bound and a stream of its own.
class PlanStore : public std::enable_shared_from_this<PlanStore> {
 public:
  static constexpr std::int64_t kPageTokens = 8;

  /// \param tokens that it has room for at first. Where that is not enough it is doubled, which
  ///               waits for what is being put in.
  static std::shared_ptr<PlanStore> make(at::Device device, std::int64_t width,
                                         std::int64_t tokens);

  std::int64_t width() const { return width_; }
  std::int64_t room() const;  ///< Tokens.

  /// Sentences that are on their way into the store. To be kept until the stream has been waited
  /// for; from then on any stream may read them.
  struct Kept {
    std::shared_lock<std::shared_mutex> no_growth;
    std::vector<std::shared_ptr<const PlanPages>> sentences;
  };
  /// Puts the first rows of `tables` [rows, tokens, width] into the store on the current stream,
  /// each cut at its number of tokens, of which there is at least one. Throws c10::Error where the
  /// store has to grow and there is no memory.
  Kept keep(const at::Tensor& tables, std::span<const std::int64_t> tokens);

  /// All lines that can be read: [lines, width]. Line 0 is zeros.
  at::Tensor lines() const;

 private:
  friend class PlanPages;

  PlanStore(at::Device device, std::int64_t width, std::int64_t tokens);
  at::Tensor new_pages(std::int64_t count) const;
  bool take(std::int64_t count, std::vector<std::int64_t>& pages);
  void give_back(const std::vector<std::int64_t>& pages) noexcept;
  void grow(std::int64_t wanted);

  const at::Device device_;
  const std::int64_t width_;

  mutable std::shared_mutex growth_;  ///< Held while something is put in, alone while it grows.
  at::Tensor pages_;                  ///< [pages, kPageTokens, width]; the first page is zeros.
  std::vector<at::Tensor> outgrown_;  ///< Whose lines may still be being read.

  mutable std::mutex mutex_;
  std::vector<std::int64_t> free_;  ///< Has room for all pages, so that giving back cannot fail.
};

}  // namespace flowtts
