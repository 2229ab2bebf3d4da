// How many pieces of audio a second can be made to last through a power cut, by the three ways
// there are: a file each, synced by itself; a file each, synced in groups, as write_audio does;
// shards, as write_webdataset does. The ways take turns on the same disk, on one thread.
//
//   write_bench [--folder out/bench/write] [--pieces 2000] [--seconds 3] [--group 1000] [--turns 3]

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "core/atomic_file.h"
#include "stages/io/unsynced_files.h"
#include "stages/shards/shard_files.h"
#include "stages/shards/shard_layout.h"
#include "stages/shards/tar_format.h"

namespace {

using namespace flowtts;
namespace fs = std::filesystem;

struct Job {
  fs::path folder;
  int pieces = 0;
  int group = 0;
  std::string audio;  ///< What each file holds.

  fs::path file(int i) const {
    return folder / std::to_string(i % 256) / (std::to_string(i) + ".wav");
  }
};

void must(const std::optional<Error>& error) {
  if (error) bench::give_up(error->message);
}

void each_by_itself(const Job& job) {
  for (int i = 0; i < job.pieces; ++i) {
    must(write_file(job.file(i), job.audio, WriteMode{.replace = true, .sync = true}));
  }
}

void in_groups(const Job& job) {
  UnsyncedFiles unsynced;
  for (int i = 0; i < job.pieces; ++i) {
    must(write_file(job.file(i), job.audio, WriteMode{.replace = true, .sync = false}));
    unsynced.add(job.file(i));
    if ((i + 1) % job.group == 0) must(unsynced.sync());
  }
  must(unsynced.sync());
}

void in_shards(const Job& job) {
  ShardLayout layout(ShardLimits{}, {}, {});
  ShardFiles files(job.folder, "shards");
  for (int i = 0; i < job.pieces; ++i) {
    std::string bytes = tar_header(std::to_string(i) + ".wav", job.audio.size());
    bytes.append(job.audio).append(tar_padding(job.audio.size()));
    must(files.write(layout.place(static_cast<std::uint64_t>(i), bytes.size(), 1), bytes));
    if ((i + 1) % job.group == 0) must(files.sync());
  }
  must(files.finish(layout));
}

/// Pieces a second, in an empty folder.
double measure(const Job& job, const std::function<void(const Job&)>& write) {
  fs::remove_all(job.folder);
  for (int i = 0; i < 256; ++i) fs::create_directories(job.folder / std::to_string(i));
  fs::create_directories(job.folder / "shards");
  must(sync_folder(job.folder));
  const auto start = std::chrono::steady_clock::now();
  write(job);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fs::remove_all(job.folder);
  return job.pieces / took.count();
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv,
                                   "--folder DIR   made and removed, on the disk to be measured\n"
                                   "--pieces N     how many pieces of audio\n"
                                   "--seconds S    how long each is, 16 bit at 22,050 Hz\n"
                                   "--group N      how many are synced together\n"
                                   "--turns N      of which the medians are shown",
                                   {{"folder", "out/bench/write"},
                                    {"pieces", "2000"},
                                    {"seconds", "3"},
                                    {"group", "1000"},
                                    {"turns", "3"}});
  const Job job{
      arguments.text("folder"), arguments.count("pieces"), arguments.count("group"),
      std::string(static_cast<std::size_t>(arguments.number("seconds") * 22050 * 2), 'a')};
  const std::array<std::pair<const char*, std::function<void(const Job&)>>, 3> ways{{
      {"a file each, synced by itself", each_by_itself},
      {"a file each, synced in groups", in_groups},
      {"shards", in_shards},
  }};
  std::array<std::vector<double>, 3> rates;
  for (int turn = 0; turn < arguments.count("turns"); ++turn) {
    for (std::size_t i = 0; i < ways.size(); ++i) rates[i].push_back(measure(job, ways[i].second));
  }
  std::printf("%d pieces of %zu bytes, groups of %d, medians of %d turns\n", job.pieces,
              job.audio.size(), job.group, arguments.count("turns"));
  for (auto& rate : rates) std::sort(rate.begin(), rate.end());
  const double base = rates[0][rates[0].size() / 2];
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const double rate = rates[i][rates[i].size() / 2];
    std::printf("%-32s %10.0f a second %8.1f times\n", ways[i].first, rate, rate / base);
  }
  return 0;
}
