#include "data/map/hash_index.h"

#include <map>
#include <random>
#include <vector>

#include "data/map/hash_segment.h"
#include "data/map/record.h"
#include "testing/heap.h"

namespace forkstore {
namespace {

// Records whose key is a number, under hashes that the test chooses.
class Fixture {
 public:
  explicit Fixture(uint64_t max_bytes = uint64_t{1} << 30) : memory(max_bytes) {
    field = memory.NewZeros(16);
    empty_blocks = memory.live_blocks();
  }

  HashIndex index() { return HashIndex(memory.heap(), field); }

  Key KeyOf(uint64_t id) {
    std::memcpy(key_bytes, &id, 8);
    return Key{KeyKind::kNumber, key_bytes, 8};
  }
  Offset NewRecord(uint64_t id) {
    const Offset record = memory.heap().Allocate(RecordBytes(8, 8));
    if (record == kNone) return kNone;
    BuildRecordHead(memory.heap().Write(record, RecordBytes(8, 8)), 1, KeyOf(id));
    return record;
  }
  Offset Find(uint64_t id, uint64_t hash) { return index().Find(hash, KeyOf(id)); }

  // What recovery would make of it.
  void CheckRestores(const std::map<uint64_t, std::pair<uint64_t, Offset>>& oracle) {
    const HeapForTest::Image image = memory.Save();
    HeapForTest other;
    other.Load(image);
    ASSERT_TRUE(other.Claim(field, 16));
    HashIndex restored(other.heap(), field);
    uint64_t entries = 0;
    Status status = restored.Restore(&entries);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(entries, oracle.size());
    for (const auto& [id, entry] : oracle) {
      bool twin = false;
      ASSERT_TRUE(restored.Contains(entry.first, entry.second, &twin));
      ASSERT_TRUE(other.Claim(entry.second, RecordBytes(8, 8)));
      ASSERT_EQ(restored.Find(entry.first, KeyOf(id)), entry.second);
      ASSERT_FALSE(restored.Contains(entry.first, entry.second + 8, &twin));
    }
    // Everything was claimed, and nothing else.
    ASSERT_EQ(other.live_blocks(), memory.live_blocks());
  }

