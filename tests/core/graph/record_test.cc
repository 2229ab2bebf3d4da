#include "core/graph/record.h"

#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/core/test_stages.h"

using namespace flowtts;
using flowtts::testing::Num;

namespace {

/// A run's place: notes what records say, in order.
class Listener final : public RecordListener {
 public:
  void gather_due(std::size_t gather, PacketPtr trigger) override {
    said.push_back("gather " + std::to_string(gather));
    triggers.push_back(std::move(trigger));
  }
  void settled(const Record& record, Ending status) override {
    constexpr const char* kNames[] = {"written", "filtered", "failed", "cancelled"};
    said.push_back(record.key().id + " " + kNames[static_cast<int>(status)]);
  }
  /// Lets the gather that is due do its work; what it found, as "path:value ...|path:stage ...".
  std::string gather(std::size_t number, Ending ending = Ending::kWritten) {
    Claim claim(std::move(triggers.back()), 90 + number);
    triggers.pop_back();
    CHECK(claim.packet().is_trigger());
    const AnyGathered all = claim.record().take(number);
    std::string found;
    for (const auto& one : all.arrived) {
      found += fmt::format("{}:{} ", fmt::join(one.path, "."), one.payload.as<Num>()->value);
    }
    found += "|";
    for (const EndedItem& one : all.ended) {
      found += fmt::format(" {}:{}", fmt::join(one.path, "."), one.stage);
    }
    claim.end(ending, "gather", true);
    return found;
  }

  std::vector<std::string> said;
  std::vector<PacketPtr> triggers;
};

/// A growth by which all credits are kept.
constexpr double kAll = 1e6;

using Said = std::vector<std::string>;

/// A record that has entered, with the packet that carries it.
struct Entered {
  explicit Entered(std::size_t gathers = 0, std::uint64_t bytes = 100) : credits(10, 100'000) {
    bool granted = false;
    credits.acquire(bytes, {}, granted);
    const AnyPayload payload = AnyPayload::of(Num{1});
    auto record =
        std::make_shared<Record>(RecordKey{"r", 0, 0, 0}, 7, payload, gathers, credits, listener);
    packet = std::make_shared<Packet>(std::move(record), payload, std::vector<std::uint32_t>(), 1,
                                      bytes);
  }
  /// The first stage's claim.
  Claim claim() { return Claim(std::move(packet), 0); }
  bool all_credits_are_back() const {
    return credits.use().records == 0 && credits.use().bytes == 0;
  }

  Listener listener;
  Credits credits;
  PacketPtr packet;
};

std::vector<AnyPayload> numbers(int count) {
  std::vector<AnyPayload> made;
  for (int i = 0; i < count; ++i) made.push_back(AnyPayload::of(Num{i}));
  return made;
}

}  // namespace

TEST_CASE("a division gives back exactly what was taken, whatever remains of it") {
  for (std::uint64_t bytes = 1; bytes <= 60; ++bytes) {
    for (int children = 1; children <= 7; ++children) {
      for (std::uint32_t followers = 1; followers <= 4; ++followers) {
        CAPTURE(bytes);
        CAPTURE(children);
        CAPTURE(followers);
        Entered entered(0, bytes);
        auto packets = entered.claim().divide(numbers(children), followers, kAll);
        REQUIRE(packets.size() == static_cast<std::size_t>(children));
        for (PacketPtr& packet : packets) {
          for (std::uint32_t i = 0; i < followers; ++i) {
            CHECK(entered.listener.said.empty());
            auto made = Claim(packet, i).divide(numbers(2), 1, kAll);
            for (PacketPtr& one : made) {
              Claim(std::move(one), 9).end(Ending::kWritten, "end", true);
            }
          }
          packet.reset();
        }
        packets.clear();
        CHECK(entered.listener.said == Said{"r written"});
        CHECK(entered.all_credits_are_back());
      }
    }
  }
}

