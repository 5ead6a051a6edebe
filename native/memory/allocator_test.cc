#include "memory/allocator.h"

#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "memory/heap.h"

namespace forkstore {
namespace {

class AllocatorTest : public testing::Test {
 protected:
  void Open(uint64_t max_bytes) {
    allocator_.reset();
    // Small pages: the tests are about places, and 2 MiB would be cleared for each unit touched.
    ASSERT_TRUE(Arena::Create({.max_bytes = max_bytes, .huge_pages = false}, &arena_).ok());
    ASSERT_TRUE(Allocator::Create(arena_.get(), &allocator_).ok());
  }

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Allocator> allocator_;
};

uint64_t RandomSize(std::mt19937_64* random) {
  switch ((*random)() % 16) {
    case 0:
      return 1 + (*random)() % (600 * 1024);
    case 1:
    case 2:
      return 1 + (*random)() % kMaxSmallBytes;
    case 3:
      return SizeClassBytes(static_cast<uint32_t>((*random)() % SizeClassCount())) + (*random)() % 3 - 1;
    default:
      return 1 + (*random)() % 300;
  }
}

// The oracle: what is live, by offset, each block filled with a pattern of its own.
class Oracle {
 public:
  explicit Oracle(Heap heap) : heap_(heap) {}

  bool Allocate(uint64_t bytes) {
    const Offset block = heap_.Allocate(bytes);
    if (block == kNone) return false;
    const uint64_t capacity = heap_.Capacity(block);
    EXPECT_GE(capacity, bytes);
    EXPECT_EQ(block % 8, 0u);
    EXPECT_GE(block, kUnitBytes) << "unit 0 is never used";
    EXPECT_LE(block + capacity, heap_.arena.frontier());
    EXPECT_EQ(block / kSegmentBytes, (block + capacity - 1) / kSegmentBytes);
    const auto next = live_.lower_bound(block);
    if (next != live_.end()) {
      EXPECT_LE(block + capacity, next->first) << "overlap";
    }
    if (next != live_.begin()) {
      const auto& [before, block_before] = *std::prev(next);
      EXPECT_LE(before + block_before.capacity, block) << "overlap";
    }
    const auto fill = static_cast<uint8_t>(block / 8 * 31 + ++serial_);
    memset(heap_.Write(block, capacity), fill, capacity);
    live_[block] = {capacity, fill};
    live_bytes_ += capacity;
    return true;
  }

  void FreeNear(uint64_t place) {
    if (live_.empty()) return;
    auto found = live_.lower_bound(place % heap_.arena.frontier());
    if (found == live_.end()) found = live_.begin();
    CheckBlock(*found);
    heap_.Free(found->first);
    live_bytes_ -= found->second.capacity;
    live_.erase(found);
  }

  // Frees blocks, then has some come and go, and claims the places of the first again.
  void FreeAndClaim(std::mt19937_64* random) {
    std::vector<std::pair<Offset, Block>> places;
    for (uint64_t i = 1 + (*random)() % 600; i > 0 && !live_.empty(); --i) {
      auto found = live_.lower_bound((*random)() % heap_.arena.frontier());
      if (found == live_.end()) found = live_.begin();
      places.push_back(*found);
      heap_.Free(found->first);
      live_.erase(found);
    }
    std::vector<Offset> others;
    const uint64_t bytes = 1 + (*random)() % 3000;
    for (uint64_t i = (*random)() % 300; i > 0; --i) {
      const Offset block = heap_.Allocate(bytes);
      if (block != kNone) others.push_back(block);
    }
    while (!others.empty()) {
      heap_.Free(others.back());
      others.pop_back();
    }
    while (!places.empty()) {
      const auto& [place, block] = places.back();
      heap_.allocator.Claim(place, block.capacity);
      memset(heap_.Write(place, block.capacity), block.fill, block.capacity);
      live_.insert(places.back());
      places.pop_back();
    }
  }

  void Check() {
    for (const auto& entry : live_) CheckBlock(entry);
    const AllocatorStats stats = heap_.allocator.stats();
    EXPECT_EQ(stats.live_blocks, live_.size());
    EXPECT_EQ(stats.live_bytes, live_bytes_);
    EXPECT_EQ(stats.mapped_bytes, heap_.arena.frontier());
    EXPECT_EQ(stats.free_bytes, stats.mapped_bytes - stats.live_bytes);
    EXPECT_EQ(heap_.allocator.units(), heap_.arena.frontier() / kUnitBytes);
  }

  uint64_t size() const { return live_.size(); }
  uint64_t live_bytes() const { return live_bytes_; }

