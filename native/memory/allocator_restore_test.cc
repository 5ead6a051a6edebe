// Loading: tables from images, honest and hostile.
#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "memory/allocator.h"

namespace forkstore {
namespace {

constexpr uint32_t kUnitsInSegment = kSegmentBytes / kUnitBytes;
constexpr uint32_t Small(uint32_t size_class) {
  return 1 | size_class << 2;
}
constexpr uint32_t Large(uint32_t units) {
  return 2 | units << 2;
}
constexpr uint32_t kFurther = 3;

struct Store {
  std::unique_ptr<Arena> arena;
  std::unique_ptr<Allocator> allocator;

  explicit Store(uint64_t max_bytes) {
    EXPECT_TRUE(Arena::Create({.max_bytes = max_bytes, .huge_pages = false}, &arena).ok());
    EXPECT_TRUE(Allocator::Create(arena.get(), &allocator).ok());
  }
};

Code RestoreCode(const std::vector<uint32_t>& table, uint64_t max_bytes = kMinArenaBytes) {
  Store store(max_bytes);
  return store.allocator->Restore(table.data(), table.size()).code();
}

// The slow and obvious judgement of a table.
bool Tiles(const std::vector<uint32_t>& table) {
  if (!table.empty() && table[0] != 0) return false;
  for (size_t unit = 0; unit < table.size();) {
    const uint32_t kind = table[unit] % 4;
    const uint64_t rest = table[unit] / 4;
    if (kind == 3) return false;
    if (kind == 0 && rest != 0) return false;
    if (kind == 1 && rest >= SizeClassCount()) return false;
    if (kind != 2) {
      ++unit;
      continue;
    }
    if (rest == 0 || unit + rest > table.size()) return false;
    if (unit / kUnitsInSegment != (unit + rest - 1) / kUnitsInSegment) return false;
    for (size_t i = unit + 1; i < unit + rest; ++i) {
      if (table[i] != 3) return false;
    }
    unit += rest;
  }
  return true;
}

TEST(AllocatorRestore, TakesTablesThatTile) {
  EXPECT_EQ(RestoreCode({}), Code::kOk);
  EXPECT_EQ(RestoreCode({0}), Code::kOk);
  EXPECT_EQ(RestoreCode({0, Small(14), Large(1), Large(3), kFurther, kFurther, 0, Small(87)}), Code::kOk);
}

TEST(AllocatorRestore, RefusesHostileTables) {
  EXPECT_EQ(RestoreCode({Small(14)}), Code::kCorrupt) << "unit 0";
  EXPECT_EQ(RestoreCode({Large(1)}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({kFurther}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({0, 4}), Code::kCorrupt) << "free, with a size";
  EXPECT_EQ(RestoreCode({0, Small(88)}), Code::kCorrupt) << "no such class";
  EXPECT_EQ(RestoreCode({0, 0xFFFFFFFD}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({0, Large(0)}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({0, Large(2)}), Code::kCorrupt) << "beyond the table";
  EXPECT_EQ(RestoreCode({0, 0xFFFFFFFE}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({0, Large(3), kFurther, 0}), Code::kCorrupt) << "cut short";
  EXPECT_EQ(RestoreCode({0, Large(3), kFurther, Large(1)}), Code::kCorrupt);
  EXPECT_EQ(RestoreCode({0, Large(2), kFurther, kFurther}), Code::kCorrupt) << "a part of nothing";
  EXPECT_EQ(RestoreCode({0, Large(2), kFurther | 4}), Code::kCorrupt) << "a further unit with a size";
  EXPECT_EQ(RestoreCode(std::vector<uint32_t>(65, 0)), Code::kFull) << "larger than the arena";
}

TEST(AllocatorRestore, RefusesBlocksThatCrossASegment) {
  std::vector<uint32_t> table(kUnitsInSegment + 1, 0);
  table[kUnitsInSegment - 1] = Large(2);
  table[kUnitsInSegment] = kFurther;
  EXPECT_EQ(RestoreCode(table, 2 * kSegmentBytes), Code::kCorrupt);
  table[kUnitsInSegment - 2] = Large(2);
  table[kUnitsInSegment - 1] = kFurther;
  table[kUnitsInSegment] = Large(1);
  EXPECT_EQ(RestoreCode(table, 2 * kSegmentBytes), Code::kOk);
}

TEST(AllocatorRestore, RandomTablesAgreeWithTheSlowJudge) {
  std::mt19937_64 random(1);
  int good = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint32_t> table{0};
    const size_t units = 1 + random() % 64;
    while (table.size() < units) {
      switch (random() % 4) {
        case 0:
          table.push_back(0);
          break;
        case 1:
          table.push_back(Small(static_cast<uint32_t>(random() % SizeClassCount())));
          break;
        default: {
          const auto count = static_cast<uint32_t>(1 + random() % 5);
          table.push_back(Large(count));
          table.insert(table.end(), count - 1, kFurther);
        }
      }
    }
    table.resize(std::min<size_t>(table.size(), 64));
    if (random() % 3 == 0) table[random() % table.size()] = static_cast<uint32_t>(random() % 16);
    if (random() % 9 == 0) table[random() % table.size()] = static_cast<uint32_t>(random());
    const bool tiles = Tiles(table);
    good += tiles;
    ASSERT_EQ(RestoreCode(table), tiles ? Code::kOk : Code::kCorrupt) << "round " << round;
  }
  EXPECT_GT(good, 2000);
  EXPECT_LT(good, 18000);
}

TEST(AllocatorRestore, AnyOffsetIsALegalArgument) {
  Store store(kMinArenaBytes);
  // Unit 1 has 126 blocks of 520 bytes, 16 bytes remain; 2 and 3 are a large block; 4 is free.
  const std::vector<uint32_t> table{0, Small(39), Large(2), kFurther, 0, Small(0)};
  ASSERT_TRUE(store.allocator->Restore(table.data(), table.size()).ok());
  const auto is_block = [](Offset offset) {
    const uint64_t in_unit = offset % kUnitBytes;
    switch (offset / kUnitBytes) {
      case 1:
        return in_unit % 520 == 0 && in_unit / 520 < 126;
      case 2:
        return in_unit == 0;
      case 5:
        return in_unit % 16 == 0;
      default:
        return false;
    }
  };
  for (Offset offset = 0; offset < kMinArenaBytes + 100; ++offset) {
    ASSERT_EQ(store.allocator->CapacityIfBlock(offset) != 0, is_block(offset)) << offset;
    ASSERT_EQ(store.allocator->MarkLive(offset, 1), is_block(offset)) << offset;
    ASSERT_FALSE(store.allocator->MarkLive(offset, 1)) << "claimed already: " << offset;
  }
  std::mt19937_64 random(2);
  for (int i = 0; i < 100000; ++i) {
    const Offset offset = random() >> random() % 40;
    if (offset < kMinArenaBytes) continue;
    ASSERT_FALSE(store.allocator->MarkLive(offset, 1));
    ASSERT_EQ(store.allocator->CapacityIfBlock(offset), 0u);
    ASSERT_EQ(store.allocator->BytesToBlockEnd(offset), 0u);
  }
  ASSERT_FALSE(store.allocator->MarkLive(~uint64_t{0}, ~uint64_t{0}));
  EXPECT_EQ(store.allocator->stats().live_blocks, 126u + 1 + 4096);
}

TEST(AllocatorRestore, ABlockSmallerThanWhatItShouldHoldIsRefused) {
  Store store(kMinArenaBytes);
  const std::vector<uint32_t> table{0, Small(14), Large(2), kFurther};
  ASSERT_TRUE(store.allocator->Restore(table.data(), table.size()).ok());
  EXPECT_FALSE(store.allocator->MarkLive(kUnitBytes, 129));
  EXPECT_FALSE(store.allocator->MarkLive(kUnitBytes, ~uint64_t{0}));
  EXPECT_TRUE(store.allocator->MarkLive(kUnitBytes, 128));
  EXPECT_FALSE(store.allocator->MarkLive(2 * kUnitBytes, 2 * kUnitBytes + 1));
  EXPECT_TRUE(store.allocator->MarkLive(2 * kUnitBytes, 2 * kUnitBytes));
}

// What a used allocator hands to an image comes back as it was, and goes on like it.
TEST(AllocatorRestore, ARestoredAllocatorEqualsTheOneSaved) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    std::mt19937_64 random(seed);
    Store saved(64 << 20);
    std::vector<Offset> live;
    const auto work = [&](Allocator* allocator, int steps) {
      for (int i = 0; i < steps; ++i) {
        if (random() % 3 == 0 && !live.empty()) {
          const size_t victim = random() % live.size();
          allocator->Free(live[victim]);
          live[victim] = live.back();
          live.pop_back();
        } else {
          const uint64_t limit = random() % 8 == 0 ? 300000 : 2000;
          const Offset block = allocator->Allocate(1 + random() % limit);
          if (block != kNone) live.push_back(block);
        }
      }
    };
    work(saved.allocator.get(), 6000);
    const std::vector<uint32_t> table(saved.allocator->table(),
                                      saved.allocator->table() + saved.allocator->units());
    Store restored(64 << 20);
    ASSERT_TRUE(restored.allocator->Restore(table.data(), table.size()).ok());
    std::shuffle(live.begin(), live.end(), random);
    for (const Offset block : live) {
      ASSERT_TRUE(restored.allocator->MarkLive(block, saved.allocator->Capacity(block)));
      ASSERT_FALSE(restored.allocator->MarkLive(block, 1));
      ASSERT_FALSE(restored.allocator->MarkLive(block + 4, 1)) << "no block begins there";
    }
    restored.allocator->FinishRestore();

    const AllocatorStats before = saved.allocator->stats();
    const AllocatorStats after = restored.allocator->stats();
    EXPECT_EQ(after.live_blocks, before.live_blocks);
    EXPECT_EQ(after.live_bytes, before.live_bytes);
    EXPECT_LE(after.mapped_bytes, before.mapped_bytes) << "only empty units may have gone";

    // It goes on: no block is handed out twice, all can be freed.
    work(restored.allocator.get(), 6000);
    std::sort(live.begin(), live.end());
    for (size_t i = 1; i < live.size(); ++i) {
      ASSERT_LE(live[i - 1] + restored.allocator->Capacity(live[i - 1]), live[i]);
    }
    for (const Offset block : live) restored.allocator->Free(block);
    EXPECT_EQ(restored.allocator->stats().live_bytes, 0u);
    EXPECT_LE(restored.allocator->units(), SizeClassCount() + 1);
  }
}

TEST(AllocatorRestore, UnitsWithoutALiveBlockAreGivenBack) {
  Store store(kMinArenaBytes);
  const std::vector<uint32_t> table{0, Small(14), Small(20), Large(2), kFurther, Small(14), Large(1), 0, 0};
  ASSERT_TRUE(store.allocator->Restore(table.data(), table.size()).ok());
  EXPECT_EQ(store.arena->frontier(), table.size() * kUnitBytes);
  ASSERT_TRUE(store.allocator->MarkLive(kUnitBytes, 100));
  ASSERT_TRUE(store.allocator->MarkLive(5 * kUnitBytes, 100));
  store.allocator->FinishRestore();
  EXPECT_EQ(store.allocator->units(), 6u);
  const std::vector<uint32_t> left(store.allocator->table(), store.allocator->table() + 6);
  EXPECT_EQ(left, (std::vector<uint32_t>{0, Small(14), 0, 0, 0, Small(14)}));
  EXPECT_EQ(store.allocator->Allocate(3 * kUnitBytes), 2 * kUnitBytes);
  EXPECT_EQ(store.allocator->Allocate(128), kUnitBytes + 128);
}

TEST(AllocatorRestore, NothingLiveLeavesAnEmptyArena) {
  Store store(kMinArenaBytes);
  const std::vector<uint32_t> table{0, Small(14), Large(1)};
  ASSERT_TRUE(store.allocator->Restore(table.data(), table.size()).ok());
  store.allocator->FinishRestore();
  EXPECT_EQ(store.allocator->units(), 1u);
  EXPECT_EQ(store.allocator->Allocate(128), kUnitBytes);
}

}  // namespace
}  // namespace forkstore