  HeapForTest memory;
  Offset field;
  uint64_t empty_blocks;
  uint8_t key_bytes[8];
};

// Distributions of hashes: what the seeded hash gives, and what it never should.
uint64_t Uniform(std::mt19937_64* random) {
  return (*random)();
}
uint64_t SharedPrefix(std::mt19937_64* random) {
  return (*random)() >> 14 | uint64_t{0x2A5} << 54;
}
uint64_t FewTails(std::mt19937_64* random) {
  return ((*random)() % 64) << 58 | ((*random)() % 2000) << 35;
}
using Distribution = uint64_t (*)(std::mt19937_64*);

void RunProgram(Distribution distribution, uint64_t target, uint32_t seed) {
  std::mt19937_64 random(seed);
  Fixture f;
  std::map<uint64_t, std::pair<uint64_t, Offset>> oracle;  // id -> hash, record
  std::vector<uint64_t> ids;
  uint64_t next_id = 1;
  for (const bool growing : {true, false, true, false}) {
    const uint64_t checked_every = target / 2 + 1;
    for (uint64_t step = 0; growing ? oracle.size() < target : !oracle.empty(); step++) {
      const uint64_t choice = random() % 10;
      if (choice < (growing ? 7u : 2u)) {
        const uint64_t id = next_id++;
        const uint64_t hash = distribution(&random);
        ASSERT_EQ(f.Find(id, hash), kNone);
        ASSERT_TRUE(f.index().Reserve(hash).ok());
        const Offset record = f.NewRecord(id);
        f.index().Insert(hash, record);
        oracle[id] = {hash, record};
        ids.push_back(id);
      } else if (!ids.empty()) {
        const uint64_t at = random() % ids.size();
        const uint64_t id = ids[at];
        auto& [hash, record] = oracle[id];
        ASSERT_EQ(f.Find(id, hash), record);
        if (choice == 9) {
          const Offset moved = f.NewRecord(id);
          f.index().Replace(hash, record, moved);
          f.memory.heap().Free(record);
          record = moved;
          ASSERT_EQ(f.Find(id, hash), record);
        } else {
          f.index().Remove(hash, record);
          ASSERT_EQ(f.Find(id, hash), kNone);
          f.memory.heap().Free(record);
          oracle.erase(id);
          ids[at] = ids.back();
          ids.pop_back();
        }
      }
      if (step % checked_every == checked_every - 1) {
        ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
      }
    }
    for (const auto& [id, entry] : oracle) ASSERT_EQ(f.Find(id, entry.first), entry.second);
    ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
    if (!growing) {
      ASSERT_EQ(f.memory.live_blocks(), f.empty_blocks);
      ASSERT_EQ(f.memory.heap().Read<uint64_t>(f.field), kNone);
    }
  }
}

TEST(HashIndex, SmallProgram) {
  for (uint32_t seed = 0; seed < 30; seed++) RunProgram(Uniform, 1 + seed * 7, seed);
}
TEST(HashIndex, LargeProgram) {
  RunProgram(Uniform, 300'000, 1);
}
TEST(HashIndex, HashesWithASharedPrefix) {
  RunProgram(SharedPrefix, 30'000, 2);
}
TEST(HashIndex, HashesWithFewTails) {
  RunProgram(FewTails, 30'000, 3);
}

TEST(HashIndex, HashesThatAreAllTheSameFillUp) {
  Fixture f;
  const uint64_t hash = 0x0123456789ABCDEF;
  std::vector<Offset> records;
  Status status;
  while ((status = f.index().Reserve(hash)).ok()) {
    records.push_back(f.NewRecord(records.size()));
    f.index().Insert(hash, records.back());
    ASSERT_LT(records.size(), 1000u);
  }
  EXPECT_EQ(status.code(), Code::kFull);
  EXPECT_EQ(records.size(), EntryLimit(510));
  for (uint64_t id = 0; id < records.size(); id++) EXPECT_EQ(f.Find(id, hash), records[id]);
  // Others still find room.
  EXPECT_TRUE(f.index().Reserve(~hash).ok());
  f.index().Unreserve(~hash);
  std::map<uint64_t, std::pair<uint64_t, Offset>> oracle;
  for (uint64_t id = 0; id < records.size(); id++) oracle[id] = {hash, records[id]};
  f.CheckRestores(oracle);
  for (const Offset record : records) {
    f.index().Remove(hash, record);
    f.memory.heap().Free(record);
  }
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
}

TEST(HashIndex, UnreserveGivesBackWhatReserveTook) {
  Fixture f;
  ASSERT_TRUE(f.index().Reserve(1).ok());
  EXPECT_GT(f.memory.live_blocks(), f.empty_blocks);
  f.index().Unreserve(1);
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
}

TEST(HashIndex, RunningOutOfMemoryChangesNothing) {
  std::mt19937_64 random(7);
  Fixture f(kMinArenaBytes);
  std::map<uint64_t, std::pair<uint64_t, Offset>> oracle;
  uint64_t next_id = 1;
  uint32_t refusals = 0;
  for (uint32_t round = 0; round < 60; round++) {
    std::vector<Offset> records;
    for (uint32_t i = 0; i < 1200; i++) records.push_back(f.NewRecord(next_id + i));
    // A node or a segment may still be had, as luck will have it, but not both.
    const Offset kept = round % 3 == 0 ? kNone : f.memory.heap().Allocate(round % 3 == 1 ? 2048 : 4096);
    std::vector<Offset> hoard = f.memory.Exhaust();
    if (kept != kNone) f.memory.heap().Free(kept);
    bool refused = false;
    for (const Offset record : records) {
      const uint64_t hash = round % 2 == 0 ? random() : random() >> 10;
      const uint64_t blocks = f.memory.live_blocks();
      const uint64_t id = next_id++;
      const Status status = refused ? Status(Code::kFull, "") : f.index().Reserve(hash);
      if (!status.ok()) {
        ASSERT_EQ(status.code(), Code::kFull);
        ASSERT_EQ(f.memory.live_blocks(), blocks);
        refused = true;
        f.memory.heap().Free(record);
        continue;
      }
      f.index().Insert(hash, record);
      oracle[id] = {hash, record};
    }
    refusals += refused;
    for (const auto& [id, entry] : oracle) ASSERT_EQ(f.Find(id, entry.first), entry.second);
    for (const Offset block : hoard) f.memory.heap().Free(block);
    ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
    // With memory it would have worked: grow a little, so that the next round starts elsewhere.
    for (uint32_t i = 0; i < 150; i++) {
      const uint64_t hash = random();
      ASSERT_TRUE(f.index().Reserve(hash).ok());
      const Offset record = f.NewRecord(next_id);
      f.index().Insert(hash, record);
      oracle[next_id++] = {hash, record};
    }
  }
  for (const auto& [id, entry] : oracle) {
    f.index().Remove(entry.first, entry.second);
    f.memory.heap().Free(entry.second);
  }
  EXPECT_GT(refusals, 40u);
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
}

TEST(HashIndex, ReclaimTakesTheStepsItIsGiven) {
  for (const uint32_t step : {1u, 2u, 7u, 100u, 1'000'000u}) {
    for (const uint64_t entries : {uint64_t{0}, uint64_t{5}, uint64_t{3000}, uint64_t{60'000}}) {
      std::mt19937_64 random(entries);
      Fixture f;
      const Offset record = f.NewRecord(1);
      const uint64_t before = f.memory.live_blocks();
      for (uint64_t i = 0; i < entries; i++) {
        const uint64_t hash = random() & (i % 2 == 0 ? ~uint64_t{0} : ~uint64_t{0} >> 9);
        ASSERT_TRUE(f.index().Reserve(hash).ok());
        f.index().Insert(hash, record);
      }
      uint64_t reference = f.memory.heap().Read<uint64_t>(f.field);
      for (;;) {
        const uint64_t blocks = f.memory.live_blocks();
        uint32_t budget = step;
        const bool done = HashIndex::Reclaim(f.memory.heap(), &reference, &budget);
        ASSERT_EQ(blocks - f.memory.live_blocks(), step - budget);
        if (done) break;
        ASSERT_EQ(budget, 0u);
      }
      EXPECT_EQ(reference, kNone);
      EXPECT_EQ(f.memory.live_blocks(), before);
    }
  }
}

// Segments that look right by themselves, but not where they are referred to from.
class MisplacedSegment : public testing::Test {
 protected:
  // A root node and two empty segments; each case says how they are referred to.
  MisplacedSegment() {
    node = f.memory.NewZeros(2048);
    for (Offset& segment : segments) segment = f.memory.NewZeros(128);
    f.memory.heap().Mutate<uint64_t>(f.field) = node + 1;
    Refer(0, 256, segments[1]);
  }
  void Refer(uint32_t first, uint32_t count, Offset segment) {
    for (uint32_t i = first; i < first + count; i++) f.memory.heap().Mutate<uint64_t>(node + i * 8) = segment;
  }
  void SetDepths(uint32_t depth0, uint32_t depth1) {
    FormatSegment(f.memory.heap().Write(segments[0], 128), 14, depth0);
    FormatSegment(f.memory.heap().Write(segments[1], 128), 14, depth1);
  }
  bool Restores(Offset claimed_already = kNone) {
    HeapForTest other;
    other.Load(f.memory.Save());
    EXPECT_TRUE(claimed_already == kNone || other.Claim(claimed_already, 8));
    uint64_t entries = 0;
    return HashIndex(other.heap(), f.field).Restore(&entries).ok();
  }

  Fixture f;
  Offset node;
  Offset segments[2];
};

TEST_F(MisplacedSegment, HalvesAreRight) {
  Refer(0, 128, segments[0]);
  SetDepths(1, 1);
  EXPECT_TRUE(Restores());
  EXPECT_FALSE(Restores(segments[1])) << "somebody else has it";
  EXPECT_FALSE(Restores(node)) << "somebody else has it";
}
TEST_F(MisplacedSegment, NotAligned) {
  // 64 to 191 are as many as depth 1 asks for, but not the right ones.
  Offset third = f.memory.NewZeros(128);
  FormatSegment(f.memory.heap().Write(third, 128), 14, 2);
  Refer(0, 64, segments[0]);
  Refer(64, 128, segments[1]);
  Refer(192, 64, third);
  SetDepths(2, 1);
  EXPECT_FALSE(Restores());
}
TEST_F(MisplacedSegment, ReferredToTwice) {
  Refer(64, 64, segments[0]);
  SetDepths(2, 2);
  EXPECT_FALSE(Restores());
}
// As many nodes, one below the other, as asked for. Reference 0 of each leads on, in the end to
// segments[0]; the others go to segments of depths that fit: 1 at 1, 2 at 2, 4 at 4 and so on.
class ChainOfNodes : public MisplacedSegment {
 protected:
  void Build(uint32_t nodes, uint32_t last_depth) {
    uint64_t reference = segments[0];
    FormatSegment(f.memory.heap().Write(segments[0], 128), 14, last_depth);
    for (uint32_t level = nodes; level > 0; level--) {
      node = f.memory.NewZeros(2048);
      Refer(0, 1, reference);
      for (uint32_t bit = 0; bit < 8; bit++) {
        const Offset segment = f.memory.NewZeros(128);
        FormatSegment(f.memory.heap().Write(segment, 128), 14, 8 * level - bit);
        Refer(1u << bit, 1u << bit, segment);
      }
      reference = node + 1;
    }
    f.memory.heap().Mutate<uint64_t>(f.field) = reference;
  }
};

TEST_F(ChainOfNodes, UpToThree) {
  for (uint32_t nodes = 1; nodes <= 3; nodes++) {
    Build(nodes, 8 * nodes);
    EXPECT_TRUE(Restores()) << nodes;
  }
  Build(4, 32);
  EXPECT_FALSE(Restores());
  Build(4, 29);
  EXPECT_FALSE(Restores());
}
TEST_F(ChainOfNodes, DepthsThatTheirNodesCannotTell) {
  Build(1, 9);
  EXPECT_FALSE(Restores());
  Build(2, 17);
  EXPECT_FALSE(Restores());
  Build(2, 15);
  EXPECT_FALSE(Restores());
  Build(2, 7);
  EXPECT_FALSE(Restores());
}

// Every word of the index's own blocks in turn is replaced by something else.
TEST(HashIndex, DamageIsRefusedOrHarmless) {
  std::mt19937_64 random(11);
  Fixture f(kMinArenaBytes);
  std::vector<uint64_t> hashes;
  for (uint64_t id = 0; id < 1500; id++) {
    // Lopsided, so that there is a node of the second level.
    hashes.push_back(id % 2 == 0 ? random() : random() >> 9);
    ASSERT_TRUE(f.index().Reserve(hashes.back()).ok());
    f.index().Insert(hashes.back(), f.NewRecord(id));
  }
  const HeapForTest::Image image = f.memory.Save();
  uint32_t refused = 0;
  for (uint32_t round = 0; round < 4000; round++) {
    HeapForTest other(kMinArenaBytes);
    other.Load(image);
    const uint64_t words = other.arena().frontier() / 8;
    // Words that are part of the index hold something as a rule; the field itself comes first.
    uint64_t word = f.field / 8;
    if (round > 20) {
      do {
        word = kUnitBytes / 8 + random() % (words - kUnitBytes / 8);
      } while (other.heap().Read<uint64_t>(word * 8) == 0);
    }
    uint64_t& target = other.heap().Mutate<uint64_t>(word * 8);
    switch (random() % 5) {
      case 0:
        target ^= uint64_t{1} << random() % 64;
        break;
      case 1:
        target = random();
        break;
      case 2:
        target = other.heap().Read<uint64_t>(kUnitBytes + random() % (words * 4) / 8 * 8);
        break;
      case 3:
        target = (random() % words * 8) | random() % 2;
        break;
      case 4:
        target = 0;
        break;
    }
    ASSERT_TRUE(other.Claim(f.field, 16));
    HashIndex restored(other.heap(), f.field);
    uint64_t entries = 0;
    if (!restored.Restore(&entries).ok()) {
      refused++;
      continue;
    }
    for (const uint64_t hash : hashes) {
      bool twin = false;
      restored.Contains(hash, 8, &twin);
    }
    // What was accepted can be taken apart again: no block is referred to twice.
    other.FinishLoad();
    uint64_t reference = other.heap().Read<uint64_t>(f.field);
    uint32_t budget = ~0u;
    ASSERT_TRUE(HashIndex::Reclaim(other.heap(), &reference, &budget));
    ASSERT_EQ(other.live_blocks(), 1u);
  }
  EXPECT_GT(refused, 500u);
}

}  // namespace
}  // namespace forkstore
