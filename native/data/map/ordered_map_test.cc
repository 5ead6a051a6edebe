#include "data/map/ordered_map.h"

#include <optional>

#include "testing/map.h"

namespace forkstore {
namespace {

uint64_t RandomValueBytes(std::mt19937_64* random) {
  switch ((*random)() % 100) {
    case 0:
      return 16 + (*random)() % (100'000 / 8) * 8;
    case 1:
    case 2:
    case 3:
      return 16 + (*random)() % 500 * 8;
    default:
      return (*random)() % 3 == 0 ? 8 : 16 + (*random)() % 12 * 8;
  }
}

struct Program {
  uint64_t keys;  // how many different ones
  uint64_t steps;
  uint32_t clear_one_in;   // steps
  uint64_t compare_every;  // steps
};

void RunProgram(const Program& program, uint32_t seed) {
  std::mt19937_64 random(seed);
  MapForTest test;
  MapOracle oracle;
  uint32_t delete_tenths = 2;
  for (uint64_t step = 0; step < program.steps; step++) {
    if (random() % 1000 == 0) delete_tenths = static_cast<uint32_t>(random() % 8);
    const std::string key = MakeKey(random() % program.keys);
    const uint64_t choice = random() % 10;
    if (random() % program.clear_one_in == 0) {
      test.map().Clear(&test.graveyard);
      oracle.Clear();
    } else if (choice < delete_tenths) {
      ASSERT_EQ(test.map().Delete(KeyOf(key)), oracle.Delete(key));
    } else {
      const std::string value = MakeValue(RandomValueBytes(&random), step);
      bool inserted = false;
      ASSERT_TRUE(test.Set(key, value, &inserted).ok());
      ASSERT_EQ(inserted, oracle.Set(key, value));
    }
    ASSERT_EQ(test.map().size(), oracle.size());
    test.graveyard.Reclaim(static_cast<uint32_t>(random() % 20));

    const std::string other = MakeKey(random() % program.keys);
    const Offset found = test.map().Find(KeyOf(other));
    const std::string* expected = oracle.Find(other);
    ASSERT_EQ(found != kNone, expected != nullptr);
    if (found != kNone) {
      ASSERT_EQ(std::memcmp(test.memory.heap().At(found), expected->data(), expected->size()), 0);
      ASSERT_EQ(test.EntryAt(test.map().FindRecord(KeyOf(other))).first, other);
    }
    if (step % program.compare_every == 0) {
      ASSERT_EQ(test.Contents(1 + static_cast<uint32_t>(random() % 100)), oracle.Contents());
    }
  }
  ASSERT_EQ(test.Contents(), oracle.Contents());

  // However it is emptied, every block comes back.
  if (seed % 2 == 0) {
    for (const auto& [key, value] : oracle.Contents()) ASSERT_TRUE(test.map().Delete(KeyOf(key)));
  } else {
    test.map().Clear(&test.graveyard);
  }
  while (!test.graveyard.Reclaim(1000)) {
  }
  EXPECT_TRUE(test.graveyard.empty());
  EXPECT_EQ(test.map().size(), 0u);
  EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
}

TEST(OrderedMap, FewKeys) {
  for (uint32_t seed = 0; seed < 40; seed++) RunProgram({1 + seed, 3000, 500, 10}, seed);
}
TEST(OrderedMap, SomeKeys) {
  for (uint32_t seed = 0; seed < 6; seed++) RunProgram({3000, 30'000, 10'000, 3000}, seed);
}
TEST(OrderedMap, ManyKeys) {
  for (uint32_t seed = 0; seed < 2; seed++) RunProgram({100'000, 300'000, 200'000, 100'000}, seed);
}

TEST(OrderedMap, EqualBytesOfDifferentKindsAreDifferentKeys) {
  MapForTest test;
  const std::string bytes("\x01\x02\x03\x04\x05\x06\x07\x08", 8);
  for (char kind = 0; kind < 4; kind++) {
    bool inserted = false;
    ASSERT_TRUE(test.Set(std::string(1, kind) + bytes, MakeValue(8, kind), &inserted).ok());
    EXPECT_TRUE(inserted);
  }
  for (char kind = 0; kind < 4; kind++) {
    const Offset found = test.map().Find(KeyOf(std::string(1, kind) + bytes));
    EXPECT_EQ(test.memory.heap().Read<uint32_t>(found), static_cast<uint32_t>(kind));
  }
}

TEST(OrderedMap, OverwritesInPlaceWhenTheBlockFitsWell) {
  MapForTest test;
  const std::string key = MakeKey(4);
  bool inserted = false;
  ASSERT_TRUE(test.Set(key, MakeValue(512, 1), &inserted).ok());
  const Offset record = test.map().FindRecord(KeyOf(key));
  ASSERT_TRUE(test.Set(key, MakeValue(400, 2), &inserted).ok());
  EXPECT_EQ(test.map().FindRecord(KeyOf(key)), record);
  ASSERT_TRUE(test.Set(key, MakeValue(512, 3), &inserted).ok());
  EXPECT_EQ(test.map().FindRecord(KeyOf(key)), record) << "the block is as large as before";
  ASSERT_TRUE(test.Set(key, MakeValue(16, 4), &inserted).ok());
  EXPECT_NE(test.map().FindRecord(KeyOf(key)), record) << "most of the block was wasted";
  EXPECT_EQ(test.Contents(), (Entries{{key, MakeValue(16, 4)}}));
}

TEST(OrderedMap, AShrinkingValueNeedsNoMemory) {
  MapForTest test(kMinArenaBytes);
  const std::string key = MakeKey(4);
  bool inserted = false;
  ASSERT_TRUE(test.Set(key, MakeValue(4096, 1), &inserted).ok());
  test.memory.Exhaust();
  ASSERT_TRUE(test.Set(key, MakeValue(8, 2), &inserted).ok());
  EXPECT_EQ(test.Contents(), (Entries{{key, MakeValue(8, 2)}}));
}

TEST(OrderedMap, TheSourceMayBeTheEntryItself) {
  MapForTest test;
  const std::string key = MakeKey(8);
  bool inserted = false;
  ASSERT_TRUE(test.Set(key, MakeValue(800, 1), &inserted).ok());
  const RecordView view = ReadRecord(test.memory.heap(), test.map().FindRecord(KeyOf(key)));
  const uint8_t* value = test.memory.heap().At(test.map().Find(KeyOf(key)));
  ASSERT_TRUE(test.map().Set(view.key, value, 800, &inserted).ok());
  EXPECT_EQ(test.Contents(), (Entries{{key, MakeValue(800, 1)}}));
  EXPECT_TRUE(test.map().Delete(view.key));
  EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
}

TEST(OrderedMap, WritesNothingBesideTheValueWhenInPlace) {
  MapForTest test;
  bool inserted = false;
  for (uint64_t i = 0; i < 20'000; i++) {
    ASSERT_TRUE(test.Set(MakeKey(i * 4 + 2), MakeValue(48, i), &inserted).ok());
  }
  test.memory.arena().BeginSave();
  test.memory.arena().EndSave(true);
  ASSERT_EQ(test.memory.arena().dirty_pages(), 0u);
  ASSERT_TRUE(test.Set(MakeKey(4 * 7777 + 2), MakeValue(48, 1), &inserted).ok());
  EXPECT_FALSE(inserted);
  EXPECT_EQ(test.memory.arena().dirty_pages(), 1u);
}

TEST(OrderedMap, EntriesOverOneGibibyteAreTooLarge) {
  MapForTest test;
  bool inserted = false;
  const uint8_t byte = 0;
  const Key key{KeyKind::kLatin1, &byte, 1};
  EXPECT_EQ(test.map().Set(key, &byte, kMaxValueBytes + 8, &inserted).code(), Code::kTooLarge);
  const Key long_key{KeyKind::kLatin1, &byte, kMaxKeyBytes + 1};
  EXPECT_EQ(test.map().Set(long_key, &byte, 8, &inserted).code(), Code::kTooLarge);
  const Key together{KeyKind::kLatin1, &byte, kMaxKeyBytes};
  EXPECT_EQ(test.map().Set(together, &byte, kMaxValueBytes, &inserted).code(), Code::kTooLarge);
  EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
}

TEST(OrderedMap, SequenceNumbersRunOut) {
  MapForTest test;
  test.memory.heap().Mutate<MapHeader>(test.header).next_sequence = kMaxSequence - 1;
  bool inserted = false;
  ASSERT_TRUE(test.Set(MakeKey(1), MakeValue(8, 1), &inserted).ok());
  ASSERT_TRUE(test.Set(MakeKey(2), MakeValue(8, 2), &inserted).ok());
  const Entries before = test.Contents();
  EXPECT_EQ(test.Set(MakeKey(3), MakeValue(8, 3), &inserted).code(), Code::kFull);
  EXPECT_EQ(test.Contents(), before);
  EXPECT_TRUE(test.Set(MakeKey(1), MakeValue(800, 4), &inserted).ok()) << "overwriting needs no number";
  EXPECT_EQ(test.map().size(), 2u);
  EXPECT_TRUE(MapForTest(test.memory.Save(), test.header, test.shape_fields, 1 << 30).Restore().ok());
}

// At every step the memory that is left is another: none, or a few blocks of some sizes.
TEST(OrderedMap, RunningOutOfMemoryChangesNothing) {
  uint32_t refusals = 0;
  for (uint32_t seed = 0; seed < 8; seed++) {
    std::mt19937_64 random(seed);
    MapForTest test(kMinArenaBytes);
    MapOracle oracle;
    for (uint32_t step = 0; step < 700; step++) {
      std::vector<Offset> left;
      for (uint64_t i = random() % 5; i > 0; i--) {
        left.push_back(test.memory.heap().Allocate(16 + random() % (random() % 4 == 0 ? 4096 : 200)));
      }
      std::vector<Offset> hoard = test.memory.Exhaust();
      for (const Offset block : left) test.memory.heap().Free(block);
      const std::string key = MakeKey(random() % 800);
      const std::string value = MakeValue(random() % 8 == 0 ? 8 : 16 + random() % 20 * 8, step);
      bool inserted = false;
      const Status status = test.Set(key, value, &inserted);
      if (status.ok()) {
        ASSERT_EQ(inserted, oracle.Set(key, value));
      } else {
        ASSERT_EQ(status.code(), Code::kFull);
        refusals++;
      }
      ASSERT_EQ(test.Contents(), oracle.Contents());
      ASSERT_EQ(test.map().size(), oracle.size());
      if (random() % 6 == 0 && oracle.size() > 0) {
        const std::string victim = oracle.Contents()[random() % oracle.size()].first;
        ASSERT_TRUE(test.map().Delete(KeyOf(victim))) << "deleting needs no memory";
        oracle.Delete(victim);
      }
      for (const Offset block : hoard) test.memory.heap().Free(block);
      // Some success, so that the next step starts from another map.
      const std::string more = MakeKey(random() % 800);
      ASSERT_TRUE(test.Set(more, value, &inserted).ok());
      oracle.Set(more, value);
    }
    for (const auto& [key, value] : oracle.Contents()) {
      const Offset found = test.map().Find(KeyOf(key));
      ASSERT_NE(found, kNone);
      ASSERT_TRUE(test.map().Delete(KeyOf(key)));
    }
    EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
  }
  EXPECT_GT(refusals, 1000u);
}

TEST(OrderedMap, ARefusalGivesBackWhatTheIndexHadTaken) {
  MapForTest test(kMinArenaBytes);
  const std::string key = MakeKey(4);
  const std::string value = MakeValue(8, 1);
  // There is room for the record and the first segment, but not for the order's first node.
  const Offset record = test.memory.heap().Allocate(RecordBytes(KeyOf(key).bytes, 8));
  const Offset segment = test.memory.heap().Allocate(128);
  test.memory.Exhaust();
  test.memory.heap().Free(record);
  test.memory.heap().Free(segment);
  const uint64_t before = test.memory.live_blocks();
  bool inserted = false;
  EXPECT_EQ(test.Set(key, value, &inserted).code(), Code::kFull);
  EXPECT_EQ(test.memory.live_blocks(), before);
  EXPECT_EQ(test.memory.heap().Read<MapHeader>(test.header).index, kNone);
}

// Iteration as the JavaScript specification words it: the entries ever added, in a list; a removed one
// leaves a gap; an iterator is a place in the list.
TEST(OrderedMap, IterationSeesChangesAsAJavaScriptMapDoes) {
  for (uint32_t seed = 0; seed < 60; seed++) {
    std::mt19937_64 random(seed);
    MapForTest test;
    std::vector<std::optional<std::string>> list;
    const auto find = [&list](const std::string& key) {
      return std::find(list.begin(), list.end(), std::optional<std::string>(key));
    };
    struct Iterator {
      uint64_t sequence = 0;
      size_t place = 0;
    };
    std::vector<Iterator> iterators(5);
    const uint64_t keys = 1 + seed * 3;
    for (uint32_t step = 0; step < 2000; step++) {
      const std::string key = MakeKey(random() % keys);
      bool inserted = false;
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          ASSERT_TRUE(test.Set(key, MakeValue(8 + random() % 2 * 200, step), &inserted).ok());
          if (find(key) == list.end()) list.emplace_back(key);
          break;
        case 3:
        case 4:
          test.map().Delete(KeyOf(key));
          if (find(key) != list.end()) find(key)->reset();
          break;
        case 5:
          if (random() % 50 != 0) break;
          test.map().Clear(&test.graveyard);
          for (std::optional<std::string>& entry : list) entry.reset();
          break;
        default: {
          Iterator& iterator = iterators[random() % iterators.size()];
          while (iterator.place < list.size() && !list[iterator.place].has_value()) iterator.place++;
          Offset record = kNone;
          const uint32_t count = test.map().Scan(iterator.sequence, 1, &record);
          ASSERT_EQ(count, iterator.place < list.size() ? 1u : 0u);
          if (count == 0) {
            iterator = Iterator();  // a new one, from the start
            break;
          }
          ASSERT_EQ(test.EntryAt(record).first, *list[iterator.place]);
          iterator.sequence = ReadRecord(test.memory.heap(), record).sequence + 1;
          iterator.place++;
        }
      }
    }
  }
}

TEST(OrderedMap, FillingAndClearingAgainDoesNotGrow) {
  MapForTest test(uint64_t{64} << 20);
  uint64_t frontier = 0;
  for (uint32_t round = 0; round < 12; round++) {
    bool inserted = false;
    for (uint64_t i = 0; i < 20'000; i++) {
      ASSERT_TRUE(test.Set(MakeKey(i * 4 + 2), MakeValue(64, i), &inserted).ok());
    }
    if (round == 1) frontier = test.memory.arena().frontier();
    ASSERT_TRUE(round <= 1 || test.memory.arena().frontier() <= frontier + kUnitBytes * 4);
    test.map().Clear(&test.graveyard);
    EXPECT_EQ(test.map().size(), 0u);
    EXPECT_EQ(test.map().Find(KeyOf(MakeKey(2))), kNone);
    while (!test.graveyard.Reclaim(64)) {
    }
    ASSERT_EQ(test.memory.live_blocks(), test.empty_blocks);
  }
}

TEST(OrderedMap, ReclaimFreesNoMoreThanItsBudget) {
  MapForTest test;
  bool inserted = false;
  for (uint32_t round = 0; round < 3; round++) {
    for (uint64_t i = 0; i < 3000; i++) ASSERT_TRUE(test.Set(MakeKey(i), MakeValue(8, i), &inserted).ok());
    test.map().Clear(&test.graveyard);
  }
  ASSERT_TRUE(test.Set(MakeKey(1), MakeValue(8, 1), &inserted).ok());
  for (bool done = false; !done;) {
    const uint64_t before = test.memory.live_blocks();
    done = test.graveyard.Reclaim(10);
    ASSERT_LE(before - test.memory.live_blocks(), 10u);
    ASSERT_TRUE(done || before - test.memory.live_blocks() == 10u);
  }
  EXPECT_EQ(test.Contents().size(), 1u);
}

}  // namespace
}  // namespace forkstore
