#include "memory/frozen_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "memory/arena.h"
#include "memory/frozen_table.h"

namespace forkstore {
namespace {

constexpr uint64_t kUnits = 40;
constexpr uint64_t kMost = kUnits * kUnitBytes;

std::vector<uint8_t> Copy(const Arena& arena, uint64_t units) {
  return {arena.At(0), arena.At(units * kUnitBytes)};
}

class FrozenPagesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Arena::Create({uint64_t{16} << 20, false}, &arena_).ok());
    arena_->SetFrontier(kUnits * kUnitBytes);
    ASSERT_TRUE(frozen().Create(arena_->base(), arena_->reserved_bytes(), uint64_t{16} << 20).ok());
    for (uint64_t at = 0; at < kUnits * kUnitBytes; at += 8) arena_->Mutate<uint64_t>(at) = random_();
  }
  FrozenPages& frozen() { return arena_->frozen(); }
  void Freeze(uint64_t most_bytes = kMost) {
    arena_->BeginSave();
    arena_->Freeze(most_bytes);
  }
  void End() {
    frozen().End();
    frozen().ReleaseBuffers(0);
    arena_->EndSave(true);
    arena_->Thaw();
  }
  // Anywhere, some bytes or some pages of them.
  void Change() {
    const uint64_t offset = random_() % (kUnits * kUnitBytes / 8) * 8;
    const uint64_t most = random_() % 16 == 0 ? 3 * kUnitBytes : 64;
    const uint64_t bytes = std::min(8 + random_() % most, kUnits * kUnitBytes - offset);
    memset(arena_->Write(offset, bytes), static_cast<int>(random_()), bytes);
  }
  std::vector<uint8_t> ReadAll() {
    std::vector<uint8_t> read(kUnits * kUnitBytes);
    for (uint64_t unit = 0; unit < kUnits; ++unit) {
      EXPECT_TRUE(frozen().ReadUnit(unit, read.data() + unit * kUnitBytes));
    }
    return read;
  }

  std::mt19937_64 random_{7};
  std::unique_ptr<Arena> arena_;
};

TEST_F(FrozenPagesTest, ThawedTheyCostNothing) {
  EXPECT_TRUE(frozen().is_created());
  for (int i = 0; i < 100; ++i) Change();
  EXPECT_EQ(frozen().peak_bytes(), 0u);
  EXPECT_EQ(frozen().frozen_bytes(), 0u);
}

TEST_F(FrozenPagesTest, ReadAsTheyWereAtTheFreeze) {
  for (int round = 0; round < 20; ++round) {
    const std::vector<uint8_t> expected = Copy(*arena_, kUnits);
    Freeze();
    for (int i = 0; i < 30 * round; ++i) Change();
    EXPECT_TRUE(ReadAll() == expected) << round;
    EXPECT_EQ(frozen().peak_bytes() == 0, round == 0);
    End();
  }
}

TEST_F(FrozenPagesTest, APageIsCopiedOnce) {
  Freeze();
  for (int i = 0; i < 1000; ++i) arena_->Mutate<uint64_t>(5 * kPageBytes + 8 * (random_() % 512)) = random_();
  EXPECT_EQ(frozen().peak_bytes(), kPageBytes);
  // Two pages, one of which has been.
  arena_->Write(5 * kPageBytes + 4090, 100);
  EXPECT_EQ(frozen().peak_bytes(), 2 * kPageBytes);
  End();
}

TEST_F(FrozenPagesTest, WhatHasBeenReadOrIsWithoutDataIsNotCopied) {
  Freeze();
  std::vector<uint8_t> unit(kUnitBytes);
  ASSERT_TRUE(frozen().ReadUnit(3, unit.data()));
  frozen().SkipUnit(4);
  arena_->Mutate<uint64_t>(3 * kUnitBytes + 8) = 1;
  arena_->Mutate<uint64_t>(4 * kUnitBytes + 8) = 1;
  EXPECT_EQ(frozen().peak_bytes(), 0u);
  arena_->Mutate<uint64_t>(5 * kUnitBytes + 8) = 1;
  EXPECT_EQ(frozen().peak_bytes(), kPageBytes);
  End();
}

TEST_F(FrozenPagesTest, WhatLiesBeyondTheFrontierIsNotCopied) {
  Freeze();
  arena_->SetFrontier((kUnits + 4) * kUnitBytes);
  arena_->Mutate<uint64_t>(kUnits * kUnitBytes) = 1;
  EXPECT_EQ(frozen().peak_bytes(), 0u);
  End();
}

// Where it falls meanwhile, what is frozen stays, and is copied before it is used again.
TEST_F(FrozenPagesTest, WhatIsFrozenOutlivesAFrontierThatFalls) {
  const std::vector<uint8_t> expected = Copy(*arena_, kUnits);
  Freeze();
  arena_->SetFrontier(2 * kUnitBytes);
  while (arena_->ReleaseSurplus(kHugePageBytes) != 0) {
  }
  arena_->SetFrontier(kUnits * kUnitBytes);
  memset(arena_->Write(kUnitBytes, 20 * kUnitBytes), 1, 20 * kUnitBytes);
  EXPECT_TRUE(ReadAll() == expected);
  End();
}

