#pragma once

#include <string>
#include <string_view>

namespace flowtts {

/// The role that a label means: "human" (human, user), "gpt" (gpt, assistant, model, bot, chatgpt),
/// "system" (system, developer), "tool" (tool, function, observation, function_response,
/// tool_response); any other label in lower case. Case, outer white space and a colon at the end
/// do not count.
std::string normalise_role(std::string_view label);

}  // namespace flowtts
