#include "stages/neural/torch/failure.h"

#include <algorithm>
#include <array>
#include <utility>

#include <flowtts/device.h>

namespace flowtts {
namespace {

constexpr std::size_t kLongestMessage = 500;

constexpr std::array<std::string_view, 5> kOutOfMemory{
    "out of memory",               // CUDA's allocator, and cudaErrorMemoryAllocation
    "can't allocate memory",       // LibTorch's allocator for the host
    "CUBLAS_STATUS_ALLOC_FAILED",  // the libraries' own workspaces
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
};

/// After these the device's context refuses every further call (CUDA calls them sticky).
constexpr std::array<std::string_view, 6> kDeviceLost{
    "device-side assert", "illegal memory access",      "illegal instruction",
    "misaligned address", "unspecified launch failure", "uncorrectable ECC",
};

template <std::size_t N>
bool contains_any(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::any_of(words.begin(), words.end(), [text](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

/// TorchScript's traceback goes before the message, which it introduces by a Python class name.
std::string_view after_traceback(std::string_view what) {
  if (what.find("TorchScript") == std::string_view::npos) return what;
  for (const std::string_view mark : {"\nRuntimeError: ", "\ntorch.jit.Error: ", "Error: "}) {
    const std::size_t found = what.rfind(mark);
    if (found != std::string_view::npos) return what.substr(found + mark.size());
  }
  return what;
}

}  // namespace

FailureKind classify_failure(std::string_view what) {
  if (contains_any(what, kDeviceLost)) return FailureKind::kDeviceLost;
  if (contains_any(what, kOutOfMemory)) return FailureKind::kOutOfMemory;
  return FailureKind::kOther;
}

std::string brief_failure(std::string_view what) {
  std::string_view text = after_traceback(what);
  for (const std::string_view trace : {"\nException raised from", "\nThe above operation failed"}) {
    text = text.substr(0, text.find(trace));
  }
  std::string line;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) line += c;
    if (space && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (line.ends_with(' ')) line.pop_back();
  if (line.size() > kLongestMessage) line = line.substr(0, kLongestMessage - 3) + "...";
  return line.empty() ? "no message" : line;
}

Error failure_error(FailureKind kind, std::string message) {
  switch (kind) {
    case FailureKind::kOutOfMemory:
      return {std::string(kOutOfMemoryCode), std::move(message), true, false};
    case FailureKind::kDeviceLost:
      return {std::string(kDeviceLostCode), std::move(message), false, true};
    case FailureKind::kOther:
      break;
  }
  return {"model_failed", std::move(message), false, false};
}

}  // namespace flowtts
