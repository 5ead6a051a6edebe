#include "memory/unit_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace forkstore {
namespace {

constexpr uint64_t kSegmentUnits = kSegmentBytes / kUnitBytes;

// The oracle: a flag for each unit, looked through one by one.
class SlowMap {
 public:
  explicit SlowMap(uint64_t units) : used_(units) {}

  void Set(uint64_t first, uint64_t count, bool used) {
    for (uint64_t i = first; i < first + count; ++i) {
      ASSERT_NE(used_[i], used);
      used_[i] = used;
    }
  }
  bool Free(uint64_t first, uint64_t count) const {
    if (first + count > used_.size() || first / kSegmentUnits != (first + count - 1) / kSegmentUnits)
      return false;
    return std::none_of(used_.begin() + first, used_.begin() + first + count, [](bool used) { return used; });
  }
  // The segment of the lowest run; ~0 when there is none.
  uint64_t SegmentOfRun(uint64_t count) const {
    uint64_t length = 0;
    for (uint64_t i = 0; i < used_.size(); ++i) {
      if (i % kSegmentUnits == 0) length = 0;
      length = used_[i] ? 0 : length + 1;
      if (length == count) return i / kSegmentUnits;
    }
    return ~uint64_t{0};
  }
  uint64_t UsedEnd(uint64_t limit) const {
    while (limit > 0 && !used_[limit - 1]) --limit;
    return limit;
  }
  bool InUse(uint64_t unit) const { return used_[unit]; }
  uint64_t LowestFree() const {
    const auto found = std::find(used_.begin(), used_.end(), false);
    return found == used_.end() ? UnitMap::kNoRun : static_cast<uint64_t>(found - used_.begin());
  }

 private:
  std::vector<bool> used_;
};

TEST(UnitMap, LowestUnitsFirst) {
  UnitMap map(64);
  EXPECT_EQ(map.UsedEnd(64), 0u);
  EXPECT_EQ(map.Take(1), 0u);
  EXPECT_EQ(map.Take(10), 1u);
  EXPECT_EQ(map.Take(53), 11u);
  EXPECT_EQ(map.Take(1), UnitMap::kNoRun);
  map.Give(5, 3);
  EXPECT_EQ(map.Take(4), UnitMap::kNoRun);
  EXPECT_EQ(map.Take(2), 5u);
  EXPECT_EQ(map.UsedEnd(64), 64u);
  map.Give(11, 53);
  EXPECT_EQ(map.UsedEnd(64), 7u + 4u);
}

TEST(UnitMap, ARunNeverCrossesASegment) {
  UnitMap map(2 * kSegmentUnits + 100);
  EXPECT_EQ(map.Take(kSegmentUnits - 5), 0u);
  EXPECT_EQ(map.Take(6), kSegmentUnits);
  EXPECT_EQ(map.Take(kSegmentUnits), UnitMap::kNoRun);
  EXPECT_EQ(map.Take(5), kSegmentUnits - 5);
  EXPECT_EQ(map.Take(kSegmentUnits - 6), kSegmentUnits + 6);
  EXPECT_EQ(map.Take(101), UnitMap::kNoRun) << "the last segment is a part of one";
  EXPECT_EQ(map.Take(100), 2 * kSegmentUnits);
  EXPECT_EQ(map.Take(1), UnitMap::kNoRun);
}

TEST(UnitMap, RandomProgramsAgreeWithTheSlowMap) {
  for (const uint64_t units : {uint64_t{64}, uint64_t{1000}, kSegmentUnits, 2 * kSegmentUnits + 777}) {
    std::mt19937_64 random(units);
    UnitMap map(units);
    SlowMap slow(units);
    std::map<uint64_t, uint64_t> runs;
    uint64_t refused = 0;
    for (int step = 0; step < 6000; ++step) {
      if (random() % 100 < (step / 1000 % 2 == 0 ? 30u : 60u) && !runs.empty()) {
        auto run = runs.lower_bound(random() % units);
        if (run == runs.end()) run = runs.begin();
        map.Give(run->first, run->second);
        slow.Set(run->first, run->second, false);
        runs.erase(run);
      } else {
        const uint64_t shape = random() % 8;
        const uint64_t count = 1 + random() % (shape == 0  ? std::min(units, kSegmentUnits)
                                               : shape < 4 ? 200
                                                           : 3);
        if (shape == 7) {  // as loading does
          const uint64_t first = random() % units;
          if (!slow.Free(first, count)) continue;
          map.Claim(first, count);
          slow.Set(first, count, true);
          runs[first] = count;
          continue;
        }
        const uint64_t segment = slow.SegmentOfRun(count);
        const uint64_t first = map.Take(count);
        if (segment == ~uint64_t{0}) {
          ASSERT_EQ(first, UnitMap::kNoRun);
          ++refused;
          continue;
        }
        ASSERT_NE(first, UnitMap::kNoRun);
        ASSERT_EQ(first / kSegmentUnits, segment);
        ASSERT_TRUE(slow.Free(first, count));
        slow.Set(first, count, true);
        runs[first] = count;
      }
      const uint64_t limit = random() % (units + 1);
      ASSERT_EQ(map.UsedEnd(limit), slow.UsedEnd(limit));
      ASSERT_EQ(map.LowestFree(), slow.LowestFree());
      const uint64_t unit = random() % units;
      ASSERT_EQ(map.InUse(unit), slow.InUse(unit));
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(refused, 0u);
  }
}

}  // namespace
}  // namespace forkstore
