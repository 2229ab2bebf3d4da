#pragma once

#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// Why a call into LibTorch failed, as far as it decides what to do next.
enum class FailureKind {
  kOutOfMemory,  ///< Less at a time may succeed.
  kDeviceLost,   ///< The device answers nothing any more in this process.
  kOther,        ///< The same call fails again.
};

/// Tells the kinds apart by an exception's words, since TorchScript's interpreter rethrows what it
/// catches as std::runtime_error and the type is lost.
FailureKind classify_failure(std::string_view what);

/// The part of an exception's text that says what went wrong: without TorchScript's and C++'s stack
/// traces, on one line, of at most 500 bytes.
std::string brief_failure(std::string_view what);

/// The Error of that kind: kOutOfMemoryCode (retryable), kDeviceLostCode (fatal), "model_failed".
Error failure_error(FailureKind kind, std::string message);

}  // namespace flowtts
