#include "data/map/hash_segment.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace forkstore {
namespace {

constexpr uint64_t kSizes[] = {128, 256, 512, 1024, 2048, 4096};

// 8-aligned memory of exactly this size.
struct Memory {
  explicit Memory(uint64_t bytes) : words(bytes / 8) {}
  uint8_t* data() { return reinterpret_cast<uint8_t*>(words.data()); }
  std::vector<uint64_t> words;
};

bool Holds(const uint8_t* segment, uint64_t entry) {
  bool twin = false;
  return EntriesOf(segment)[SeekEntry(segment, entry, &twin)] == entry;
}

// Bits that share the top `depth` bits; few different ones when `crowded`.
uint32_t RandomBits(std::mt19937_64* random, bool crowded) {
  return static_cast<uint32_t>((*random)() % (crowded ? 16 : 1u << 20));
}

TEST(HashSegment, SizesAreThoseOfTheFormat) {
  const uint32_t slots[] = {14, 30, 62, 126, 254, 510};
  for (int i = 0; i < 6; i++) {
    EXPECT_EQ(SlotsIn(kSizes[i]), slots[i]);
    EXPECT_EQ(SegmentBytes(slots[i]), kSizes[i]);
    EXPECT_LT(EntryLimit(slots[i]), slots[i]);
  }
  EXPECT_EQ(HomeSlot(1, 510), 0x9E3779B1ull * 510 >> 32);
  EXPECT_EQ(MakeEntry(3, 4096), uint64_t{3} << 35 | 512);
}

TEST(HashSegment, BehavesAsASet) {
  for (const uint64_t bytes : kSizes) {
    for (const bool crowded : {false, true}) {
      std::mt19937_64 random(bytes + crowded);
      Memory memory(bytes);
      FormatSegment(memory.data(), SlotsIn(bytes), 9);
      std::set<uint64_t> oracle;
      for (uint32_t step = 0; step < 4000; step++) {
        const bool grow = (step / SlotsIn(bytes)) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
        if (grow && oracle.size() < SlotsIn(bytes) - 1) {
          const uint64_t entry = MakeEntry(RandomBits(&random, crowded), (random() % 1000 + 1) * 8);
          if (oracle.insert(entry).second) PlaceEntry(memory.data(), entry);
        } else if (!grow && !oracle.empty()) {
          const auto victim = std::next(oracle.begin(), static_cast<ptrdiff_t>(random() % oracle.size()));
          bool twin = false;
          EraseEntry(memory.data(), SeekEntry(memory.data(), *victim, &twin));
          ASSERT_FALSE(Holds(memory.data(), *victim));
          oracle.erase(victim);
        }
        ASSERT_EQ(CheckSegment(memory.data(), bytes, 0), nullptr);
        ASSERT_EQ(HeaderOf(memory.data()).count, oracle.size());
        if (step % 16 == 0) {
          for (const uint64_t entry : oracle) ASSERT_TRUE(Holds(memory.data(), entry));
        }
      }
    }
  }
}

TEST(HashSegment, TellsOfATwinBeforeAnEntry) {
  Memory memory(128);
  FormatSegment(memory.data(), 14, 0);
  PlaceEntry(memory.data(), MakeEntry(5, 8));
  PlaceEntry(memory.data(), MakeEntry(5, 16));
  bool twin = false;
  SeekEntry(memory.data(), MakeEntry(5, 8), &twin);
  EXPECT_FALSE(twin);
  SeekEntry(memory.data(), MakeEntry(5, 16), &twin);
  EXPECT_TRUE(twin);
}

// Whatever CheckSegment accepts must be safe to search and hold exactly what lies in its slots.
TEST(HashSegment, DamageIsRefusedOrHarmless) {
  std::mt19937_64 random(5);
  uint32_t refused = 0;
  uint32_t accepted = 0;
  for (uint32_t round = 0; round < 30'000; round++) {
    Memory memory(128);
    FormatSegment(memory.data(), 14, 9);
    const uint64_t count = random() % 14;
    for (uint64_t i = 0; i < count; i++) {
      PlaceEntry(memory.data(), MakeEntry(RandomBits(&random, false), (i + 1) * 8));
    }
    const uint64_t flips = 1 + random() % 2;
    for (uint64_t i = 0; i < flips; i++) memory.data()[random() % 128] ^= 1u << random() % 8;
    if (CheckSegment(memory.data(), 128, 0) != nullptr) {
      refused++;
      continue;
    }
    accepted++;
    uint32_t found = 0;
    for (uint32_t i = 0; i < 14; i++) {
      const uint64_t entry = EntriesOf(memory.data())[i];
      if (entry == 0) continue;
      found++;
      ASSERT_TRUE(Holds(memory.data(), entry));
      ASSERT_EQ(EntryBits(entry) >> (kHashBits - HeaderOf(memory.data()).depth), 0u);
    }
    ASSERT_EQ(found, HeaderOf(memory.data()).count);
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(accepted, 1000u);
}

TEST(HashSegment, ImpossibleHeadersAreRefused) {
  Memory memory(256);
  uint8_t* segment = memory.data();
  const auto reset = [segment]() {
    FormatSegment(segment, 30, 2);
    PlaceEntry(segment, MakeEntry(1u << 27, 8));
  };
  reset();
  EXPECT_EQ(CheckSegment(segment, 256, 1u << 27), nullptr);
  EXPECT_NE(CheckSegment(segment, 128, 1u << 27), nullptr) << "beyond its block";
  EXPECT_NE(CheckSegment(segment, 256, 0), nullptr) << "another path";
  HeaderOf(segment).slots = 29;
  EXPECT_NE(CheckSegment(segment, 256, 1u << 27), nullptr);
  reset();
  HeaderOf(segment).count = 2;
  EXPECT_NE(CheckSegment(segment, 256, 1u << 27), nullptr);
  reset();
  HeaderOf(segment).depth = 200;
  EXPECT_NE(CheckSegment(segment, 256, 1u << 27), nullptr);
  reset();
  std::fill_n(EntriesOf(segment), 30, MakeEntry(1u << 27, 8));
  HeaderOf(segment).count = 30;
  EXPECT_NE(CheckSegment(segment, 256, 1u << 27), nullptr) << "no empty slot";
}

}  // namespace
}  // namespace forkstore
