#pragma once

#include <span>
#include <string>
#include <string_view>

#include <flowtts/diagnostics.h>
#include <flowtts/spec.h>

#include "core/config/yaml_tree.h"

namespace flowtts {

/// Sets the fields of `object` from a YAML map by their declarations, and reports every unknown,
/// missing, mistyped and out-of-range one.
///
/// \param map    may be null: nothing was given.
/// \param where  where the map is, or would be: what a missing parameter is reported at.
/// \param what   names the owner in messages: "stage 'split' (split_sentences)".
/// \param others keys that are allowed in the map and read by somebody else.
void read_params(const yaml::Node* map, std::span<const ParamInfo> params, void* object,
                 const SourcePosition& where, std::string_view what, Diagnostics& diagnostics,
                 std::span<const std::string> others = {});

/// The field's value as YAML would have it; empty for an optional that is not set.
std::string field_text(const ParamField& field);

/// "an integer", "a number", "a list of texts", ...
std::string_view field_type(const ParamField& field);

/// A size such as "4GiB", "500 MB" or "1048576". Nothing where it is none.
std::optional<ByteSize> parse_byte_size(std::string_view text);
std::string byte_size_text(std::uint64_t bytes);

}  // namespace flowtts
