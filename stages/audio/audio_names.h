#pragma once

#include <flowtts/item.h>
#include <flowtts/payloads.h>

#include "stages/audio/audio_encoder.h"
#include "stages/audio/file_name.h"

namespace flowtts {

/// What the stages that make audio files share.

/// Of their parameter `name`.
inline constexpr const char* kNameDoc =
    "The file's name without extension. `{id}` is the record's, `{index}` its place in the input, "
    "`{turn}` and `{sentence}` count from 0, `{speaker}` is the voice's, `{part}` are the item's "
    "child numbers (for audio that was not spoken).";

/// What a piece of audio's name is made of. Refers to both arguments.
FileNameTemplate::Names names_of(const Audio& audio, const Item& item);

/// What is known of a file once it is encoded: all but where it is.
AudioFile file_of(const Audio& audio, const EncodedAudio& encoded);

}  // namespace flowtts
