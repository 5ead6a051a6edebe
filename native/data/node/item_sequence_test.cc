#include "data/node/item_sequence.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>
#include <vector>

#include "memory/undo.h"
#include "testing/heap.h"

namespace forkstore {
namespace {

using Oracle = std::deque<uint64_t>;  // kHoleSlot: a hole
using Slots = std::vector<uint64_t>;

void Collect(void* context, uint64_t slot) {
  static_cast<Slots*>(context)->push_back(slot);
}

class Fixture {
 public:
  explicit Fixture(uint64_t max_bytes = uint64_t{1} << 30) : memory(max_bytes) {
    block = memory.NewZeros(sizeof(SequenceBlock));
    memory.heap().Mutate<SequenceBlock>(block) = ItemSequence::Empty(kHead);
    empty_blocks = memory.live_blocks();
  }
  ItemSequence items() const { return ItemSequence(memory.heap(), block); }
  uint64_t origin() const { return memory.heap().Read<SequenceBlock>(block).origin; }
  // REQUIRES: no items.
  void SetOrigin(uint64_t to) { memory.heap().Mutate<SequenceBlock>(block).origin = to; }
  uint64_t At(uint32_t index) const {
    const Offset slot = items().Find(index);
    return slot == kNone ? kHoleSlot : memory.heap().Read<uint64_t>(slot);
  }

  void CheckAll(const Oracle& oracle) const {
    ASSERT_EQ(items().length(), oracle.size());
    ASSERT_EQ(memory.heap().Read<SequenceBlock>(block).head, kHead);
    std::vector<Offset> slots(oracle.size() + 1, 77);
    ASSERT_EQ(items().Scan(0, static_cast<uint32_t>(oracle.size()) + 1, slots.data()), oracle.size());
    ASSERT_EQ(slots.back(), 77u) << "wrote beyond what it returned";
    std::vector<ItemSequence::Item> expected;
    for (uint32_t i = 0; i < oracle.size(); i++) {
      ASSERT_EQ(slots[i] == kNone, oracle[i] == kHoleSlot) << i;
      if (slots[i] == kNone) continue;
      ASSERT_EQ(memory.heap().Read<uint64_t>(slots[i]), oracle[i]) << i;
      expected.push_back({i, slots[i]});
    }
    std::vector<ItemSequence::Item> present(expected.size() + 1);
    ASSERT_EQ(items().ScanPresent(0, static_cast<uint32_t>(present.size()), present.data()), expected.size());
    for (uint32_t i = 0; i < expected.size(); i++) {
      ASSERT_EQ(present[i].index, expected[i].index);
      ASSERT_EQ(present[i].slot, expected[i].slot);
    }
  }

  void CheckRestores(const Oracle& oracle) const {
    HeapForTest other;
    other.Load(memory.Save());
    ASSERT_TRUE(other.Claim(block, sizeof(SequenceBlock)));
    Oracle seen(oracle.size(), kHoleSlot);
    const Status status = ItemSequence(other.heap(), block)
                              .Restore(
                                  [](void* context, uint32_t index, uint64_t slot) {
                                    static_cast<Oracle*>(context)->at(index) = slot;
                                    return true;
                                  },
                                  &seen);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(seen, oracle);
    ASSERT_EQ(other.live_blocks(), memory.live_blocks());
  }

