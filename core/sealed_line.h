#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flowtts {

/// Lines of JSON that tell whether they are whole: the last member of the object is the XXH3-64 of
/// everything that stands before it.
///
///     {"index":3,"status":"written","xxh3":"6b1d0c5e4f8a2037"}
///
/// A flipped bit, a torn write or a block of zeros in such a line is found when it is read, with no
/// other file at hand, and the line is JSON for every reader that does not care.

/// Seals one JSON object, which must have at least one member.
std::string seal_line(std::string_view object);

/// The object as it was before it was sealed; nothing where the line is not whole. The line is
/// given without its line break.
std::optional<std::string> unseal_line(std::string_view line);

/// Whether the line is whole, for who does not need the object.
bool is_sealed_line(std::string_view line);

}  // namespace flowtts
