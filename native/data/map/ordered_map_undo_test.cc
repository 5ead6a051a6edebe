// Undo under the real structures: random programs on two maps inside nested scopes. What a rollback leaves is
// compared byte by byte with what was there before.
#include <cstring>
#include <random>
#include <vector>

#include "memory/undo.h"
#include "testing/map.h"

namespace forkstore {
namespace {

constexpr uint32_t kMaps = 2;

class Fixture {
 public:
  explicit Fixture(uint64_t arena_bytes)
      : max_bytes(arena_bytes),
        first(arena_bytes),
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
  using Blocks = HeapForTest::Blocks;
  Blocks LiveBlocks() {
    MapForTest other(first.memory.Save(), headers[0], first.shape_fields, max_bytes);
    EXPECT_TRUE(other.memory.Claim(headers[1], kMapHeaderBytes));
    EXPECT_TRUE(other.Restore().ok());
    other.header = headers[1];
    EXPECT_TRUE(other.Restore().ok());
    return other.memory.TakeClaimed();
  }

  const uint64_t max_bytes;
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
  for (uint32_t step = 0; step < 2000; step++) {
    const uint32_t number = static_cast<uint32_t>(random() % kMaps);
    MapOracle& oracle = oracles[number];
    OrderedMap map = f.map(number);
    // Some hundred at once now and then, so that the index's segments split and merge.
    const uint64_t keys = step / 500 % 2 == 0 ? 5000 : 50;
    const uint64_t many = random() % 40 == 0 ? random() % 500 : 0;
    for (uint64_t i = 0; i < many; i++) {
      const std::string one = MakeKey(random() % keys);
      if (keys == 5000) {
        const std::string value = MakeValue(8, i);
        bool inserted = false;
        const Status status =
            map.Set(KeyOf(one), reinterpret_cast<const uint8_t*>(value.data()), 8, &inserted);
        if (status.ok()) oracle.Set(one, value);
      } else {
        const Entries entries = f.Contents(number);
        if (entries.empty()) break;
        ASSERT_EQ(map.Delete(KeyOf(entries[i % entries.size()].first)),
                  oracle.Delete(entries[i % entries.size()].first));
      }
    }
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
