#include "data/map/order_trie.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "data/map/record.h"
#include "testing/heap.h"
#include "testing/order_trie.h"

namespace forkstore {
namespace {

using Oracle = OrderOracle;
using Fixture = OrderTrieForTest;

void CheckFind(const Fixture& f, const Oracle& oracle, uint64_t sequence) {
  const auto expected = oracle.find(sequence);
  ASSERT_EQ(f.trie().Find(sequence), expected == oracle.end() ? 0 : expected->second);
  const Offset field = f.trie().FindField(sequence);
  ASSERT_EQ(field == kNone, expected == oracle.end());
}

void RunProgram(uint32_t seed, uint64_t target, bool jumps, uint32_t removal_pattern) {
  std::mt19937_64 random(seed);
  Fixture f;
  Oracle oracle;
  uint64_t sequence = 1;
  Offset next_record = 8;
  for (const bool growing : {true, false, true, false}) {
    for (uint64_t step = 0; growing ? oracle.size() < target : !oracle.empty(); step++) {
      if (random() % 10 < (growing ? 7u : 2u)) {
        if (jumps && random() % 100 == 0) sequence += random() >> (16 + random() % 48) >> 8;
        ASSERT_LE(sequence, kMaxSequence);
        ASSERT_TRUE(f.Insert(sequence, next_record));
        oracle[sequence] = next_record;
        sequence++;
        next_record += 8;
      } else if (!oracle.empty()) {
        auto victim = oracle.begin();  // a queue
        if (removal_pattern == 1) victim = std::prev(oracle.end());
        if (removal_pattern == 2) {
          victim = oracle.lower_bound(oracle.begin()->first +
                                      random() % (oracle.rbegin()->first - oracle.begin()->first + 1));
        }
        if (random() % 4 == 0) {
          victim->second = next_record;
          f.trie().Replace(victim->first, next_record);
          next_record += 8;
        } else {
          f.trie().Remove(victim->first);
          oracle.erase(victim);
        }
      }
      if (step % 16 == 0) {
        const uint64_t from = random() % 2 == 0 ? random() % (sequence + 100) : random() >> random() % 64;
        ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, from, static_cast<uint32_t>(random() % 200)));
      }
      if (step % (target / 2 + 1) == 0) {
        ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
      }
    }
    ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, 0, static_cast<uint32_t>(oracle.size() + 1)));
    ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
    if (!growing) {
      ASSERT_EQ(f.memory.live_blocks(), f.empty_blocks);
      ASSERT_EQ(f.height(), 0u);
    }
  }
}