  static constexpr uint64_t kHead = 0x1234567890ABCDEF;
  HeapForTest memory;
  Offset block;
  uint64_t empty_blocks;
};

// The bytes of all blocks that can be reached, found as loading finds them.
using Blocks = HeapForTest::Blocks;
Blocks LiveBlocks(const Fixture& f) {
  HeapForTest other(uint64_t{64} << 20);
  other.Load(f.memory.Save());
  EXPECT_TRUE(other.Claim(f.block, sizeof(SequenceBlock)));
  const auto any = [](void*, uint32_t, uint64_t) { return true; };
  EXPECT_TRUE(ItemSequence(other.heap(), f.block).Restore(any, nullptr).ok());
  return other.TakeClaimed();
}

void RunProgram(uint32_t seed) {
  std::mt19937_64 random(seed);
  Fixture f;
  Oracle oracle;
  // Everywhere, and where positions wrap around.
  if (seed % 3 == 1) f.SetOrigin(random() % 200);
  if (seed % 3 == 2) f.SetOrigin(kSequenceLimit - 1 - random() % 200);
  const uint32_t largest = seed % 5 == 0 ? 5000 : 300;
  uint64_t next_slot = 1;
  for (uint32_t step = 0; step < 3000; step++) {
    const bool growing = step / 500 % 2 == 0;
    const uint32_t length = static_cast<uint32_t>(oracle.size());
    const uint32_t index = length == 0 ? 0 : static_cast<uint32_t>(random() % length);
    const auto some_slots = [&](uint64_t count) {
      Slots slots;
      for (uint64_t i = 0; i < count; i++) slots.push_back(random() % 8 == 0 ? kHoleSlot : next_slot++);
      return slots;
    };
    const uint64_t dice = random() % 100;
    if (dice < 25) {
      const uint32_t at =
          random() % 4 == 0 ? length + static_cast<uint32_t>(random() % (growing ? 20 : 2)) : index;
      ASSERT_TRUE(f.items().Set(at, next_slot).ok());
      while (oracle.size() <= at) oracle.push_back(kHoleSlot);
      oracle[at] = next_slot++;
    } else if (dice < 35 && length != 0) {
      ASSERT_EQ(f.items().Remove(index), oracle[index] != kHoleSlot);
      oracle[index] = kHoleSlot;
    } else if (dice < 40) {
      const uint32_t to =
          dice == 35 ? length / 2 : length + static_cast<uint32_t>(random() % 10) - std::min(length, 5u);
      Slots released, expected;
      for (uint32_t i = to; i < length; i++) {
        if (oracle[i] != kHoleSlot) expected.push_back(oracle[i]);
      }
      f.items().SetLength(to, &Collect, &released);
      ASSERT_EQ(released, expected);
      oracle.resize(to, kHoleSlot);
    } else if (dice < 92) {
      // Push, pop, shift, unshift, and in between.
      uint32_t start = dice < 52 ? length : dice < 64 ? 0 : index;
      uint32_t deleted = static_cast<uint32_t>(random() % (growing ? 4 : 9));
      if (random() % 30 == 0) deleted = static_cast<uint32_t>(random() % (length + 1));
      if (dice < 52) start -= std::min(start, deleted);
      deleted = std::min(deleted, length - start);
      const Slots slots = some_slots(length > largest ? 0 : random() % (growing ? 9 : 3));
      Slots released, expected;
      for (uint32_t i = start; i < start + deleted; i++) {
        if (oracle[i] != kHoleSlot) expected.push_back(oracle[i]);
      }
      ASSERT_TRUE(
          f.items()
              .Splice(start, deleted, slots.data(), static_cast<uint32_t>(slots.size()), &Collect, &released)
              .ok());
      ASSERT_EQ(released, expected);
      oracle.erase(oracle.begin() + start, oracle.begin() + start + deleted);
      oracle.insert(oracle.begin() + start, slots.begin(), slots.end());
    } else if (dice < 94) {
      std::vector<uint32_t> order(length);
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      ASSERT_TRUE(f.items().Permute(order.data()).ok());
      const Oracle before = oracle;
      for (uint32_t i = 0; i < length; i++) oracle[i] = before[order[i]];
    } else if (dice < 95 && random() % 4 == 0) {
      // No holes for a while.
      for (uint32_t i = 0; i < length; i++) {
        if (oracle[i] != kHoleSlot) continue;
        ASSERT_TRUE(f.items().Set(i, next_slot).ok());
        oracle[i] = next_slot++;
      }
    }
    ASSERT_EQ(f.items().length(), oracle.size());
    const uint32_t some = static_cast<uint32_t>(random() % (oracle.size() + 2));
    ASSERT_EQ(f.At(some), some < oracle.size() ? oracle[some] : kHoleSlot);
    if (step % 20 == 0) {
      ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
    }
    if (step % 300 == 0) {
      ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
    }
  }
  ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
  Slots released;
  f.items().SetLength(0, &Collect, &released);
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
  EXPECT_EQ(f.origin(), kFirstOrigin);
}

TEST(ItemSequence, RandomPrograms) {
  for (uint32_t seed = 0; seed < 60; seed++) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(RunProgram(seed));
  }
}

TEST(ItemSequence, TheLongestArray) {
  Fixture f;
  ASSERT_TRUE(f.items().Set(kMaxItems - 1, 5).ok());
  EXPECT_EQ(f.items().length(), kMaxItems);
  EXPECT_EQ(f.items().Find(0), kNone);
  EXPECT_EQ(f.items().Find(kMaxItems), kNone);
  EXPECT_EQ(f.At(kMaxItems - 1), 5u);
  ASSERT_TRUE(f.items().Set(7, 6).ok());
  ItemSequence::Item items[3];
  ASSERT_EQ(f.items().ScanPresent(0, 3, items), 2u);
  EXPECT_EQ(items[0].index, 7u);
  EXPECT_EQ(items[1].index, kMaxItems - 1);
  // Only what is there costs work.
  const uint64_t one = 9;
  ASSERT_TRUE(f.items().Splice(uint32_t{1} << 31, 2, &one, 1, nullptr, nullptr).ok());
  EXPECT_EQ(f.items().length(), kMaxItems - 1);
  EXPECT_EQ(f.At(uint32_t{1} << 31), 9u);
  EXPECT_EQ(f.At(kMaxItems - 2), 5u);
  EXPECT_EQ(f.At(7), 6u);
  f.items().SetLength(kMaxItems, nullptr, nullptr);
  f.items().SetLength(8, nullptr, nullptr);
  EXPECT_EQ(f.At(7), 6u);
  f.items().SetLength(0, nullptr, nullptr);
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
}

// A queue whose origin would go up for ever, and one that goes down.
TEST(ItemSequence, OriginsWrapAround) {
  for (const bool up : {true, false}) {
    Fixture f;
    f.SetOrigin(up ? kSequenceLimit - 500 : 500);
    Oracle oracle;
    for (uint64_t i = 1; i <= 2000; i++) {
      ASSERT_TRUE(f.items().Splice(up ? f.items().length() : 0, 0, &i, 1, nullptr, nullptr).ok());
      up ? oracle.push_back(i) : oracle.push_front(i);
      if (oracle.size() > 100) {
        ASSERT_TRUE(f.items().Splice(up ? 0 : f.items().length() - 1, 1, nullptr, 0, nullptr, nullptr).ok());
        up ? oracle.pop_front() : oracle.pop_back();
      }
      if (i % 10 == 0) {
        ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
      }
      if (i % 100 == 0) {
        ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
      }
    }
    EXPECT_LT(up ? f.origin() : kSequenceLimit - f.origin(), 2000u);
  }
}

// What moves is more than one piece.
TEST(ItemSequence, SplicesInLongArrays) {
  for (uint32_t seed = 0; seed < 4; seed++) {
    std::mt19937_64 random(seed);
    Fixture f;
    if (seed % 2 == 1) f.SetOrigin(kSequenceLimit - 20'000);  // and it wraps around
    Slots slots(50'000);
    for (uint64_t& slot : slots) slot = random() % 10 == 0 ? kHoleSlot : random();
    ASSERT_TRUE(f.items().Splice(0, 0, slots.data(), 50'000, nullptr, nullptr).ok());
    Oracle oracle(slots.begin(), slots.end());
    for (uint32_t round = 0; round < 40; round++) {
      const uint32_t length = static_cast<uint32_t>(oracle.size());
      const uint32_t start = length / 4 + static_cast<uint32_t>(random() % (length / 2));
      const uint32_t deleted =
          static_cast<uint32_t>(random() % (round % 3 == 0 ? 3 : 5000)) % (length - start);
      const uint32_t inserted = static_cast<uint32_t>(random() % (round % 4 == 0 ? 3 : 5000));
      ASSERT_TRUE(f.items().Splice(start, deleted, slots.data(), inserted, nullptr, nullptr).ok());
      oracle.erase(oracle.begin() + start, oracle.begin() + start + deleted);
      oracle.insert(oracle.begin() + start, slots.begin(), slots.begin() + inserted);
      ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
    }
    ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
  }
}

// What a rollback leaves is what was there, byte by byte.
TEST(ItemSequence, UndoOfEverything) {
  for (uint32_t seed = 0; seed < 20; seed++) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Fixture f(uint64_t{64} << 20);
    Undo undo(&f.memory.heap().arena, &f.memory.heap().allocator);
    if (seed % 3 == 1) f.SetOrigin(kSequenceLimit - 100);
    for (uint64_t i = 1; i <= 200; i++)
      ASSERT_TRUE(f.items().Set(static_cast<uint32_t>(random() % 400), i).ok());
    for (uint32_t round = 0; round < 60; round++) {
      const uint64_t live_blocks = f.memory.live_blocks();
      const uint64_t live_bytes = f.memory.live_bytes();
      const Blocks blocks = LiveBlocks(f);
      const Undo::Position position = undo.Begin();
      for (uint64_t changes = 1 + random() % 20; changes > 0; changes--) {
        const uint32_t length = f.items().length();
        const uint32_t start = static_cast<uint32_t>(random() % (length + 1));
        const uint32_t deleted =
            static_cast<uint32_t>(random() % (random() % 4 == 0 ? 100 : 4)) % (length - start + 1);
        Slots slots(random() % (random() % 4 == 0 ? 100 : 4));
        for (uint64_t& slot : slots) slot = random() % 4 == 0 ? kHoleSlot : random();
        if (length + slots.size() > 1000) slots.clear();
        switch (random() % 6) {
          case 0:
            ASSERT_TRUE(f.items().Set(start + deleted, random()).ok());
            break;
          case 1:
            f.items().Remove(start);
            break;
          case 2: {
            std::vector<uint32_t> order(length);
            std::iota(order.begin(), order.end(), 0);
            std::shuffle(order.begin(), order.end(), random);
            ASSERT_TRUE(f.items().Permute(order.data()).ok());
            break;
          }
          case 3:
            if (random() % 20 == 0) f.items().SetLength(start, nullptr, nullptr);
            break;
          default:
            ASSERT_TRUE(f.items()
                            .Splice(start, deleted, slots.data(), static_cast<uint32_t>(slots.size()),
                                    nullptr, nullptr)
                            .ok());
        }
      }
      if (random() % 3 == 0) {
        undo.Commit();
        continue;
      }
      undo.Rollback(position);
      ASSERT_EQ(f.memory.live_blocks(), live_blocks);
      ASSERT_EQ(f.memory.live_bytes(), live_bytes);
      ASSERT_EQ(LiveBlocks(f), blocks);
    }
    f.items().SetLength(0, nullptr, nullptr);
    EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
  }
}

TEST(ItemSequence, ReclaimTakesTheStepsItIsGiven) {
  for (const uint32_t step : {1u, 3u, 100u, 1'000'000u}) {
    Fixture f;
    Slots expected;
    for (uint32_t i = 0; i < 3000; i++) {
      ASSERT_TRUE(f.items().Set(i * 3, i + 1).ok());
      expected.push_back(i + 1);
    }
    Slots released;
    uint32_t calls = 0;
    Offset top = f.memory.heap().Read<SequenceBlock>(f.block).items;
    uint32_t height = f.memory.heap().Read<SequenceBlock>(f.block).items_height;
    f.memory.heap().Mutate<SequenceBlock>(f.block) = ItemSequence::Empty(Fixture::kHead);
    for (bool done = false; !done; calls++) {
      uint32_t budget = step;
      const uint64_t before = released.size() + f.empty_blocks - f.memory.live_blocks();
      done = OrderTrie::Reclaim(f.memory.heap(), &top, &height, &budget, &Collect, &released);
      ASSERT_EQ(released.size() + f.empty_blocks - f.memory.live_blocks() - before, step - budget);
    }
    EXPECT_GE(calls, 3000 / step);
    std::sort(released.begin(), released.end());
    EXPECT_EQ(released, expected);
    EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
    EXPECT_EQ(f.items().length(), 0u);
    ASSERT_TRUE(f.items().Set(0, 1).ok());
    EXPECT_EQ(f.At(0), 1u);
  }
}

// At one end nothing moves, so a refusal changes nothing; elsewhere what is there stays in order.
TEST(ItemSequence, AFullArena) {
  Fixture f(kMinArenaBytes);
  Oracle oracle;
  for (uint64_t i = 1; i <= 200; i++) {
    ASSERT_TRUE(f.items().Set(static_cast<uint32_t>(i - 1), i).ok());
    oracle.push_back(i);
  }
  f.memory.Exhaust();
  uint32_t refused = 0;
  for (uint64_t slot = 1000; refused < 3; slot++) {
    const bool front = slot % 2 == 0;
    if (f.items().Splice(front ? 0 : f.items().length(), 0, &slot, 1, nullptr, nullptr).ok()) {
      front ? oracle.push_front(slot) : oracle.push_back(slot);
    } else {
      refused++;
    }
    ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
  }
  EXPECT_EQ(f.items().Set(100'000, 1).code(), Code::kFull);
  ASSERT_NO_FATAL_FAILURE(f.CheckAll(oracle));
}

TEST(ItemSequence, DamageIsRefusedOrHarmless) {
  std::mt19937_64 random(5);
  Fixture f(kMinArenaBytes);
  for (uint64_t i = 1; i <= 1500; i++) ASSERT_TRUE(f.items().Set(static_cast<uint32_t>(i * 2), i).ok());
  const HeapForTest::Image image = f.memory.Save();
  uint32_t refused = 0;
  uint32_t accepted = 0;
  for (uint32_t round = 0; round < 3000; round++) {
    HeapForTest other(kMinArenaBytes);
    other.Load(image);
    const uint64_t words = other.arena().frontier() / 8;
    // A third of them in the block itself.
    uint64_t word = f.block / 8 + 1 + random() % 4;
    while (round % 3 != 0) {
      word = kUnitBytes / 8 + random() % (words - kUnitBytes / 8);
      if (other.heap().Read<uint64_t>(word * 8) != 0) break;
    }
    uint64_t& target = other.heap().Mutate<uint64_t>(word * 8);
    switch (random() % 4) {
      case 0:
        target ^= uint64_t{1} << random() % 64;
        break;
      case 1:
        target = random() >> random() % 64;
        break;
      case 2:
        target = random() % words * 8;
        break;
      case 3:
        target = 0;
        break;
    }
    ASSERT_TRUE(other.Claim(f.block, sizeof(SequenceBlock)));
    ItemSequence restored(other.heap(), f.block);
    uint64_t visits = 0;
    const Status status = restored.Restore(
        [](void* context, uint32_t, uint64_t) {
          ++*static_cast<uint64_t*>(context);
          return true;
        },
        &visits);
    if (!status.ok()) {
      ASSERT_EQ(status.code(), Code::kCorrupt);
      refused++;
      continue;
    }
    accepted++;
    other.FinishLoad();
    std::vector<ItemSequence::Item> items(2000);
    ASSERT_EQ(restored.ScanPresent(0, 2000, items.data()), visits);
    for (uint64_t i = 0; i < visits; i++) ASSERT_EQ(restored.Find(items[i].index), items[i].slot);
    restored.SetLength(0, nullptr, nullptr);
    ASSERT_EQ(other.live_blocks(), 1u);
  }
  EXPECT_GT(refused, 300u);
  EXPECT_GT(accepted, 10u);
}

}  // namespace
}  // namespace forkstore
