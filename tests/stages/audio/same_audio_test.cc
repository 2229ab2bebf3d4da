#include "stages/audio/same_audio.h"

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace flowtts;

namespace {

struct One {
  std::uint64_t sound, text, record;
};

std::string text_of(const SameAudio::Found& found) {
  return std::to_string(found.sounds) + " sounds, " + std::to_string(found.sentences) +
         " sentences: " + found.records;
}

}  // namespace

TEST_CASE("the same sound for the same text is nothing to tell") {
  SameAudio same;
  CHECK_FALSE(same.add(1, 10, 0).has_value());
  CHECK_FALSE(same.add(1, 10, 1).has_value());
  CHECK_FALSE(same.add(2, 20, 1).has_value());
  CHECK(same.found().sentences == 0);
}

TEST_CASE("the same sound for another text names the other record") {
  SameAudio same;
  same.add(1, 10, 5);
  CHECK(same.add(1, 11, 3) == 5);
  CHECK(text_of(same.found()) == "1 sounds, 2 sentences: #3, #5");
}

TEST_CASE("what is found does not depend on the order in which sounds come") {
  std::vector<One> all;
  for (std::uint64_t i = 0; i < 200; ++i) all.push_back({i % 150, i % 130, i});
  std::mt19937 random(7);
  std::string first;
  for (int round = 0; round < 20; ++round) {
    SameAudio same(64);  // far too few: what is kept must not depend on the order either
    for (const One& one : all) same.add(one.sound, one.text, one.record);
    CHECK(same.size() <= 64);
    if (first.empty()) first = text_of(same.found());
    CHECK(text_of(same.found()) == first);
    std::shuffle(all.begin(), all.end(), random);
  }
  CHECK(first.find("0 sounds") != 0);
}

TEST_CASE("a voice that always says the same is found though the table is small") {
  SameAudio same(8);
  for (std::uint64_t i = 0; i < 1000; ++i) same.add(i * 7919, i, i);  // others, to fill it
  CHECK(same.size() <= 8);
  for (std::uint64_t i = 0; i < 100; ++i) same.add(0, 5000 + i, 2000 + i);
  CHECK(same.found().sentences >= 100);
}

TEST_CASE("many records are counted and the first ten named") {
  SameAudio same;
  for (std::uint64_t i = 0; i < 12; ++i) {
    same.add(i, 1, 2 * i);
    same.add(i, 2, 2 * i + 1);
  }
  CHECK(text_of(same.found()) ==
        "12 sounds, 24 sentences: #0, #1, #2, #3, #4, #5, #6, #7, #8, #9 and 14 others");
}

TEST_CASE("many threads find what one would") {
  SameAudio same;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&same, t] {
        for (std::uint64_t i = 0; i < 1000; ++i) same.add(i, i == 500 ? t : i, 4 * i + t);
      });
    }
  }
  CHECK(text_of(same.found()) == "1 sounds, 4 sentences: #2000, #2003");
}
