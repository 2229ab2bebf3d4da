#include "stages/neural/torch/failure.h"

#include <doctest/doctest.h>

using flowtts::brief_failure;
using flowtts::classify_failure;
using flowtts::FailureKind;

TEST_CASE("What is to be done after a failure is told by the exception's words") {
  const auto [what, kind] = [] {
    struct Case {
      const char* what;
      FailureKind kind;
    };
    static constexpr Case kCases[] = {
        {"CUDA out of memory. Tried to allocate 2.00 GiB.", FailureKind::kOutOfMemory},
        {"CUDA error: out of memory", FailureKind::kOutOfMemory},
        {"[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you "
         "tried to allocate 4 bytes",
         FailureKind::kOutOfMemory},
        {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
         FailureKind::kOutOfMemory},
        {"CUDA error: device-side assert triggered", FailureKind::kDeviceLost},
        {"CUDA error: an illegal memory access was encountered", FailureKind::kDeviceLost},
        {"The size of tensor a (3) must match the size of tensor b (4)", FailureKind::kOther},
        {"", FailureKind::kOther},
    };
    Case chosen{};
    for (const Case& each : kCases) {
      SUBCASE(each.what) { chosen = each; }
    }
    return chosen;
  }();
  CHECK(classify_failure(what ? what : "") == kind);
}

TEST_CASE("A failure is told on one line, without stack traces") {
  CHECK(brief_failure("plain words") == "plain words");
  CHECK(brief_failure("two\nlines\t and   gaps\n") == "two lines and gaps");
  CHECK(brief_failure("") == "no message");
  CHECK(brief_failure("bad shape\nException raised from run at /build/x.cpp:12 (most recent)") ==
        "bad shape");
  CHECK(brief_failure("The following operation failed in the TorchScript interpreter.\n"
                      "Traceback of TorchScript (most recent call last):\n"
                      "  File \"<string>\", line 3, in forward\n    raise X\n    ~~~~ <--- HERE\n"
                      "RuntimeError: the vowel is missing\n") == "the vowel is missing");
  CHECK(brief_failure(std::string(2000, 'x')).size() == 500);
}