TEST_CASE(
    "a packet that may come back keeps its credits and what it was made of until it is past") {
  for (const std::uint32_t followers_at_first : {1U, 2U}) {
    CAPTURE(followers_at_first);
    Entered entered(0, 1000);
    // What the device stage is given, perhaps with another stage beside it.
    PacketPtr given =
        entered.claim().pass_on(AnyPayload::of(Num{5, 400}), followers_at_first, kAll);
    std::vector<PacketPtr> others(followers_at_first - 1, given);
    const std::uint64_t share = 1000 / followers_at_first;
    for (int take = 1; take <= 3; ++take) {
      CAPTURE(take);
      Claim device(std::move(given), 1);
      CHECK(device.take() == take);
      CHECK(device.packet().payload().as<Num>()->value == 5);
      PacketPtr made = device.pass_on(AnyPayload::of(Num{10 + take, 1}), 1, 1, true);
      CHECK(entered.credits.use().bytes == 1000);  // none back: the next take may be larger
      Claim between(std::move(made), 2);
      CHECK(between.take() == take);
      made = between.pass_on(AnyPayload::of(Num{20 + take, 1}), 1, 1, true);
      Claim judge(std::move(made), 3);
      CHECK(judge.packet().payload().as<Num>()->value == 20 + take);
      CHECK(judge.take() == take);
      if (take < 3) {
        given = judge.send_back();
        CHECK(entered.listener.said.empty());
        continue;
      }
      PacketPtr good = judge.pass_on(AnyPayload::of(Num{99, 10}), 1, 2);
      CHECK(entered.credits.use().bytes == 1000 - share + 21);  // 1 + 10 * 2 of its share
      Claim last(std::move(good), 4);
      CHECK(last.take() == 1);
      last.end(Ending::kWritten, "end", true);
    }
    for (PacketPtr& other : others) Claim(std::move(other), 9).end(Ending::kWritten, "end", true);
    CHECK(entered.listener.said == Said{"r written"});
    given.reset();
    others.clear();
    CHECK(entered.all_credits_are_back());
  }
}

TEST_CASE("a take that is made in the lane goes on with its number") {
  Entered entered(0, 100);
  Claim device = entered.claim();
  device.take_again();
  CHECK(device.take() == 2);
  Claim judge(device.pass_on(AnyPayload::of(Num{7}), 1, 1, true), 1);
  CHECK(judge.take() == 2);
  Claim device_again(judge.send_back(), 0);
  CHECK(device_again.take() == 3);
  CHECK(device_again.packet().payload().as<Num>()->value == 1);
  device_again.end(Ending::kFailed, "end", Error{"no", "good"});
  CHECK(entered.listener.said == Said{"r failed"});
  CHECK(entered.all_credits_are_back());
}

TEST_CASE("a packet on its way back that is lost ends its record as failed") {
  Entered entered(0, 100);
  {
    Claim judge(entered.claim().pass_on(AnyPayload::of(Num{7}), 1, 1, true), 1);
    const PacketPtr lost = judge.send_back();
  }
  CHECK(entered.listener.said == Said{"r failed"});
  CHECK(entered.all_credits_are_back());
}

