#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flowtts {

/// What identifies a source record. `index` and `occurrence` say where it stood in the input; the
/// random choices made for a record do not depend on them.
struct RecordKey {
  std::string id;                  ///< As the input gave it, or made from the index.
  std::uint64_t content_hash = 0;  ///< Of what the record says, whatever its formatting.
  std::uint64_t index = 0;         ///< Its place in the input, from 0.
  std::uint32_t occurrence = 0;    ///< How many records before it in the input have the same id.
};

/// A uniformly distributed number that is a pure function of its arguments: of no generator, clock
/// or thread. XXH3 over the arguments' bytes, the same on every machine.
///
/// \param purpose what is being decided ("speaker"), so that two decisions are independent.
/// \param part    tells several decisions of one kind apart (the turn's number, say).
std::uint64_t draw(std::uint64_t run_seed, const RecordKey& record, std::string_view purpose,
                   std::uint64_t part = 0);

/// The same as a fraction in [0, 1).
double draw_fraction(std::uint64_t run_seed, const RecordKey& record, std::string_view purpose,
                     std::uint64_t part = 0);

/// Which item a stage is working on. Valid during the call that it is handed to.
struct Item {
  const RecordKey& record;
  const std::vector<std::uint32_t>& path;  ///< Child numbers from the record down, one a 1→N stage.
  std::uint64_t run_seed = 0;
  int attempt = 1;  ///< 1 at first, one more at each retry: the same call again.
  /// Which take of the item this is: 1 at first, one more each time that a stage sends the item
  /// back to the device stage before it (Error::retake). A counter apart from `attempt`, because
  /// the two mean opposite things: an attempt repeats a call and has to draw what the one before
  /// drew, a take is to come out differently. So a device stage that draws random numbers draws
  /// them with the take. Each take begins with attempt 1, and behind the last stage that may ask
  /// for another one it is 1 again.
  int take = 1;

  std::uint64_t draw(std::string_view purpose, std::uint64_t part = 0) const {
    return flowtts::draw(run_seed, record, purpose, part);
  }
};

}  // namespace flowtts
