#include "stages/neural/voice_cache.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include <flowtts/diagnostics.h>

#include "core/atomic_file.h"
#include "core/config/yaml_tree.h"
#include "stages/io/content_hash.h"

namespace flowtts {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCompiledFile = "compiled.json";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// A name as a folder: what is not a letter, a digit, '.' or '_' becomes one '-'.
std::string as_file_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_';
    if (plain) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  return name;
}

fs::path voices_folder() {
  const fs::path root = cache_root();
  return root.empty() ? root : root / fmt::format("voices-{}", kVoiceCacheFormat);
}

std::string hash_of(std::string_view text) {
  ContentHash hash;
  hash.add_bytes(text);
  return hash.hex();
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return std::nullopt;
  return text;
}

std::string text_of(const yaml::Node& node, std::string_view key) {
  const yaml::Entry* entry = node.find(key);
  return entry ? entry->value->text : "";
}

double number_of(const yaml::Node& node, std::string_view key) {
  const yaml::Entry* entry = node.find(key);
  return entry ? yaml::as_number(*entry->value).value_or(0) : 0;
}

/// compiled.json, which is YAML as well.
yaml::NodePtr read_description(const fs::path& folder) {
  std::error_code status;
  if (!fs::is_regular_file(folder / kCompiledFile, status)) return nullptr;
  Diagnostics ignored;
  const yaml::NodePtr root = yaml::read(folder / kCompiledFile, ignored);
  return root && root->is_map() && !ignored.has_errors() ? root : nullptr;
}

std::optional<CompiledVoice> describe(const yaml::Node& node, const fs::path& folder) {
  CompiledVoice made;
  made.key = {text_of(node, "render_hash"), text_of(node, "card"), text_of(node, "torch"),
              text_of(node, "precision")};
  made.voice = text_of(node, "voice");
  const fs::path package = text_of(node, "package");
  if (package.empty() || package.has_parent_path()) return std::nullopt;
  made.package = folder / package;
  made.bytes = static_cast<std::uint64_t>(number_of(node, "bytes"));
  made.compile_seconds = number_of(node, "compile_seconds");
  made.largest_difference = number_of(node, "largest_difference");
  made.spectral_error = number_of(node, "spectral_error");
  std::error_code status;
  if (number_of(node, "format") != kVoiceCacheFormat) return std::nullopt;
  if (made.bytes == 0 || fs::file_size(made.package, status) != made.bytes) return std::nullopt;
  return made;
}

bool operator==(const VoiceKey& a, const VoiceKey& b) {
  return a.render_hash == b.render_hash && a.card == b.card && a.torch_version == b.torch_version &&
         a.precision == b.precision;
}

Error no_root() {
  return {"no_cache",
          "there is no folder for a cache: FLOWTTS_CACHE_DIR, XDG_CACHE_HOME and HOME are not set"};
}

}  // namespace

std::string render_hash(const VoiceConfig& voice) {
  if (voice.model_hash.empty()) return "";
  return hash_of(fmt::format("{}\n{}\n{}\n{}\n{}", voice.format, voice.model_hash,
                             voice.plan_method, voice.render_method, voice.hop));
}

fs::path cache_root() {
  if (const std::string own = environment("FLOWTTS_CACHE_DIR"); !own.empty()) return own;
  const std::string shared = environment("XDG_CACHE_HOME");
  if (shared.starts_with('/')) return fs::path(shared) / "flowtts";  // relative ones are invalid
  const std::string home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache/flowtts";
}

fs::path cache_folder(const VoiceKey& key) {
  const fs::path voices = voices_folder();
  if (voices.empty()) return voices;
  return voices / as_file_name(key.render_hash) /
         fmt::format("{}-torch-{}-{}", as_file_name(key.card), as_file_name(key.torch_version),
                     as_file_name(key.precision));
}

std::optional<CompiledVoice> find_compiled(const VoiceConfig& voice, const std::string& card,
                                           const std::string& torch_version,
                                           const std::string& precision) {
  const VoiceKey key{render_hash(voice), card, torch_version, precision};
  const fs::path folder = cache_folder(key);
  if (key.render_hash.empty() || voice.exporter.empty() || folder.empty()) return std::nullopt;
  const yaml::NodePtr node = read_description(folder);
  if (!node || text_of(*node, "exporter_hash") != exporter_hash(voice)) return std::nullopt;
  std::optional<CompiledVoice> made = describe(*node, folder);
  return made && made->key == key ? made : std::nullopt;
}

std::optional<CompiledVoice> read_compiled(const fs::path& folder) {
  const yaml::NodePtr node = read_description(folder);
  return node ? describe(*node, folder) : std::nullopt;
}

std::vector<CompiledVoice> list_compiled() {
  std::vector<fs::path> folders;
  std::error_code failed;
  for (fs::directory_iterator voice(voices_folder(), failed), end; !failed && voice != end;
       voice.increment(failed)) {
    std::error_code inner;
    for (fs::directory_iterator each(voice->path(), inner); !inner && each != end;
         each.increment(inner)) {
      folders.push_back(each->path());
    }
  }
  std::sort(folders.begin(), folders.end());
  std::vector<CompiledVoice> found;
  for (const fs::path& folder : folders) {
    if (auto made = read_compiled(folder)) found.push_back(*std::move(made));
  }
  return found;
}

std::string exporter_hash(const VoiceConfig& voice) {
  if (voice.exporter.empty()) return "";
  const auto text = read_file(voice.exporter);
  if (!text) return "";
  return hash_of(*text);
}

std::optional<std::string> read_note(const VoiceKey& key, const std::string& name) {
  const fs::path folder = cache_folder(key);
  return folder.empty() ? std::nullopt : read_file(folder / name);
}

std::optional<Error> write_note(const VoiceKey& key, const std::string& name,
                                std::string_view text) {
  const fs::path folder = cache_folder(key);
  if (folder.empty()) return no_root();
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return write_error("make", folder, failed.value());
  // Under a name of this call's own first: several may write the same note at once.
  static std::atomic<unsigned> calls = 0;
  const fs::path part = folder / fmt::format("{}.{}-{}", name, ::getpid(), ++calls);
  if (auto error = write_file(part, text, {.replace = true, .sync = true})) return error;
  fs::rename(part, folder / name, failed);
  if (failed) return write_error("replace", folder / name, failed.value());
  return std::nullopt;
}

}  // namespace flowtts