TEST(OrderTrie, RandomPrograms) {
  for (uint32_t seed = 0; seed < 60; seed++) RunProgram(seed, 1 + seed * seed, false, seed % 3);
}
TEST(OrderTrie, RandomProgramsWithGaps) {
  for (uint32_t seed = 0; seed < 60; seed++) RunProgram(seed, 1 + seed * seed, true, seed % 3);
}
TEST(OrderTrie, LargeProgram) {
  RunProgram(1, 200'000, false, 2);
}

// Anywhere, in ranges, with payloads that are no offsets.
void RunAnywhere(uint32_t seed) {
  std::mt19937_64 random(seed);
  Fixture f;
  Oracle oracle;
  // Where numbers come from: close together, at the upper end, or anywhere.
  const uint64_t base = seed % 3 == 0 ? 0 : seed % 3 == 1 ? kSequenceLimit - 5000 : uint64_t{1} << 35;
  const auto any_sequence = [&] {
    if (seed % 5 == 4 && random() % 3 == 0) return (random() >> 16) >> random() % 48;
    return base + random() % (seed % 2 == 0 ? 300 : 5000);
  };
  const uint64_t rounds = 3000;
  for (uint64_t round = 0; round < rounds; round++) {
    const uint64_t sequence = any_sequence();
    const bool growing = round / 500 % 2 == 0;
    const uint64_t dice = random() % 100;
    if (dice < (growing ? 70u : 30u)) {
      const uint64_t payload = random();
      if (oracle.contains(sequence)) {
        f.trie().Replace(sequence, payload);
      } else {
        ASSERT_TRUE(f.Insert(sequence, payload));
      }
      oracle[sequence] = payload;
    } else if (dice < (growing ? 76u : 33u)) {
      std::vector<uint64_t> payloads;
      const uint64_t most = random() % 200;
      while (payloads.size() < most && sequence + payloads.size() < kSequenceLimit &&
             !oracle.contains(sequence + payloads.size())) {
        payloads.push_back(random());
      }
      ASSERT_TRUE(f.trie().InsertRun(sequence, payloads.data(), payloads.size()).ok());
      for (uint64_t i = 0; i < payloads.size(); i++) oracle[sequence + i] = payloads[i];
    } else if (dice < 90) {
      const auto victim = oracle.lower_bound(sequence);
      if (victim == oracle.end()) continue;
      f.trie().Remove(victim->first);
      oracle.erase(victim);
    } else if (dice < (growing ? 92u : 97u)) {
      uint64_t last = dice % 2 == 0 ? any_sequence() : sequence + random() % 200;
      if (random() % 50 == 0) last = ~uint64_t{0};
      std::vector<uint64_t> expected;
      for (auto i = oracle.lower_bound(sequence); i != oracle.end() && i->first <= last;) {
        expected.push_back(i->second);
        i = oracle.erase(i);
      }
      ASSERT_NO_FATAL_FAILURE(f.CheckRemovesRange(sequence, last, expected, random() % 2 == 0));
    } else {
      ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, any_sequence(), static_cast<uint32_t>(random() % 200)));
    }
    ASSERT_NO_FATAL_FAILURE(CheckFind(f, oracle, any_sequence()));
    ASSERT_NO_FATAL_FAILURE(CheckFind(f, oracle, random() >> random() % 64));
    if (round % 400 == 0) {
      ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
    }
  }
  for (const auto& [sequence, payload] : oracle) ASSERT_EQ(f.trie().Find(sequence), payload);
  ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, 0, static_cast<uint32_t>(oracle.size() + 1)));
  ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
  ASSERT_EQ(f.trie().RemoveRange(0, ~uint64_t{0}, nullptr, nullptr), oracle.size());
  ASSERT_EQ(f.memory.live_blocks(), f.empty_blocks);
  ASSERT_TRUE(f.trie().empty());
}

TEST(OrderTrie, InsertAnywhere) {
  for (uint32_t seed = 0; seed < 60; seed++) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(RunAnywhere(seed));
  }
}

TEST(OrderTrie, EveryHeight) {
  Fixture f;
  Oracle oracle;
  for (uint32_t bits = 0; bits <= 48; bits++) {
    const uint64_t sequence = (uint64_t{1} << bits) - 1;  // 0, 1, 3, ... kMaxSequence
    ASSERT_TRUE(f.Insert(sequence, (bits + 1) * 8));
    oracle[sequence] = (bits + 1) * 8;
    ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, 0, 100));
  }
  EXPECT_EQ(f.height(), 8u);
  ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
  for (uint32_t bits = 0; bits <= 48; bits++) {
    for (const uint64_t around : {0, 1, 2}) {
      ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, (uint64_t{1} << bits) - 2 + around, 3));
    }
  }
  EXPECT_EQ(f.trie().Scan(~uint64_t{0}, 1, nullptr), 0u);
  for (const auto& [sequence, record] : oracle) f.trie().Remove(sequence);
  EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
}

TEST(OrderTrie, ScanOfNothing) {
  Fixture f;
  EXPECT_EQ(f.trie().Scan(0, 10, nullptr), 0u);
  ASSERT_TRUE(f.Insert(5, 8));
  EXPECT_EQ(f.trie().Scan(0, 0, nullptr), 0u);
  EXPECT_EQ(f.trie().Scan(6, 10, nullptr), 0u);
}

TEST(OrderTrie, AFullLeafIsDense) {
  Fixture f;
  for (uint64_t sequence = 0; sequence < 64 * 64; sequence++) ASSERT_TRUE(f.Insert(sequence, 8));
  // 64 leaves of 520 bytes and the node above: little more than 8 bytes an entry.
  EXPECT_EQ(f.memory.live_bytes() - 16, 65u * 520);
}

