// Drives a fuzzer where there is no libFuzzer:
//
//   flowtts_fuzz_NAME [--mutations N] FILE_OR_FOLDER...
//
// plays every file, and then N mutations of them: bits flipped, pieces taken out, doubled, put in
// from another file, numbers and brackets put where they hurt. The mutations follow from their
// number, so that what one finds is found again; what was being played when the program died is in
// NAME_OF_THE_PROGRAM.input in the working folder.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> read_seeds(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> seeds;
  for (const auto& file : files) seeds.push_back(content_of(file));
  return seeds;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string make(std::uint64_t number) {
    random_.seed(number);
    std::string text = seeds_[below(seeds_.size())];
    for (std::size_t i = 1 + below(4); i > 0; --i) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void change(std::string& text) {
    static const std::vector<std::string> kHurtful{"\"",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   "\\u",
                                                   "\\udc00",
                                                   "\xEF\xBB\xBF",
                                                   "\xC3",
                                                   "\xFF",
                                                   "\n",
                                                   "\r",
                                                   ",",
                                                   ":",
                                                   "-1",
                                                   "1e999",
                                                   "18446744073709551616",
                                                   "null",
                                                   "&a ",
                                                   "*a",
                                                   "${",
                                                   "}",
                                                   "<<: ",
                                                   "'",
                                                   "!",
                                                   "<image>",
                                                   "```",
                                                   "$",
                                                   "**",
                                                   "|",
                                                   "#",
                                                   "\t",
                                                   "\xE2\x80\x8B",
                                                   "\xF0\x9F\x98\x80"};
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = std::min(text.size() - at, 1 + below(64));
    switch (below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3: {
        const std::string& other = seeds_[below(seeds_.size())];
        const std::size_t from = below(other.size() + 1);
        text.insert(at, other.substr(from, 1 + below(64)));
        break;
      }
      case 4:
        text.insert(at, kHurtful[below(kHurtful.size())]);
        break;
      default: {
        const std::string piece = kHurtful[below(kHurtful.size())];
        for (std::size_t i = below(200); i > 0; --i) text.insert(at, piece);
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_;
};

void play(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths;
  std::uint64_t mutations = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
      mutations = std::stoull(argv[++i]);
    } else {
      paths.emplace_back(argv[i]);
    }
  }
  const std::vector<std::string> seeds = read_seeds(paths);
  if (seeds.empty()) {
    std::cerr << "there are no seeds: " << argv[0] << " [--mutations N] FILE_OR_FOLDER...\n";
    return 2;
  }
  for (const std::string& seed : seeds) play(seed);
  const std::string last = std::filesystem::path(argv[0]).filename().string() + ".input";
  Mutator mutator(seeds);
  for (std::uint64_t number = 0; number < mutations; ++number) {
    const std::string input = mutator.make(number);
    std::ofstream(last, std::ios::binary) << input;
    play(input);
  }
  if (mutations > 0) std::filesystem::remove(last);
  std::cout << seeds.size() << " seeds and " << mutations << " mutations of them played\n";
  return 0;
}
