#include "stages/audio/audio_names.h"

#include <array>
#include <string_view>

#include "stages/io/hash.h"

namespace flowtts {

FileNameTemplate::Names names_of(const Audio& audio, const Item& item) {
  FileNameTemplate::Names names{item.record, item.path, false, 0, 0, {}};
  if (audio.speech == nullptr) return names;
  names.spoken = true;
  names.turn = audio.speech->sentence.turn;
  names.sentence = audio.speech->sentence.index;
  names.speaker = audio.speech->speaker;
  return names;
}

AudioFile file_of(const Audio& audio, const EncodedAudio& encoded) {
  AudioFile file;
  file.sample_rate = audio.sample_rate;
  file.samples = audio.size();
  file.clipped = encoded.clipped;
  file.peak = encoded.peak;
  file.speech = audio.speech;
  const std::array<std::string_view, 2> pieces = encoded.pieces();
  for (const std::string_view piece : pieces) file.bytes_in_file += piece.size();
  file.checksum = checksum_of(pieces);
  return file;
}

}  // namespace flowtts
