// Pace: how long a writer rests after each piece, so that the disk is not its own. Only arithmetic, over times
// that it is given: the forked child uses it, too.
#pragma once

#include <cstdint>

namespace forkstore {

struct PaceLimits {
  uint64_t max_bytes_per_second = 0;  // 0: no limit
  // For each 100 ns that a piece took, so many without writing. 0: none.
  uint64_t rest_percent = 0;
};

class Pace {
 public:
  // The longest rest without a word: a watchdog may wait for one, and a cancelled writer should not sleep on.
  static constexpr uint64_t kSliceNs = 50'000'000;

  explicit Pace(const PaceLimits& limits) : limits_(limits) {}

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
