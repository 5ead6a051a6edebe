#include "data/node/node_table.h"

#include <map>
#include <random>
#include <vector>

#include "testing/heap.h"

namespace forkstore {
namespace {

using Oracle = std::map<NodeId, Offset>;

class Fixture {
 public:
  explicit Fixture(uint64_t max_bytes = uint64_t{1} << 30) : memory(max_bytes) {
    fields = memory.NewZeros(24);
    empty_blocks = memory.live_blocks();
  }
  NodeTable table() const { return TableIn(memory); }
  NodeTable TableIn(const HeapForTest& heap) const {
    return NodeTable(heap.heap(), fields, fields + 8, fields + 16);
  }

  // What the table tells when it is loaded; `status` is Restore's.
  Oracle Restored(Status* status, HeapForTest* other) const {
    other->Load(memory.Save());
    EXPECT_TRUE(other->Claim(fields, 24));
    Oracle seen;
    *status = TableIn(*other).Restore(
        [](void* context, NodeId node, Offset block) {
          return static_cast<Oracle*>(context)->emplace(node, block).second;
        },
        &seen);
    return seen;
  }

  HeapForTest memory;
  Offset fields;
  uint64_t empty_blocks;
};

TEST(NodeTable, RandomPrograms) {
  for (uint32_t seed = 0; seed < 40; seed++) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Fixture f;
    Oracle oracle;
    NodeId next = kRootNode;
    for (uint32_t step = 0; step < 2000; step++) {
      const bool growing = step / 400 % 2 == 0;
      const uint64_t dice = random() % 100;
      const NodeId some = random() % (next + 2);
      const auto present = oracle.lower_bound(some);
      if (dice < (growing ? 60u : 20u)) {
        const Offset block = random() % 10 == 0 ? kNone : random() % (uint64_t{1} << 38) / 8 * 8;
        NodeId node = 0;
        ASSERT_TRUE(f.table().Insert(block, &node).ok());
        ASSERT_EQ(node, next);
        oracle[next++] = block;
      } else if (dice < 75 && present != oracle.end()) {
        present->second = random() % 1000 * 8;
        f.table().Move(present->first, present->second);
      } else if (dice < 99 && present != oracle.end()) {
        f.table().Remove(present->first);
        oracle.erase(present);
      } else if (dice == 99) {
        next += random() % (seed % 4 == 3 ? uint64_t{1} << random() % 40 : 3);
        f.table().SkipTo(next);
      }
      ASSERT_EQ(f.table().next(), next);
      for (const NodeId node : {NodeId{0}, some, some + 1, next, NodeId{random()}}) {
        const auto expected = oracle.find(node);
        ASSERT_EQ(f.table().Find(node), expected == oracle.end() ? kNone : expected->second);
      }
      if (step % 100 == 0) {
        const uint32_t limit = static_cast<uint32_t>(random() % 300);
        std::vector<NodeId> nodes(limit);
        std::vector<Offset> blocks(limit);
        const uint32_t count = f.table().Scan(some, limit, nodes.data(), blocks.data());
        auto expected = oracle.lower_bound(some);
        for (uint32_t i = 0; i < count; i++, ++expected) {
          ASSERT_EQ(nodes[i], expected->first);
          ASSERT_EQ(blocks[i], expected->second);
        }
        ASSERT_TRUE(count == limit || expected == oracle.end());
      }
      if (step % 250 == 0) {
        Status status;
        HeapForTest other;
        ASSERT_EQ(f.Restored(&status, &other), oracle);
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(other.live_blocks(), f.memory.live_blocks());
        ASSERT_EQ(f.TableIn(other).next(), next);
      }
    }
    for (const auto& [node, block] : oracle) f.table().Remove(node);
    EXPECT_EQ(f.memory.live_blocks(), f.empty_blocks);
  }
}

TEST(NodeTable, IdsEnd) {
  Fixture f;
  NodeId node = 0;
  f.table().SkipTo(kMaxNode);
  ASSERT_TRUE(f.table().Insert(8, &node).ok());
  EXPECT_EQ(node, kMaxNode);
  EXPECT_EQ(f.table().Find(kMaxNode), 8u);
  EXPECT_EQ(f.table().Insert(8, &node).code(), Code::kFull);
  EXPECT_EQ(f.table().next(), kMaxNode + 1);
  Status status;
  HeapForTest other;
  EXPECT_EQ(f.Restored(&status, &other).size(), 1u);
  EXPECT_TRUE(status.ok());
}

TEST(NodeTable, AFullArenaChangesNothing) {
  Fixture f(kMinArenaBytes);
  NodeId node = 0;
  for (uint32_t i = 0; i < 100; i++) ASSERT_TRUE(f.table().Insert(8 + i * 8, &node).ok());
  f.memory.Exhaust();
  NodeId refused = 77;
  Status status;
  do {
    status = f.table().Insert(4096, &refused);
  } while (status.ok());
  EXPECT_EQ(status.code(), Code::kFull);
  const NodeId next = f.table().next();
  EXPECT_EQ(refused, next - 1);
  EXPECT_EQ(f.table().Find(next), kNone);
  for (uint32_t i = 0; i < 100; i++) EXPECT_EQ(f.table().Find(kRootNode + i), 8 + i * 8);
}

TEST(NodeTable, RestoreRefusesIdsThatWereNotGivenOut) {
  const struct {
    NodeId next;
    bool good;
  } cases[] = {{0, false},
               {1, false},
               {2, false},
               {3, false},
               {4, true},
               {kMaxNode + 1, true},
               {kMaxNode + 2, false},
               {~uint64_t{0}, false}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.next);
    Fixture f;
    NodeId node = 0;
    for (uint32_t i = 0; i < 3; i++) ASSERT_TRUE(f.table().Insert(8, &node).ok());
    f.memory.heap().Mutate<uint64_t>(f.fields) = c.next;
    Status status;
    HeapForTest other;
    f.Restored(&status, &other);
    EXPECT_EQ(status.code(), c.good ? Code::kOk : Code::kCorrupt);
  }
}

TEST(NodeTable, RestoreStopsWhenTheVisitorRefuses) {
  Fixture f;
  NodeId node = 0;
  for (uint32_t i = 0; i < 3; i++) ASSERT_TRUE(f.table().Insert(8, &node).ok());
  HeapForTest other;
  other.Load(f.memory.Save());
  const Status status = f.TableIn(other).Restore([](void*, NodeId id, Offset) { return id != 2; }, nullptr);
  EXPECT_EQ(status.code(), Code::kCorrupt);
}

// Number 0 is nobody's: a damaged table must not make it somebody's.
TEST(NodeTable, RestoreRefusesNumberZero) {
  Fixture f;
  NodeId node = 0;
  ASSERT_TRUE(f.table().Insert(8, &node).ok());
  const Offset leaf = f.memory.heap().Read<uint64_t>(f.fields + 8);
  f.memory.heap().Mutate<uint64_t>(leaf) = 1;
  Status status;
  HeapForTest other;
  f.Restored(&status, &other);
  EXPECT_EQ(status.code(), Code::kCorrupt);
}

}  // namespace
}  // namespace forkstore