// Sequences that are never used again leave a trie behind whose nodes have few children each. `bytes` is
// little more than what the children and bitmaps that are left need.
TEST(OrderTrie, AnAgedTrieIsSmall) {
  struct Case {
    uint64_t kept_of;
    uint64_t entries;
    double bytes;
  };
  for (const Case& c : {Case{10, 100000, 16}, Case{100, 400000, 28}, Case{1000, 1000000, 34}}) {
    SCOPED_TRACE(c.kept_of);
    std::mt19937_64 random(c.kept_of);
    Fixture f;
    std::vector<uint64_t> gone;
    for (uint64_t sequence = 0; sequence < c.entries; sequence++) {
      ASSERT_TRUE(f.Insert(sequence, 8));
      if (random() % c.kept_of != 0) gone.push_back(sequence);
    }
    std::shuffle(gone.begin(), gone.end(), random);
    for (const uint64_t sequence : gone) f.trie().Remove(sequence);
    const uint64_t left = c.entries - gone.size();
    EXPECT_LE(static_cast<double>(f.memory.live_bytes()) / static_cast<double>(left), c.bytes);
  }
}

TEST(OrderTrie, RunningOutOfMemoryChangesNothing) {
  for (uint32_t seed = 0; seed < 20; seed++) {
    std::mt19937_64 random(seed);
    Fixture f(kMinArenaBytes);
    Oracle oracle;
    uint64_t sequence = 1;
    uint32_t refusals = 0;
    while (refusals < 40) {
      if (random() % 8 == 0) {
        // Leave room for a few small blocks only, so that it fails in the middle too.
        std::vector<Offset> hoard;
        std::vector<Offset> kept;
        for (uint64_t i = random() % 6; i > 0; i--) kept.push_back(f.memory.heap().Allocate(16));
        hoard = f.memory.Exhaust();
        for (const Offset block : kept) f.memory.heap().Free(block);
        if (random() % 2 == 0) sequence += random() >> (20 + random() % 40);
        if (sequence > kMaxSequence) break;
        uint64_t place = sequence;  // at the end, or somewhere before it
        if (random() % 2 == 0) place = random() % (sequence + 1);
        if (oracle.contains(place)) place = sequence;
        if (f.Insert(place, place * 8)) {
          oracle[place] = place * 8;
          sequence = std::max(sequence, place + 1);
        } else {
          refusals++;
        }
        ASSERT_NO_FATAL_FAILURE(f.CheckScan(oracle, 0, static_cast<uint32_t>(oracle.size() + 1)));
        for (const Offset block : hoard) f.memory.heap().Free(block);
        ASSERT_NO_FATAL_FAILURE(f.CheckRestores(oracle));
        continue;
      }
      ASSERT_TRUE(f.Insert(sequence, sequence * 8));
      oracle[sequence] = sequence * 8;
      sequence++;
    }
    // Removing needs no memory.
    std::vector<Offset> hoard = f.memory.Exhaust();
    while (!oracle.empty()) {
      const auto victim = std::next(oracle.begin(), static_cast<ptrdiff_t>(random() % oracle.size()));
      f.trie().Remove(victim->first);
      oracle.erase(victim);
    }
    for (const Offset block : hoard) f.memory.heap().Free(block);
    EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
  }
}

TEST(OrderTrie, ReclaimTakesTheStepsItIsGiven) {
  for (const uint32_t step : {1u, 2u, 7u, 100u, 1'000'000u}) {
    for (const uint64_t entries : {uint64_t{0}, uint64_t{1}, uint64_t{65}, uint64_t{5000}}) {
      Fixture f;
      const uint64_t before = f.memory.live_blocks();
      for (uint64_t i = 0; i < entries; i++) {
        ASSERT_TRUE(f.Insert(i * 3 + (i == entries - 1 ? uint64_t{1} << 40 : 0), f.memory.NewZeros(16)));
      }
      Offset top = f.memory.heap().Read<uint64_t>(f.fields);
      uint32_t height = f.height();
      for (;;) {
        const uint64_t blocks = f.memory.live_blocks();
        uint32_t budget = step;
        Heap heap = f.memory.heap();
        const bool done = OrderTrie::Reclaim(heap, &top, &height, &budget, &OrderTrie::FreePayload, &heap);
        ASSERT_EQ(blocks - f.memory.live_blocks(), step - budget);
        if (done) break;
        ASSERT_EQ(budget, 0u);
      }
      EXPECT_EQ(top, kNone);
      EXPECT_EQ(height, 0u);
      EXPECT_EQ(f.memory.live_blocks(), before);
    }
  }
}

