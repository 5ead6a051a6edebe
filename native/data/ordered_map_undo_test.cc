// Undo under the real structures: random programs on two maps inside nested scopes. What a rollback leaves is
// compared byte by byte with what was there before.
#include <cstring>
#include <random>
#include <vector>

#include "data/map_for_test.h"
#include "memory/undo.h"

namespace forkstore {
namespace {

constexpr uint32_t kMaps = 2;

class Fixture {
 public:
  explicit Fixture(uint64_t max_bytes)
      : max_bytes_(max_bytes),
        first(max_bytes),
        undo(&first.memory.heap().arena, &first.memory.heap().allocator) {
    headers[0] = first.header;
    headers[1] = first.memory.NewZeros(kMapHeaderBytes);
    first.memory.heap().Mutate<uint64_t>(headers[1] + offsetof(MapHeader, next_sequence)) = 1;
  }
  OrderedMap map(uint32_t number) { return OrderedMap(first.memory.heap(), headers[number], kTestSeed); }
  AllocatorStats stats() { return first.memory.heap().allocator.stats(); }

  Entries Contents(uint32_t number) {
    std::vector<Offset> records(map(number).size() + 1);
    EXPECT_EQ(map(number).Scan(0, static_cast<uint32_t>(records.size()), records.data()), records.size() - 1);
    Entries entries;
    for (uint64_t i = 0; i + 1 < records.size(); i++) entries.push_back(first.EntryAt(records[i]));
    return entries;
  }

  // The bytes of all blocks that can be reached, found as loading finds them.
  using Blocks = std::vector<std::pair<Offset, std::vector<uint8_t>>>;
  Blocks LiveBlocks() {
    const HeapForTest::Image image = first.memory.Save();
    MapForTest other(image, headers[0], first.shape_fields, max_bytes_);
    EXPECT_TRUE(other.memory.Claim(headers[1], kMapHeaderBytes));
    EXPECT_TRUE(other.Restore().ok());
    other.header = headers[1];
    {
      ShapeTable shapes(other.memory.heap(), first.shape_fields, first.shape_fields + 8);
      ValueScratch scratch;
      EXPECT_TRUE(OrderedMap(other.memory.heap(), headers[1], kTestSeed).Restore(shapes, &scratch).ok());
    }
    Blocks blocks;
    const Allocator& allocator = other.memory.heap().allocator;
    for (Offset block = kUnitBytes; block < image.bytes.size();) {
      const uint64_t bytes = allocator.CapacityIfBlock(block);
      if (bytes == 0) {
        block =
            (block / kUnitBytes + 1) * kUnitBytes;  // a free unit, or what is left of one behind its blocks
        continue;
      }
      // What can be claimed now was not reached.
      if (!other.memory.Claim(block, 1)) {
        const uint8_t* from = image.bytes.data() + block;
        blocks.emplace_back(block, std::vector<uint8_t>(from, from + bytes));
      }
      block += bytes;
    }
    return blocks;
  }

 private:
  uint64_t max_bytes_;