 private:
  struct Block {
    uint64_t capacity;
    uint8_t fill;
  };

  void CheckBlock(const std::pair<const Offset, Block>& entry) {
    const uint8_t* bytes = heap_.At(entry.first);
    ASSERT_EQ(heap_.Capacity(entry.first), entry.second.capacity);
    ASSERT_EQ(heap_.allocator.CapacityIfBlock(entry.first), entry.second.capacity);
    ASSERT_EQ(heap_.allocator.BytesToBlockEnd(entry.first + 7), entry.second.capacity - 7);
    ASSERT_EQ(bytes[0], entry.second.fill);
    ASSERT_EQ(memcmp(bytes, bytes + 1, entry.second.capacity - 1), 0) << "contents changed";
  }

  Heap heap_;
  std::map<Offset, Block> live_;
  uint64_t live_bytes_ = 0;
  uint64_t serial_ = 0;
};

TEST_F(AllocatorTest, TheFirstBlockIsWhereTheFormatWantsTheRoot) {
  Open(kMinArenaBytes);
  EXPECT_EQ(allocator_->units(), 1u);
  EXPECT_EQ(allocator_->table()[0], 0u);
  EXPECT_EQ(allocator_->Allocate(128), kUnitBytes);
  EXPECT_EQ(allocator_->table()[1], 1u | SizeClassFor(128) << 2);
}

TEST_F(AllocatorTest, RefusesSizesOutOfRange) {
  Open(uint64_t{4} << 30);
  EXPECT_EQ(allocator_->Allocate(0), kNone);
  EXPECT_EQ(allocator_->Allocate(kSegmentBytes + 1), kNone);
  EXPECT_EQ(allocator_->Allocate(~uint64_t{0}), kNone);
  EXPECT_EQ(allocator_->stats().live_blocks, 0u);
  const Offset block = allocator_->Allocate(kSegmentBytes);
  EXPECT_EQ(block, kSegmentBytes) << "a whole segment, the first being in use";
  EXPECT_EQ(allocator_->Capacity(block), kSegmentBytes);
  EXPECT_EQ(allocator_->BytesToBlockEnd(block + kSegmentBytes - 1), 1u);
  allocator_->Free(block);
  EXPECT_EQ(allocator_->units(), 1u);
}

TEST_F(AllocatorTest, FreshUnitsAreHandedOutInAscendingOrder) {
  Open(kMinArenaBytes);
  for (uint64_t i = 0; i < 2000; ++i) {
    ASSERT_EQ(allocator_->Allocate(100), kUnitBytes + i / 630 * kUnitBytes + i % 630 * 104);
  }
}

TEST_F(AllocatorTest, LowestFreeBlockFirst) {
  Open(kMinArenaBytes);
  for (int i = 0; i < 2000; ++i) allocator_->Allocate(100);
  const Offset low = kUnitBytes + 104 * 5;
  const Offset high = 3 * kUnitBytes + 104 * 5;
  allocator_->Free(high);
  allocator_->Free(low);
  EXPECT_EQ(allocator_->Allocate(100), low);
  EXPECT_EQ(allocator_->Allocate(100), high);
}

TEST_F(AllocatorTest, NoBlockCrossesASegment) {
  Open(uint64_t{4} << 30);
  std::vector<Offset> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(allocator_->Allocate(700 << 20));
  EXPECT_EQ(blocks,
            (std::vector<Offset>{kUnitBytes, kSegmentBytes, 2 * kSegmentBytes, 3 * kSegmentBytes, kNone}));
  // What is left of the segments is used for what fits.
  EXPECT_EQ(allocator_->Allocate(300 << 20), kUnitBytes + (uint64_t{700} << 20));
  EXPECT_EQ(allocator_->Allocate(324 << 20), kSegmentBytes + (uint64_t{700} << 20));
}

TEST_F(AllocatorTest, RandomProgramsAgreeWithTheOracle) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Open(uint64_t{16} << 20);
    Oracle oracle(Heap{*arena_, *allocator_});
    std::mt19937_64 random(seed);
    uint64_t refused = 0;
    for (int phase = 0; phase < 12; ++phase) {
      const uint64_t share_of_frees = phase % 3 == 0 ? 1 : phase % 3 == 1 ? 5 : 8;  // of 10
      for (int i = 0; i < 4000; ++i) {
        if (random() % 10 < share_of_frees) {
          oracle.FreeNear(random());
        } else if (!oracle.Allocate(RandomSize(&random))) {
          ++refused;
        }
        if (HasFailure()) return;
      }
      oracle.Check();
      if (HasFailure()) return;
    }
    EXPECT_GT(refused, 0u) << "the program should run into the end of the arena";
    while (oracle.size() > 0) oracle.FreeNear(random());
    oracle.Check();
    // What may be left is one empty unit for each class.
    EXPECT_LE(allocator_->units(), SizeClassCount() + 1);
  }
}