TEST(OrderTrie, RestoreStopsWhenAskedTo) {
  Fixture f;
  for (uint64_t i = 1; i < 300; i++) ASSERT_TRUE(f.Insert(i, i * 8));
  HeapForTest other;
  other.Load(f.memory.Save());
  uint32_t visits = 0;
  const Status status = OrderTrie(other.heap(), f.fields, f.fields + 8)
                            .Restore(
                                [](void* context, uint64_t sequence, Offset) {
                                  ++*static_cast<uint32_t*>(context);
                                  return sequence < 100;
                                },
                                &visits);
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_EQ(visits, 100u);
}

// A node without children would never be freed.
TEST(OrderTrie, AnEmptyNodeIsRefused) {
  Fixture f;
  ASSERT_TRUE(f.Insert(1, 8));
  f.memory.heap().Mutate<uint64_t>(f.memory.heap().Read<uint64_t>(f.fields)) = 0;
  HeapForTest other;
  other.Load(f.memory.Save());
  const Status status = OrderTrie(other.heap(), f.fields, f.fields + 8)
                            .Restore([](void*, uint64_t, Offset) { return true; }, nullptr);
  EXPECT_EQ(status.code(), Code::kCorrupt);
}

TEST(OrderTrie, DamageIsRefusedOrHarmless) {
  std::mt19937_64 random(13);
  Fixture f(kMinArenaBytes);
  for (uint64_t i = 1; i < 600; i++) ASSERT_TRUE(f.Insert(i * i, f.memory.NewZeros(16)));
  const HeapForTest::Image image = f.memory.Save();
  uint32_t refused = 0;
  uint32_t accepted = 0;
  for (uint32_t round = 0; round < 4000; round++) {
    HeapForTest other(kMinArenaBytes);
    other.Load(image);
    const uint64_t words = other.arena().frontier() / 8;
    uint64_t word = f.fields / 8 + round % 2;
    if (round > 40) {
      do {
        word = kUnitBytes / 8 + random() % (words - kUnitBytes / 8);
      } while (other.heap().Read<uint64_t>(word * 8) == 0);
    }
    uint64_t& target = other.heap().Mutate<uint64_t>(word * 8);
    switch (random() % 4) {
      case 0:
        target ^= uint64_t{1} << random() % 64;
        break;
      case 1:
        target = random();
        break;
      case 2:
        target = random() % words * 8;
        break;
      case 3:
        target = 0;
        break;
    }
    ASSERT_TRUE(other.Claim(f.fields, 16));
    OrderTrie restored(other.heap(), f.fields, f.fields + 8);
    struct Context {
      HeapForTest* memory;
      uint64_t entries;
    } context{&other, 0};
    const Status status = restored.Restore(
        [](void* raw, uint64_t, Offset record) {
          Context* c = static_cast<Context*>(raw);
          c->entries++;
          return c->memory->Claim(record, 16);
        },
        &context);
    if (!status.ok()) {
      refused++;
      continue;
    }
    accepted++;
    other.FinishLoad();
    std::vector<Offset> records(2000);
    ASSERT_EQ(restored.Scan(0, 2000, records.data()), context.entries);
    Offset top = other.heap().Read<uint64_t>(f.fields);
    uint32_t height = other.heap().Read<uint32_t>(f.fields + 8);
    uint32_t budget = ~0u;
    Heap heap = other.heap();
    ASSERT_TRUE(OrderTrie::Reclaim(heap, &top, &height, &budget, &OrderTrie::FreePayload, &heap));
    ASSERT_EQ(other.live_blocks(), 1u);
  }
  EXPECT_GT(refused, 300u);
  EXPECT_GT(accepted, 10u);
}

}  // namespace
}  // namespace forkstore
