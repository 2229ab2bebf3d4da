#include "core/graph/admission.h"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/core/test_stages.h"

using namespace flowtts;
using flowtts::testing::Num;

namespace {

class Nobody final : public RecordListener {
 public:
  void gather_due(std::size_t, PacketPtr) override {}
  void settled(const Record&, Ending) override {}
};

/// Packets of one record, which tell one another apart by their numbers.
struct Packets {
  Credits credits{1, 1000};
  Nobody listener;
  std::shared_ptr<Record> record =
      make_record(RecordKey{"r", 0, 0, 0}, 0, AnyPayload(), 0, credits, listener);

  Packets() {
    bool granted = false;
    credits.acquire(1, {}, granted);
  }
  ~Packets() { record->end(Ending::kWritten, {}, {}, 1); }
  PacketPtr packet(std::int64_t number) {
    record->add_living(1);
    return make_packet(record, AnyPayload::of(Num{number}), std::vector<std::uint32_t>(), 1, 0);
  }
};

std::int64_t number_of(const PacketPtr& packet) { return packet->payload().as<Num>()->value; }

}  // namespace

TEST_CASE("as many packets enter as there are places, the others in turn when one leaves") {
  for (const int places : {1, 2, 5}) {
    CAPTURE(places);
    Packets packets;
    Admission admission(places);
    for (std::int64_t i = 0; i < 8; ++i) {
      PacketPtr packet = packets.packet(i);
      CHECK(admission.enter(packet) == (i < places));
      CHECK((packet != nullptr) == (i < places));  // what waits has been taken over
    }
    for (std::int64_t i = places; i < 8; ++i) CHECK(number_of(admission.leave()) == i);
    for (int i = 0; i < places; ++i) CHECK(admission.leave() == nullptr);
    PacketPtr again = packets.packet(8);
    CHECK(admission.enter(again));
  }
}

TEST_CASE("of many threads never more are inside than there are places, and no packet is lost") {
  constexpr int kPlaces = 2, kThreads = 4, kEach = 2000;
  Packets packets;
  Admission admission(kPlaces);
  std::atomic<int> inside{0}, done{0};
  std::atomic<bool> crowded{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int one = 0; one < kEach; ++one) {
        PacketPtr packet = packets.packet(one);
        if (!admission.enter(packet)) continue;
        while (packet) {
          if (++inside > kPlaces) crowded = true;
          ++done;
          --inside;
          packet = admission.leave();
        }
      }
    });
  }
  threads.clear();
  CHECK_FALSE(crowded);
  CHECK(done == kThreads * kEach);
}