// As a rollback does it with blocks whose places it has lent.
TEST_F(AllocatorTest, PlacesAreClaimedAgain) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Open(uint64_t{8} << 20);
    Oracle oracle(Heap{*arena_, *allocator_});
    std::mt19937_64 random(seed);
    for (int round = 0; round < 600; ++round) {
      // Sometimes many of one size, so that whole units come and go.
      const uint64_t bytes = random() % 2 == 0 ? 1 + random() % 600 : 0;
      for (uint64_t i = random() % 600; i > 0; --i) {
        if (!oracle.Allocate(bytes == 0 ? RandomSize(&random) : bytes)) break;
      }
      oracle.FreeAndClaim(&random);
      oracle.Check();
      if (HasFailure()) return;
      for (uint64_t i = random() % 600; i > 0; --i) oracle.FreeNear(random());
    }
  }
}

TEST_F(AllocatorTest, AUnitThatIsClaimedAtTheFrontierOutlivesTheEmptyOneOfItsClass) {
  Open(kMinArenaBytes);
  std::vector<Offset> below;
  for (int i = 0; i < 512; ++i) below.push_back(allocator_->Allocate(128));
  const Offset above = allocator_->Allocate(128);
  ASSERT_EQ(above, 2 * kUnitBytes);
  allocator_->Free(above);
  for (const Offset block : below) allocator_->Free(block);
  ASSERT_EQ(allocator_->units(), 2u) << "the unit below should wait, empty";
  allocator_->Claim(above, 128);
  EXPECT_EQ(allocator_->CapacityIfBlock(above), 128u);
  EXPECT_EQ(allocator_->units(), 3u);
  EXPECT_EQ(allocator_->stats().live_blocks, 1u);
  allocator_->Free(above);
}

TEST_F(AllocatorTest, AFullArenaRefusesAndChangesNothingAndRecovers) {
  Open(kMinArenaBytes);
  for (const uint64_t bytes :
       {uint64_t{16}, uint64_t{520}, uint64_t{32768}, uint64_t{65536}, uint64_t{200000}}) {
    std::vector<Offset> blocks;
    for (;;) {
      const Offset block = allocator_->Allocate(bytes);
      if (block == kNone) break;
      blocks.push_back(block);
    }
    EXPECT_GT(allocator_->stats().live_bytes, kMinArenaBytes * 9 / 10);
    const AllocatorStats before = allocator_->stats();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(allocator_->Allocate(bytes), kNone);
    EXPECT_EQ(allocator_->stats().live_bytes, before.live_bytes);
    EXPECT_EQ(allocator_->stats().live_blocks, blocks.size());
    const Offset freed = blocks[blocks.size() / 2];
    allocator_->Free(freed);
    EXPECT_EQ(allocator_->Allocate(bytes), freed);
    for (const Offset block : blocks) allocator_->Free(block);
    EXPECT_EQ(allocator_->stats().live_bytes, 0u);
    EXPECT_LE(allocator_->units(), 2u);
  }
}

// In whatever order the blocks go.
TEST_F(AllocatorTest, TheFrontierComesDown) {
  for (const int order : {0, 1, 2}) {
    Open(uint64_t{64} << 20);
    std::mt19937_64 random(5);
    std::vector<Offset> blocks;
    while (allocator_->units() < 900) blocks.push_back(allocator_->Allocate(RandomSize(&random)));
    std::sort(blocks.begin(), blocks.end());
    if (order == 1) std::reverse(blocks.begin(), blocks.end());
    if (order == 2) std::shuffle(blocks.begin(), blocks.end(), random);
    for (const Offset block : blocks) allocator_->Free(block);
    EXPECT_LE(allocator_->units(), SizeClassCount() + 1) << order;
    EXPECT_EQ(allocator_->stats().live_bytes, 0u);
  }
}

TEST_F(AllocatorTest, AnEmptyUnitDoesNotKeepTheFrontierUp) {
  for (const bool top_first : {false, true}) {
    Open(uint64_t{64} << 20);
    std::vector<Offset> blocks;
    while (allocator_->units() < 500) blocks.push_back(allocator_->Allocate(128));
    const Offset at_the_top = allocator_->Allocate(2048);
    if (top_first) allocator_->Free(at_the_top);
    for (const Offset block : blocks) allocator_->Free(block);
    EXPECT_EQ(allocator_->units() > 500, !top_first);
    if (!top_first) allocator_->Free(at_the_top);
    EXPECT_LE(allocator_->units(), 3u);
  }
}