TEST_F(FrozenPagesTest, BuffersComeBackWithTheirUnits) {
  Freeze(2 * kUnitBytes);
  std::vector<uint8_t> to(kUnitBytes);
  for (uint64_t unit = 0; unit < kUnits; ++unit) {
    memset(arena_->Write(unit * kUnitBytes, kUnitBytes), 2, kUnitBytes);
    std::vector<uint64_t> units;
    frozen().TakeSaved([&](uint64_t saved) { units.push_back(saved); });
    EXPECT_EQ(units, std::vector<uint64_t>(FrozenPages::kPagesPerUnit, unit));
    ASSERT_TRUE(frozen().ReadUnit(unit, to.data())) << unit;
  }
  EXPECT_EQ(frozen().peak_bytes(), kUnitBytes);
  EXPECT_FALSE(frozen().ran_out());
  End();
}

// Its page was saved while the unit was being read: the buffer is nobody's but the list's.
TEST_F(FrozenPagesTest, ABufferThatIsToldOfLateComesBack) {
  Freeze(kPageBytes);
  std::vector<uint8_t> to(kUnitBytes);
  arena_->Mutate<uint64_t>(kUnitBytes) = 1;
  ASSERT_TRUE(frozen().ReadUnit(1, to.data()));
  frozen().TakeSaved([](uint64_t) {});
  arena_->Mutate<uint64_t>(2 * kUnitBytes) = 1;
  EXPECT_FALSE(frozen().ran_out());
  EXPECT_EQ(frozen().peak_bytes(), kPageBytes);
  End();
}

TEST_F(FrozenPagesTest, WithoutABufferNothingMoreIsGivenOut) {
  Freeze(3 * kPageBytes);
  for (uint64_t i = 0; i < 3; ++i) arena_->Mutate<uint64_t>((20 + i) * kPageBytes) = 1;
  EXPECT_FALSE(frozen().ran_out());
  arena_->Mutate<uint64_t>(30 * kPageBytes) = 1;
  EXPECT_TRUE(frozen().ran_out());
  std::vector<uint8_t> to(kUnitBytes);
  EXPECT_FALSE(frozen().ReadUnit(0, to.data()));
  for (int i = 0; i < 1000; ++i) Change();
  EXPECT_EQ(frozen().peak_bytes(), 3 * kPageBytes);
  End();
  // The next one knows nothing of it.
  const std::vector<uint8_t> expected = Copy(*arena_, kUnits);
  Freeze();
  EXPECT_FALSE(frozen().ran_out());
  for (int i = 0; i < 100; ++i) Change();
  EXPECT_TRUE(ReadAll() == expected);
  End();
}

// While the owner writes as fast as it can; the table, too.
TEST_F(FrozenPagesTest, AReaderSeesNothingOfWhatIsWrittenMeanwhile) {
  std::vector<uint32_t> table;
  table.reserve(2048);  // whole pages
  for (uint64_t i = 0; i < 1500; ++i) table.push_back(static_cast<uint32_t>(random_()));
  FrozenTable frozen_table;
  ASSERT_TRUE(frozen_table.Create(table.data(), table.size()).ok());
  uint64_t copied = 0;
  for (int round = 0; round < 300; ++round) {
    const std::vector<uint8_t> expected = Copy(*arena_, kUnits);
    const std::vector<uint32_t> expected_table = table;
    Freeze();
    frozen_table.Freeze(table.size());
    std::atomic<bool> is_read{false};
    std::vector<uint8_t> read;
    std::vector<uint32_t> read_table(table.size());
    std::thread reader([&] {
      frozen_table.Read(read_table.data());
      std::mt19937_64 random(static_cast<uint64_t>(round));
      std::vector<uint64_t> order;
      for (uint64_t unit = 0; unit < kUnits; ++unit) order.push_back(unit);
      std::shuffle(order.begin(), order.end(), random);
      read.resize(kUnits * kUnitBytes);
      for (const uint64_t unit : order) {
        frozen().TakeSaved([](uint64_t) {});
        EXPECT_TRUE(frozen().ReadUnit(unit, read.data() + unit * kUnitBytes));
      }
      frozen().End();
      frozen().ReleaseBuffers(round % 3 * kUnitBytes);
      is_read.store(true);
    });
    while (!is_read.load()) {
      Change();
      const uint64_t unit = random_() % table.size();
      frozen_table.BeforeChange(unit, 1);
      table[unit] = static_cast<uint32_t>(random_());
    }
    reader.join();
    EXPECT_TRUE(read == expected) << round;
    EXPECT_TRUE(read_table == expected_table) << round;
    copied += frozen().peak_bytes();
    arena_->EndSave(true);
    arena_->Thaw();
  }
  EXPECT_GT(copied, 0u);
}

TEST(FrozenTable, IsReadAsItWasAtTheFreeze) {
  std::vector<uint32_t> table;
  table.reserve(4096);
  for (uint32_t i = 0; i < 3000; ++i) table.push_back(i);
  FrozenTable frozen;
  EXPECT_FALSE(frozen.is_created());
  ASSERT_TRUE(frozen.Create(table.data(), 3000).ok());
  for (uint32_t round = 1; round < 4; ++round) {
    const std::vector<uint32_t> expected(table.begin(), table.begin() + 2500);
    frozen.Freeze(2500);
    // Across two pages of the table, and beyond what is frozen.
    frozen.BeforeChange(1000, 100);
    std::fill(table.begin() + 1000, table.begin() + 1100, 7 * round);
    frozen.BeforeChange(2400, 600);
    std::fill(table.begin() + 2400, table.end(), 9 * round);
    std::vector<uint32_t> read(2500);
    frozen.Read(read.data());
    EXPECT_TRUE(read == expected) << round;
    frozen.BeforeChange(0, 1);
    table[0] = round;
  }
}

}  // namespace
}  // namespace forkstore
