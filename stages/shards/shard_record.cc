#include "stages/shards/shard_record.h"

#include <utility>

#include "stages/io/hash.h"
#include "stages/shards/tar_format.h"

namespace flowtts {

std::uint64_t ShardRecord::add(std::shared_ptr<const AudioClip> clip, std::string json) {
  const AudioFile& file = clip->file;
  const std::string key = file.path.substr(0, file.path.find('.'));
  std::string before = tar_header(key + ".json", json.size());
  before += json;
  before += tar_padding(json.size());
  before += tar_header(file.path, file.bytes_in_file);
  add_own(std::move(before));
  const std::uint64_t begin = size_;
  add_piece(clip->head);
  if (clip->body) {
    const auto& samples = clip->body->samples;
    add_piece({reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(samples[0])});
  }
  add_own(tar_padding(file.bytes_in_file));
  clips_.push_back(std::move(clip));
  return begin;
}

std::uint64_t ShardRecord::checksum() const { return checksum_of(pieces_); }

void ShardRecord::add_own(std::string bytes) { add_piece(own_.emplace_back(std::move(bytes))); }

void ShardRecord::add_piece(std::string_view bytes) {
  if (bytes.empty()) return;
  pieces_.push_back(bytes);
  size_ += bytes.size();
}

}  // namespace flowtts
