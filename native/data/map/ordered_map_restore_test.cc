// Loading: what was saved comes back, and nothing that a damaged image holds does harm.
#include "testing/map.h"
#include "testing/word_damage.h"

namespace forkstore {
namespace {

// Uses everything that an accepted map has, and takes it apart.
void Exercise(MapForTest* test) {
  test->memory.FinishLoad();
  const Heap heap = test->memory.heap();
  std::vector<Offset> records(5000);
  const uint32_t count = test->map().Scan(0, 5000, records.data());
  ASSERT_EQ(count, test->map().size());
  uint64_t last = 0;
  for (uint32_t i = 0; i < count; i++) {
    const RecordView view = ReadRecord(heap, records[i]);
    ASSERT_GT(view.sequence, last);
    last = view.sequence;
    ASSERT_EQ(test->map().FindRecord(view.key), records[i]);
  }
  bool inserted = false;
  for (uint64_t i = 0; i < 40; i++) {
    (void)test->Set(MakeKey(i), MakeValue(8 + i % 3 * 80, i), &inserted).ok();
  }
  while (test->map().Scan(0, 1, records.data()) == 1) {
    ASSERT_TRUE(test->map().Delete(ReadRecord(heap, records[0]).key));
  }
  ASSERT_EQ(test->map().size(), 0u);
  ASSERT_EQ(test->memory.live_blocks(), test->empty_blocks);
}

TEST(OrderedMapRestore, WhatWasSavedComesBack) {
  for (const uint64_t keys : {0, 1, 2, 11, 12, 64, 65, 500, 5000, 60'000}) {
    std::mt19937_64 random(keys);
    MapForTest test;
    MapOracle oracle;
    for (uint64_t step = 0; step < keys * 3; step++) {
      const std::string key = MakeKey(random() % keys);
      if (random() % 3 == 0) {
        ASSERT_EQ(test.map().Delete(KeyOf(key)), oracle.Delete(key));
        continue;
      }
      const std::string value = MakeValue(random() % 200 == 0 ? 40'000 : 16 + random() % 20 * 8, step);
      bool inserted = false;
      ASSERT_TRUE(test.Set(key, value, &inserted).ok());
      oracle.Set(key, value);
    }
    MapForTest restored(test.memory.Save(), test.header, test.shape_fields, uint64_t{1} << 30);
    const Status status = restored.Restore();
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(restored.memory.live_blocks(), test.memory.live_blocks());
    ASSERT_EQ(restored.memory.live_bytes(), test.memory.live_bytes());
    ASSERT_EQ(restored.Contents(), oracle.Contents());
    restored.memory.FinishLoad();
    for (const auto& [key, value] : oracle.Contents()) ASSERT_TRUE(restored.map().Delete(KeyOf(key)));
    ASSERT_EQ(restored.memory.live_blocks(), restored.empty_blocks);
  }
}

TEST(OrderedMapRestore, AMapUnderAnotherSeedIsRefused) {
  MapForTest test;
  bool inserted = false;
  ASSERT_TRUE(test.Set(MakeKey(1), MakeValue(8, 1), &inserted).ok());
  MapForTest other(test.memory.Save(), test.header, test.shape_fields, uint64_t{1} << 30);
  OrderedMap map(other.memory.heap(), other.header, HashSeed{1, 2});
  ShapeTable shapes(other.memory.heap(), other.shape_fields, other.shape_fields + 8);
  ValueScratch scratch;
  EXPECT_EQ(map.Restore(shapes, &scratch).code(), Code::kCorrupt);
}

// Made by hand: what damage at random would hardly hit on.
class HandMade : public testing::Test {
 protected:
  HandMade()
      : heap(test.memory.heap()),
        index(heap, test.header + offsetof(MapHeader, index)),
        order(heap, test.header + offsetof(MapHeader, order),
              test.header + offsetof(MapHeader, order_height)) {}

  // An entry without the checks that Set() or its caller makes; returns its record.
  Offset Put(const Key& key) {
    MapHeader& header = heap.Mutate<MapHeader>(test.header);
    const uint64_t sequence = header.next_sequence++;
    header.entries++;
    const std::string value = MakeValue(8, sequence);
    const Offset record = heap.Allocate(RecordBytes(key.bytes, 8));
    uint8_t* bytes = heap.Write(record, RecordBytes(key.bytes, 8));
    std::memcpy(bytes + BuildRecordHead(bytes, sequence, key), value.data(), 8);
    EXPECT_TRUE(index.Reserve(key.Hash(kTestSeed)).ok());
    index.Insert(key.Hash(kTestSeed), record);
    EXPECT_TRUE(order.Insert(sequence, record).ok());
    return record;
  }
  bool Restores(Offset claimed_already = kNone) {
    MapForTest restored(test.memory.Save(), test.header, test.shape_fields, uint64_t{1} << 30);
    EXPECT_TRUE(claimed_already == kNone || restored.memory.Claim(claimed_already, 8));
    const Status status = restored.Restore();
    EXPECT_TRUE(status.ok() || status.code() == Code::kCorrupt);
    return status.ok();
  }

  MapForTest test;
  Heap heap;
  HashIndex index;
  OrderTrie order;
};

TEST_F(HandMade, TwoEntriesWithOneKey) {
  const std::string key = MakeKey(4);
  Put(KeyOf(key));
  EXPECT_TRUE(Restores());
  Put(KeyOf(key));
  EXPECT_FALSE(Restores());
}
TEST_F(HandMade, AKeyThatIsNotCanonical) {
  const double minus_zero = -0.0;
  Put(Key{KeyKind::kNumber, reinterpret_cast<const uint8_t*>(&minus_zero), 8});
  EXPECT_FALSE(Restores());
}
TEST_F(HandMade, AnIndexEntryForNothing) {
  Put(KeyOf(MakeKey(4)));
  ASSERT_TRUE(index.Reserve(12345).ok());
  index.Insert(12345, heap.Allocate(16));
  EXPECT_FALSE(Restores());
}
TEST_F(HandMade, AnEntryTheIndexDoesNotHave) {
  const Offset record = Put(KeyOf(MakeKey(4)));
  index.Remove(KeyOf(MakeKey(4)).Hash(kTestSeed), record);
  ASSERT_TRUE(index.Reserve(12345).ok());
  index.Insert(12345, record);
  EXPECT_FALSE(Restores());
}
TEST_F(HandMade, ARecordThatSomebodyElseHas) {
  const Offset record = Put(KeyOf(MakeKey(4)));
  EXPECT_TRUE(Restores());
  EXPECT_FALSE(Restores(record));
}
TEST_F(HandMade, SequenceNumbersOutOfRange) {
  Put(KeyOf(MakeKey(4)));
  for (const uint64_t next : {uint64_t{0}, uint64_t{1}, kMaxSequence + 2, ~uint64_t{0}}) {
    heap.Mutate<MapHeader>(test.header).next_sequence = next;
    EXPECT_FALSE(Restores()) << next;
  }
  heap.Mutate<MapHeader>(test.header).next_sequence = kMaxSequence + 1;
  EXPECT_TRUE(Restores());
}
TEST_F(HandMade, TheFirstSequenceNumberIsOne) {
  heap.Mutate<MapHeader>(test.header).next_sequence = 0;
  Put(KeyOf(MakeKey(4)));
  EXPECT_FALSE(Restores());
}

class Damage : public testing::Test {
 protected:
  // Restores the image with one change; true when it was refused.
  template <typename Change>
  bool Try(const MapForTest& original, const HeapForTest::Image& image, Change change) {
    HeapForTest::Image damaged = image;
    change(&damaged.bytes);
    MapForTest test(damaged, original.header, original.shape_fields, kMinArenaBytes);
    if (!test.Restore().ok()) return true;
    Exercise(&test);
    return HasFatalFailure();
  }
};

TEST_F(Damage, OfEveryByteIsRefusedOrHarmless) {
  MapForTest test(kMinArenaBytes);
  bool inserted = false;
  std::vector<std::pair<Offset, uint64_t>> blocks = {{test.header, kMapHeaderBytes}};
  for (uint64_t i = 0; i < 30; i++) {
    ASSERT_TRUE(test.Set(MakeKey(i + 4090), MakeValue(8 + i % 5 * 24, i), &inserted).ok());
  }
  ASSERT_TRUE(test.map().Delete(KeyOf(MakeKey(4096)))) << "the one long key, left to another test";
  // Every byte of every block that is in use, and some of others.
  std::vector<Offset> records(64);
  const uint32_t count = test.map().Scan(0, 64, records.data());
  for (uint32_t i = 0; i < count; i++) {
    blocks.emplace_back(records[i], test.memory.heap().Capacity(records[i]));
  }
  const MapHeader header = test.memory.heap().Read<MapHeader>(test.header);
  blocks.emplace_back(header.index, test.memory.heap().Capacity(header.index));
  blocks.emplace_back(header.order, test.memory.heap().Capacity(header.order));
  const HeapForTest::Image image = test.memory.Save();
  uint32_t tried = 0;
  uint32_t refused = 0;
  for (const auto& [block, bytes] : blocks) {
    for (Offset at = block; at < block + bytes; at++) {
      for (const uint8_t pattern : {0x01, 0x80, 0xFF}) {
        tried++;
        refused += Try(test, image, [at, pattern](std::vector<uint8_t>* all) { (*all)[at] ^= pattern; });
        ASSERT_FALSE(HasFatalFailure())
            << "byte " << at - block << " of the block at " << block << " ^ " << static_cast<int>(pattern);
      }
    }
  }
  EXPECT_GT(tried, 6000u);
  EXPECT_GT(refused, tried / 2) << "of " << tried;
}

// A larger map, with nodes in the index and two levels in the order; whole words are exchanged, which
// makes references to other live blocks: cycles, blocks used twice, neighbours that differ.
TEST_F(Damage, OfWordsIsRefusedOrHarmless) {
  std::mt19937_64 random(17);
  MapForTest test(kMinArenaBytes);
  bool inserted = false;
  for (uint64_t i = 0; i < 1500; i++) {
    ASSERT_TRUE(test.Set(MakeKey(i * 4 + 1 + i % 3), MakeValue(8 + i % 3 * 16, i), &inserted).ok());
  }
  for (uint64_t i = 0; i < 1500; i += 5) {
    ASSERT_TRUE(test.map().Delete(KeyOf(MakeKey(i * 4 + 1 + i % 3))));
  }
  const HeapForTest::Image image = test.memory.Save();
  const WordDamage damage(image, [](Offset, uint64_t) { return false; });
  uint32_t refused = 0;
  constexpr uint32_t kRounds = 6000;
  for (uint32_t round = 0; round < kRounds; round++) {
    const Offset at = round % 8 == 0 ? test.header + random() % 8 * 8 : damage.Place(random);
    const uint64_t word = damage.Word(at, random);
    refused +=
        Try(test, image, [at, word](std::vector<uint8_t>* all) { std::memcpy(all->data() + at, &word, 8); });
    ASSERT_FALSE(HasFatalFailure()) << "round " << round << " at " << at;
  }
  EXPECT_GT(refused, kRounds / 4);
  EXPECT_LT(refused, kRounds);
}

}  // namespace
}  // namespace forkstore
