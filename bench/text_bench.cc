// How fast text is cleaned, split and turned into tokens on one thread.
//
//   text_bench FILE [SECONDS]
//
// FILE is any text, UTF-8; each line is one turn, with \n for its line feeds as in JSON Lines of
// strings. Rates are by processor time, so that what else the machine does counts little.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "stages/text/front_end.h"
#include "stages/text/sentence_splitter.h"
#include "stages/text/text_cleaner.h"

namespace {

std::vector<std::string> read_turns(const char* path) {
  std::ifstream file(path);
  std::vector<std::string> turns;
  for (std::string line; std::getline(file, line);) {
    std::string turn;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool feed = line[i] == '\\' && i + 1 < line.size() && line[i + 1] == 'n';
      turn.push_back(feed ? '\n' : line[i]);
      if (feed) ++i;
    }
    turns.push_back(std::move(turn));
  }
  return turns;
}

struct Rate {
  double bytes = 0;  ///< A second.
  double items = 0;
};

/// Goes over the turns again and again for so long.
Rate measure(const std::vector<std::string>& turns, double seconds,
             const std::function<void(const std::string&)>& work) {
  Rate done;
  const std::clock_t start = std::clock();
  double elapsed = 0;
  while (elapsed < seconds) {
    for (const std::string& turn : turns) {
      work(turn);
      done.bytes += static_cast<double>(turn.size());
      done.items += 1;
      elapsed = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      if (elapsed >= seconds) break;
    }
  }
  return {done.bytes / elapsed, done.items / elapsed};
}

void print(const char* what, Rate rate) {
  std::printf("%-10s %8.1f MB/s %10.0f texts/s\n", what, rate.bytes / 1e6, rate.items);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> turns =
      argc > 1 ? read_turns(argv[1]) : std::vector<std::string>{};
  if (turns.empty()) {
    std::fprintf(stderr, "usage: text_bench FILE [SECONDS]; FILE: a turn a line\n");
    return 2;
  }
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  const auto splitter = flowtts::SentenceSplitter::create("en");
  const auto front_end = flowtts::make_front_end("flite_us");
  if (!splitter.ok() || !front_end.ok()) return 3;

  std::vector<std::string> cleaned;
  std::vector<std::string> sentences;
  for (const std::string& turn : turns) {
    cleaned.push_back(flowtts::clean_text(turn));
    for (std::string& piece : splitter->split(cleaned.back(), 40)) {
      sentences.push_back(std::move(piece));
    }
  }
  std::printf("%zu turns, %zu sentences\n", turns.size(), sentences.size());
  print("clean",
        measure(turns, seconds, [](const std::string& turn) { flowtts::clean_text(turn); }));
  print("split", measure(cleaned, seconds,
                         [&](const std::string& text) { (void)splitter->split(text, 40); }));
  print("flite_us", measure(sentences, seconds,
                            [&](const std::string& text) { (void)(*front_end)->tokens(text); }));
  return 0;
}
