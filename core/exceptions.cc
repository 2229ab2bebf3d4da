#include "core/exceptions.h"

#include <exception>
#include <new>

namespace flowtts {

Error error_from_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return Error{"out_of_memory", "host memory ran out", true};
  } catch (const std::exception& exception) {
    return Error{"exception", exception.what()};
  } catch (...) {
    return Error{"exception", "an exception that is no std::exception"};
  }
}

}  // namespace flowtts