TEST_CASE("credits go to the children by what they need, and what none needs comes back at once") {
  const auto divided = [](std::uint64_t bytes, double growth) {
    Entered entered(0, bytes);
    auto packets =
        entered.claim().divide({AnyPayload::of(Num{1, 9}), AnyPayload::of(Num{2, 99})}, 1, growth);
    std::vector<std::uint64_t> held{entered.credits.use().bytes};
    for (PacketPtr& packet : packets) {
      packet.reset();
      held.push_back(entered.credits.use().bytes);
    }
    return held;
  };
  using Held = std::vector<std::uint64_t>;
  CHECK(divided(10'000, 1) == Held{110, 100, 0});
  CHECK(divided(10'000, 2) == Held{218, 199, 0});
  CHECK(divided(10'000, 0) == Held{2, 1, 0});
  CHECK(divided(110, 1) == Held{110, 100, 0});
  CHECK(divided(55, 1) == Held{55, 50, 0});  // less than they need: it is what there is
  CHECK(divided(1, 1) == Held{1, 1, 0});
  for (const double nonsense : {-1.0, std::nan(""), 1e300}) {
    CHECK(divided(1000, nonsense) == Held{1000, 500, 0});
  }
}

TEST_CASE("what goes on as one payload keeps what it needs of the credits, the rest comes back") {
  for (const std::uint32_t followers : {1U, 2U, 3U}) {
    for (const std::uint32_t from : {1U, 2U}) {
      CAPTURE(followers);
      CAPTURE(from);
      Entered entered(0, 10'000);
      PacketPtr packet = entered.claim().pass_on(AnyPayload::of(Num{1}), from, kAll);
      for (std::uint32_t i = 1; i < from; ++i) Claim(packet, 1).end(Ending::kWritten, "end", true);
      PacketPtr next =
          Claim(std::exchange(packet, nullptr), 0).pass_on(AnyPayload::of(Num{2, 9}), followers, 2);
      CHECK(next->payload().as<Num>()->value == 2);
      CHECK(next->path().empty());
      CHECK(entered.credits.use().bytes == 19);
      for (std::uint32_t i = 1; i < followers; ++i) {
        Claim(next, i).end(Ending::kWritten, "end", true);
      }
      CHECK(entered.listener.said.empty());
      next.reset();  // the last claim is never made: the packet still knows of it
      CHECK(entered.listener.said == Said{"r failed"});
      CHECK(entered.all_credits_are_back());
    }
  }
}

TEST_CASE("a record's status is the worst of what became of its items") {
  struct Case {
    std::vector<Ending> endings;
    std::string status;
  };
  const std::vector<Case> cases{
      {{Ending::kWritten, Ending::kWritten}, "r written"},
      {{Ending::kFiltered, Ending::kFiltered}, "r filtered"},
      {{Ending::kFiltered, Ending::kWritten}, "r written"},
      {{Ending::kFailed, Ending::kWritten}, "r failed"},
      {{Ending::kFailed, Ending::kFiltered}, "r failed"},
      {{Ending::kCancelled, Ending::kFailed, Ending::kWritten}, "r cancelled"},
  };
  for (const Case& one : cases) {
    Entered entered;
    auto packets = entered.claim().divide(numbers(static_cast<int>(one.endings.size())), 1, kAll);
    for (std::size_t i = 0; i < packets.size(); ++i) {
      Claim(std::move(packets[i]), 1).end(one.endings[i], "end", true);
    }
    CHECK(entered.listener.said == Said{one.status});
    CHECK(entered.all_credits_are_back());
  }
}

TEST_CASE("a packet that nobody claims, wholly or in part, settles its record as failed") {
  for (const std::uint32_t claimed : {0U, 1U, 2U}) {
    Entered entered(0, 101);
    auto packets = entered.claim().divide(numbers(2), 3, kAll);
    for (std::uint32_t i = 0; i < claimed; ++i) {
      Claim(packets[0], i).end(Ending::kWritten, "end", true);
    }
    CHECK(entered.listener.said.empty());
    packets.clear();
    CHECK(entered.listener.said == Said{"r failed"});
    CHECK(entered.all_credits_are_back());
  }
}

TEST_CASE("a claim that a stage drops settles its record as failed") {
  Entered entered;
  { const Claim dropped = entered.claim(); }
  CHECK(entered.listener.said == Said{"r failed"});
  CHECK(entered.all_credits_are_back());
}

TEST_CASE("gathers fire once each, in the order of the flow, when nothing of the record moves") {
  Entered entered(2);
  auto packets = entered.claim().divide(numbers(3), 1, kAll);
  Claim(std::move(packets[2]), 1).arrive(1);
  Claim(std::move(packets[0]), 1).arrive(0);
  CHECK(entered.listener.said.empty());
  Claim(std::move(packets[1]), 1).end(Ending::kFiltered, "filter", Filtered{"odd"});
  CHECK(entered.listener.said == Said{"gather 0"});
  CHECK(entered.listener.gather(0) == "0:0 | 1:filter");
  CHECK(entered.listener.said == Said{"gather 0", "gather 1"});
  CHECK(entered.listener.gather(1) == "2:2 | 1:filter");
  CHECK(entered.listener.said == Said{"gather 0", "gather 1", "r written"});
  CHECK(entered.all_credits_are_back());
}

TEST_CASE("a gather fires for a record of which nothing arrived, and what it makes lives on") {
  Entered entered(2);
  entered.claim().end(Ending::kFailed, "stage", Error{"code", "message"});
  REQUIRE(entered.listener.said == Said{"gather 0"});
  {
    Claim claim(std::move(entered.listener.triggers.back()), 5);
    entered.listener.triggers.clear();
    CHECK(claim.record().take(0).ended.size() == 1);
    const PacketPtr packet = claim.pass_on(AnyPayload::of(Num{0}), 2, kAll);
    Claim(packet, 6).arrive(1);
    Claim(packet, 7).arrive(1);
  }
  CHECK(entered.listener.said == Said{"gather 0", "gather 1"});
  CHECK(entered.listener.gather(1) == ":0 :0 | :stage");
  CHECK(entered.listener.said.back() == "r failed");
  CHECK(entered.all_credits_are_back());
}

TEST_CASE(
    "a trigger or a gather's claim that is dropped fails the record, and the next gather fires") {
  for (const bool claimed : {false, true}) {
    Entered entered(2);
    entered.claim().arrive(0);
    PacketPtr trigger = std::move(entered.listener.triggers.back());
    entered.listener.triggers.clear();
    if (claimed) {
      const Claim dropped(std::move(trigger), 1);
    }
    trigger.reset();
    REQUIRE(entered.listener.said == Said{"gather 0", "gather 1"});
    entered.listener.gather(1);
    CHECK(entered.listener.said.back() == "r failed");
    CHECK(entered.all_credits_are_back());
  }
}

TEST_CASE("a cancelled record fires no gather, nor the rest of them") {
  Entered entered(2);
  auto packets = entered.claim().divide(numbers(2), 1, kAll);
  Claim(std::move(packets[0]), 1).arrive(0);
  Claim(std::move(packets[1]), 1).end(Ending::kCancelled, "stage", Error{"cancelled", ""});
  CHECK(entered.listener.said == Said{"r cancelled"});
  CHECK(entered.all_credits_are_back());

  Entered halfway(2);
  halfway.claim().arrive(0);
  halfway.listener.gather(0, Ending::kCancelled);
  CHECK(halfway.listener.said == Said{"gather 0", "r cancelled"});
  CHECK(halfway.all_credits_are_back());
}

TEST_CASE("what waits at a gather keeps its credits, as its payload is still there") {
  Entered entered(1, 100);
  auto packets = entered.claim().divide(numbers(2), 1, kAll);
  Claim(std::move(packets[0]), 1).arrive(0);
  CHECK(entered.credits.use().bytes == 100);
  Claim(std::move(packets[1]), 1).end(Ending::kFiltered, "filter", Filtered{"odd"});
  CHECK(entered.credits.use().bytes == 100);
  entered.listener.gather(0);
  CHECK(entered.all_credits_are_back());

  Entered without(0, 100);
  auto halves = without.claim().divide(numbers(2), 1, kAll);
  Claim(std::move(halves[0]), 1).end(Ending::kWritten, "end", true);
  CHECK(without.credits.use().bytes == 50);
}

TEST_CASE("a gather gets everything in the same order, however it arrived") {
  // One packet to two followers, each of which makes two, and one goes to the gather as it is.
  const auto gathered = [](const std::vector<int>& order) {
    Entered entered(1);
    PacketPtr first = entered.claim().pass_on(AnyPayload::of(Num{0}), 3, kAll);
    std::vector<PacketPtr> packets = Claim(first, 2).divide(numbers(2), 1, kAll);
    for (PacketPtr& packet : Claim(first, 1).divide(numbers(2), 1, kAll)) {
      packets.push_back(packet);
    }
    Claim direct(first, 3);
    first.reset();
    for (const int i : order) {
      const auto index = static_cast<std::size_t>(i);
      if (i == 4) {
        direct.arrive(0);
      } else if (i == 1) {
        Claim(std::move(packets[index]), 8).end(Ending::kFiltered, "two", Filtered{"x"});
      } else if (i == 3) {
        Claim(std::move(packets[index]), 7).end(Ending::kFiltered, "one", Filtered{"x"});
      } else {
        PacketPtr made =
            Claim(std::move(packets[index]), 7).pass_on(AnyPayload::of(Num{10 + i}), 1, kAll);
        Claim(std::move(made), 8).arrive(0);
      }
    }
    return entered.listener.gather(0);
  };
  const std::string expected = ":0 0:12 0:10 | 1:one 1:two";
  CHECK(gathered({0, 1, 2, 3, 4}) == expected);
  CHECK(gathered({4, 3, 2, 1, 0}) == expected);
  CHECK(gathered({2, 0, 4, 1, 3}) == expected);
}

TEST_CASE("a record settles once however many threads end its items at the same time") {
  for (int round = 0; round < 200; ++round) {
    Entered entered(1, 1000);
    auto packets = entered.claim().divide(numbers(8), 2, kAll);
    std::vector<std::jthread> threads;
    for (std::uint32_t follower = 0; follower < 2; ++follower) {
      threads.emplace_back([&packets, follower] {
        for (PacketPtr& packet : packets) {
          Claim claim(packet, follower);
          if (follower == 0) {
            claim.arrive(0);
          } else {
            claim.end(Ending::kWritten, "end", true);
          }
        }
      });
    }
    threads.clear();
    packets.clear();
    REQUIRE(entered.listener.said == Said{"gather 0"});
    entered.listener.gather(0);
    CHECK(entered.listener.said == Said{"gather 0", "r written"});
    CHECK(entered.all_credits_are_back());
  }
}
