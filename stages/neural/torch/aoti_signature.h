#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

/// The names of the tensors that a package's call takes, or makes, in the order in which compiled
/// code has them; an empty one has a place alone. Names are those of keyword arguments and of a
/// dict's keys: of others torch keeps none.
/// \param spec of AOTInductor's `get_call_spec`: a tree of Python containers in JSON. One that
///             cannot be read has no names at all.
std::vector<std::string> names_in_spec(std::string_view spec, bool inputs);

}  // namespace flowtts