TEST_F(AllocatorTest, FillAndClearDoesNotGrow) {
  Open(uint64_t{128} << 20);
  uint64_t first_peak = 0;
  for (int round = 0; round < 6; ++round) {
    Oracle oracle(Heap{*arena_, *allocator_});
    std::mt19937_64 random(9);
    for (int i = 0; i < 3000; ++i) ASSERT_TRUE(oracle.Allocate(RandomSize(&random)));
    if (round == 0) first_peak = arena_->frontier();
    EXPECT_LE(arena_->frontier(), first_peak + SizeClassCount() * kUnitBytes);
    while (oracle.size() > 0) oracle.FreeNear(random());
    oracle.Check();
  }
}

// A block that comes and goes at the edge of a unit must not cut the unit anew each time: the frontier
// stays where it is.
TEST_F(AllocatorTest, AnEmptyUnitWaitsForTheNextAllocation) {
  Open(kMinArenaBytes);
  for (int i = 0; i < 512; ++i) allocator_->Allocate(128);
  const Offset first = allocator_->Allocate(128);
  EXPECT_EQ(first, 2 * kUnitBytes);
  for (int i = 0; i < 10; ++i) {
    allocator_->Free(first);
    EXPECT_EQ(allocator_->units(), 3u);
    EXPECT_EQ(allocator_->Allocate(128), first);
  }
}

TEST_F(AllocatorTest, EmptyUnitsAreNoReasonToRefuse) {
  Open(kMinArenaBytes);
  std::vector<Offset> blocks;
  for (uint32_t i = 0; i < 60; ++i) blocks.push_back(allocator_->Allocate(SizeClassBytes(i)));
  std::reverse(blocks.begin(), blocks.end());
  for (const Offset block : blocks) allocator_->Free(block);
  EXPECT_GT(allocator_->units(), 50u) << "there should be empty units that wait";
  EXPECT_EQ(allocator_->Allocate(63 * kUnitBytes), kUnitBytes);
  EXPECT_EQ(allocator_->Allocate(16), kNone);
}

TEST_F(AllocatorTest, AllocatingAndFreeingWriteNothingToTheArena) {
  Open(uint64_t{16} << 20);
  std::mt19937_64 random(4);
  std::vector<Offset> blocks;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(allocator_->Allocate(1 + random() % 3000));
    if (random() % 3 == 0) {
      allocator_->Free(blocks.back());
      blocks.pop_back();
    }
  }
  EXPECT_EQ(arena_->dirty_pages(), 0u);
}

TEST_F(AllocatorTest, BytesToBlockEndAgreesWithAllBlocks) {
  Open(kMinArenaBytes);
  std::mt19937_64 random(11);
  std::vector<std::pair<Offset, uint64_t>> blocks;
  for (int i = 0; i < 60; ++i) {
    const Offset block = allocator_->Allocate(RandomSize(&random) % 100000 + 1);
    if (block != kNone) blocks.emplace_back(block, allocator_->Capacity(block));
  }
  for (const auto& [block, capacity] : blocks) {
    for (uint64_t i = 0; i < 50; ++i) {
      const uint64_t distance = random() % capacity;
      ASSERT_EQ(allocator_->BytesToBlockEnd(block + distance), capacity - distance);
      // Within a block no other begins.
      ASSERT_EQ(allocator_->CapacityIfBlock(block + distance), distance == 0 ? capacity : 0);
    }
  }
  EXPECT_EQ(allocator_->BytesToBlockEnd(0), 0u);
  EXPECT_EQ(allocator_->BytesToBlockEnd(arena_->frontier()), 0u);
  EXPECT_EQ(allocator_->BytesToBlockEnd(~uint64_t{0}), 0u);
}

using AllocatorDeathTest = AllocatorTest;

TEST_F(AllocatorDeathTest, FreeingTwiceEndsTheProcessBeforeItReachesASnapshot) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Open(kMinArenaBytes);
  const Offset small = allocator_->Allocate(64);
  const Offset large = allocator_->Allocate(100000);
  allocator_->Allocate(64);
  allocator_->Free(small);
  EXPECT_DEATH(allocator_->Free(small), "freed twice");
  allocator_->Free(large);
  EXPECT_DEATH(allocator_->Free(large), "no block to free");
}

}  // namespace
}  // namespace forkstore
