#include "stages/shards/shard_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <flowtts/json.h>
#include <fmt/format.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "stages/shards/tar_format.h"

namespace flowtts {
namespace {

constexpr std::string_view kPrefix = "shard-";
constexpr std::string_view kExtension = ".tar";
constexpr std::string_view kIndex = "index.json";

}  // namespace

std::string shard_name(std::uint32_t shard) {
  return fmt::format("{}{:06}{}", kPrefix, shard, kExtension);
}

std::optional<std::uint32_t> shard_number(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kExtension)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kExtension.size());
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

std::string shard_index_json(const ShardLayout& layout) {
  JsonWriter json;
  json.begin_object().field("__kind__", "wids-shard-index-v1").field("wids_version", 1);
  json.key("shardlist").begin_array();
  for (std::size_t i = 0; i < layout.shards().size(); ++i) {
    const ShardLayout::Shard& shard = layout.shards()[i];
    json.begin_object()
        .field("url", shard_name(static_cast<std::uint32_t>(i)))
        .field("nsamples", shard.samples)
        .field("filesize", shard.bytes + kTarEnd)
        .end_object();
  }
  json.end_array().end_object();
  return std::string(json.text()) + '\n';
}

ShardFiles::~ShardFiles() { close(); }

void ShardFiles::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::string ShardFiles::path_of(std::uint32_t shard) const {
  return folder_ + "/" + shard_name(shard);
}

std::map<std::uint32_t, std::uint64_t> ShardFiles::sizes() const {
  std::map<std::uint32_t, std::uint64_t> sizes;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / folder_, unreadable)) {
    const auto number = shard_number(entry.path().filename().string());
    if (!number) continue;
    const std::uint64_t bytes = entry.file_size(unreadable);
    sizes[*number] = !unreadable && bytes > kTarEnd ? bytes - kTarEnd : 0;
  }
  return sizes;
}

std::optional<Error> ShardFiles::cut(const ShardLayout& layout) {
  last_ = static_cast<std::uint32_t>(layout.shards().size() - 1);
  last_bytes_ = layout.shards().back().bytes;
  for (const auto& [number, size] : sizes()) {
    const std::filesystem::path path = root_ / path_of(number);
    if (number == last_ && ::truncate(path.c_str(), static_cast<off_t>(last_bytes_)) != 0) {
      return write_error("cut off", path, errno);
    }
    if (number > last_ && ::unlink(path.c_str()) != 0) return write_error("remove", path, errno);
  }
  return sync_folder(root_ / folder_);
}

std::optional<Error> ShardFiles::open(std::uint32_t shard) {
  if (descriptor_ >= 0 && opened_ == shard) return std::nullopt;
  close();
  const std::filesystem::path path = root_ / path_of(shard);
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) return write_error("open", path, errno);
  opened_ = shard;
  return std::nullopt;
}

std::optional<Error> ShardFiles::write_at(std::uint32_t shard, std::uint64_t offset,
                                          std::string_view bytes) {
  if (auto error = open(shard)) return error;
  const std::filesystem::path path = root_ / path_of(shard);
  {
    const std::lock_guard lock(mutex_);
    unsynced_.insert(path);
  }
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return write_error("write", path, count < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return std::nullopt;
}

std::optional<Error> ShardFiles::end_shard(std::uint32_t shard, std::uint64_t bytes) {
  if (auto error = write_at(shard, bytes, std::string(kTarEnd, '\0'))) return error;
  // What an earlier session may have left behind it.
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes + kTarEnd)) != 0) {
    return write_error("end", root_ / path_of(shard), errno);
  }
  return std::nullopt;
}

std::optional<Error> ShardFiles::write(const ShardSpan& span, std::string_view bytes) {
  if (span.shard > last_) {
    if (auto error = end_shard(last_, last_bytes_)) return error;
    last_ = span.shard;
    last_bytes_ = 0;
  }
  if (span.shard == last_) last_bytes_ = std::max(last_bytes_, span.end);
  return write_at(span.shard, span.begin, bytes);
}

std::optional<Error> ShardFiles::sync() {
  std::set<std::filesystem::path> files;
  {
    const std::lock_guard lock(mutex_);
    files = std::exchange(unsynced_, {});
  }
  for (const std::filesystem::path& file : files) {
    if (auto error = sync_file(file)) return error;
  }
  return files.empty() ? std::nullopt : sync_folder(root_ / folder_);
}

std::optional<Error> ShardFiles::finish(const ShardLayout& layout) {
  for (const ShardLayout::Gap& gap : layout.gaps()) {
    const std::string filler = tar_filler_header(gap.end - gap.begin);
    if (auto error = write_at(gap.shard, gap.begin, filler)) return error;
  }
  for (std::size_t i = 0; i < layout.shards().size(); ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    if (auto error = end_shard(number, layout.shards()[i].bytes)) return error;
  }
  close();
  if (auto error = sync()) return error;
  return write_file(root_ / folder_ / kIndex, shard_index_json(layout), WriteMode{});
}

}  // namespace flowtts
