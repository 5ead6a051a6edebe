// Pace: how long a writer rests after each piece, so that the disk is not its own. Only arithmetic, over times
// that it is given: the forked child uses it, too.
#pragma once

#include <cstdint>

namespace forkstore {

struct PaceLimits {
  uint64_t max_bytes_per_second = 0;  // 0: no limit
  // For others at the same disk, such as the log: small pieces, and after each a rest as long as it took.
  bool leaves_room = false;
};

class Pace {
 public:
  // The longest rest without a word: a watchdog may wait for one, and a cancelled writer should not sleep on.
  static constexpr uint64_t kSliceNs = 50'000'000;
  // The longest rest after a piece: what took longer has waited for a processor, or for a disk that is so slow
  // that rests help nobody.
  static constexpr uint64_t kMostRestNs = 20'000'000;

  // A sync of the log that comes at the wrong moment waits for a piece; so it is small. Figures: docs/design.md,
  // "The disk is shared".
  static constexpr uint64_t kSmallPieceBytes = 64 * 1024;

  explicit Pace(const PaceLimits& limits) : limits_(limits) {}

  // How much may be written at once.
  uint64_t piece_bytes() const { return limits_.leaves_room ? kSmallPieceBytes : ~uint64_t{0}; }
  // A piece of so many bytes was written between these times. REQUIRES: less than 8 GiB; times never go back.
  void Wrote(uint64_t bytes, uint64_t began_ns, uint64_t ended_ns);
  // How long to sleep before asking again; 0: the next piece may be written.
  uint64_t SleepNs(uint64_t now_ns) const;

 private:
  PaceLimits limits_;
  bool has_begun_ = false;
  uint64_t due_ns_ = 0;   // when the limit allows the next piece
  uint64_t rest_ns_ = 0;  // until when it rests
};

}  // namespace forkstore