 public:
  MapForTest first;
  Undo undo;
  Offset headers[kMaps];
};

struct Scope {
  Undo::Position position;
  uint64_t mark;
  AllocatorStats stats;
  Fixture::Blocks blocks;
  Entries contents[kMaps];
};

MapOracle OracleOf(const Entries& entries) {
  MapOracle oracle;
  for (const auto& [key, value] : entries) oracle.Set(key, value);
  return oracle;
}

void RunProgram(uint32_t seed, uint64_t max_bytes) {
  std::mt19937_64 random(seed);
  Fixture f(max_bytes);
  MapOracle oracles[kMaps];
  std::vector<Scope> scopes;
  Graveyard& graveyard = f.first.graveyard;
  uint32_t rollbacks = 0;
  uint32_t refusals = 0;
  std::vector<Offset> hoard;
  const bool tight = max_bytes == kMinArenaBytes;
  for (uint32_t step = 0; step < 4000; step++) {
    const uint32_t number = static_cast<uint32_t>(random() % kMaps);
    MapOracle& oracle = oracles[number];
    OrderedMap map = f.map(number);
    const uint64_t keys = step / 1000 % 2 == 0 ? 2000 : 50;
    const std::string key = MakeKey(random() % keys);
    const uint64_t dice = random() % 1000;
    if (dice < 600) {
      const std::string value =
          MakeValue(8 + random() % 6 * 8 + (random() % 100 == 0 ? 70'000 : 0), random());
      bool inserted = false;
      const Status status =
          map.Set(KeyOf(key), reinterpret_cast<const uint8_t*>(value.data()), value.size(), &inserted);
      if (status.ok()) {
        ASSERT_EQ(inserted, oracle.Set(key, value));
      } else {
        ASSERT_EQ(status.code(), Code::kFull);
        refusals++;
      }
    } else if (dice < 930) {
      ASSERT_EQ(map.Delete(KeyOf(key)), oracle.Delete(key));
    } else if (dice < 933) {
      map.Clear(&graveyard);
      oracle.Clear();
    } else if (dice < 940) {
      // What was buried before the outermost scope may go in the middle of it.
      Undo::Suspended suspended(&f.undo);
      graveyard.ReclaimBefore(scopes.empty() ? graveyard.Mark() : scopes.front().mark, 100);
      // These blocks were live when the scopes began, and nobody will see them again.
      for (Scope& scope : scopes) scope.stats = AllocatorStats{};
    } else if (dice < 965 && scopes.size() < 4) {
      Scope scope;
      scope.blocks = f.LiveBlocks();
      scope.stats = f.stats();
      scope.mark = graveyard.Mark();
      for (uint32_t i = 0; i < kMaps; i++) scope.contents[i] = f.Contents(i);
      scope.position = f.undo.Begin();
      if (tight && random() % 2 == 0 && hoard.empty()) {
        Undo::Suspended suspended(&f.undo);
        hoard = f.first.memory.Exhaust();
        scope.stats = f.stats();
        for (Scope& outer : scopes) outer.stats = AllocatorStats{};
      }
      scopes.push_back(std::move(scope));
    } else if (dice < 978 && !scopes.empty()) {
      f.undo.Commit();
      scopes.pop_back();
    } else if (dice < 992 && !scopes.empty()) {
      const Scope& scope = scopes.back();
      f.undo.Rollback(scope.position);
      graveyard.ForgetSince(scope.mark);
      rollbacks++;
      for (const auto& [block, bytes] : scope.blocks) {
        ASSERT_EQ(std::memcmp(f.first.memory.heap().At(block), bytes.data(), bytes.size()), 0) << block;
      }
      ASSERT_EQ(f.LiveBlocks(), scope.blocks);
      if (scope.stats.live_blocks != 0) {
        ASSERT_EQ(f.stats().live_blocks, scope.stats.live_blocks);
        ASSERT_EQ(f.stats().live_bytes, scope.stats.live_bytes);
      }
      for (uint32_t i = 0; i < kMaps; i++) {
        ASSERT_EQ(f.Contents(i), scope.contents[i]);
        oracles[i] = OracleOf(scope.contents[i]);
      }
      scopes.pop_back();
    }
    if (scopes.empty() && !hoard.empty()) {
      for (const Offset block : hoard) f.first.memory.heap().Free(block);
      hoard.clear();
    }
    const Offset found = f.map(number).FindRecord(KeyOf(key));
    const std::string* expected = oracles[number].Find(key);
    ASSERT_EQ(found == kNone, expected == nullptr);
    if (expected != nullptr) {
      ASSERT_EQ(f.first.EntryAt(found).second, *expected);
    }
  }
  EXPECT_GT(rollbacks, 5u);
  if (tight) {
    EXPECT_GT(refusals, 0u);
  }
  for (; !scopes.empty(); scopes.pop_back()) f.undo.Commit();
  for (const Offset block : hoard) f.first.memory.heap().Free(block);
  for (uint32_t i = 0; i < kMaps; i++) {
    ASSERT_EQ(f.Contents(i), oracles[i].Contents());
    f.map(i).Clear(&graveyard);
  }
  ASSERT_TRUE(graveyard.Reclaim(~0u));
  EXPECT_EQ(f.stats().live_blocks, f.first.empty_blocks + 1);  // and the second header
}

TEST(OrderedMapUndo, RandomPrograms) {
  for (uint32_t seed = 0; seed < 12; seed++) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(RunProgram(seed, uint64_t{64} << 20));
  }
}

TEST(OrderedMapUndo, RandomProgramsInALittleArena) {
  for (uint32_t seed = 100; seed < 112; seed++) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(RunProgram(seed, kMinArenaBytes));
  }
}

}  // namespace
}  // namespace forkstore
