#pragma once

#include <flowtts/result.h>

namespace flowtts {

/// The exception being handled, as a value: "out_of_memory" for std::bad_alloc, otherwise
/// "exception" with what it says. Call inside a catch block only.
Error error_from_exception() noexcept;

}  // namespace flowtts
