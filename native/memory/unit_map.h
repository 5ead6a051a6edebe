// UnitMap: which units of the arena are in use, and the lowest run of free ones of a given length.
//
// The units of one segment (1 GiB: 16,384 units) are a bitmap of 256 words, and over the words stands a
// tree; each node knows the longest free run of its units, and how long a run begins and ends them:
//
//   |               0 .. 16383               |     node: prefix, best, suffix
//   |     0 .. 8191     |   8192 .. 16383    |
//                8 levels in all
//   | word | word | word |    ...     | word |     bit 1 = in use
//
// A run never crosses a segment. Segments come into being when their first unit is used.
// Bounds: Take, Claim, Give: the segments (at most 256, two bytes each) and some 8 nodes for each word of
// the run; nothing walks over all units.
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/layout.h"

namespace forkstore {

class UnitMap {
 public:
  static constexpr uint64_t kNoRun = ~uint64_t{0};

  explicit UnitMap(uint64_t units);

  // Uses the lowest run of `count` free units of the lowest segment that has one, or returns kNoRun.
  // REQUIRES: count > 0.
  uint64_t Take(uint64_t count);
  // REQUIRES: the units lie in one segment below the number given above; they are free / in use.
  void Claim(uint64_t first, uint64_t count);
  void Give(uint64_t first, uint64_t count);

  bool InUse(uint64_t unit) const;
  // How many are.
  uint64_t used() const { return used_; }
  // kNoRun when all are in use.
  uint64_t LowestFree() const;
  // One more than the highest unit in use below `limit`; 0 when there is none.
  uint64_t UsedEnd(uint64_t limit) const;

 private:
  static constexpr uint64_t kSegmentUnits = kSegmentBytes / kUnitBytes;
  static constexpr uint64_t kWords = kSegmentUnits / 64;

  struct Run {  // in units
    uint16_t prefix, suffix, best;
  };
  struct Segment {
    uint64_t used[kWords];
    Run runs[2 * kWords];  // 1 is the top, 2i and 2i + 1 are below i, kWords + w is word w
  };

  Segment* Touch(uint64_t segment);
  static Run RunOfWord(uint64_t used);
  static void Join(Segment* segment, uint64_t node, uint64_t half_units);
  static uint64_t Find(const Segment& segment, uint64_t count);
  void Set(uint64_t first, uint64_t count, bool used);

  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<uint16_t> best_;  // for each segment its longest run
  uint64_t units_;
  uint64_t used_ = 0;
};

}  // namespace forkstore
