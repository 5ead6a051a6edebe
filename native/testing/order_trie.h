// An OrderTrie on a heap of its own, and what must be true of it, held against a std::map.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "data/map/order_trie.h"
#include "testing/heap.h"

namespace forkstore {

using OrderOracle = std::map<uint64_t, Offset>;

class OrderTrieForTest {
 public:
  explicit OrderTrieForTest(uint64_t max_bytes = uint64_t{1} << 30) : memory(max_bytes) {
    fields = memory.NewZeros(16);
    empty_blocks = memory.live_blocks();
  }
  OrderTrie trie() const { return OrderTrie(memory.heap(), fields, fields + 8); }
  uint32_t height() { return memory.heap().Read<uint32_t>(fields + 8); }

  bool Insert(uint64_t sequence, uint64_t payload) { return trie().Insert(sequence, payload).ok(); }

  void CheckScan(const OrderOracle& oracle, uint64_t from, uint32_t limit) {
    std::vector<Offset> found(limit + 1, ~Offset{0});
    const uint32_t count = trie().Scan(from, limit, found.data());
    ASSERT_LE(count, limit);
    ASSERT_EQ(found[count], ~Offset{0}) << "wrote beyond what it returned";
    auto expected = oracle.lower_bound(from);
    for (uint32_t i = 0; i < count; i++, ++expected) {
      ASSERT_NE(expected, oracle.end());
      ASSERT_EQ(found[i], expected->second);
    }
    ASSERT_TRUE(count == limit || expected == oracle.end());
    std::vector<OrderTrie::Place> places(limit + 1, OrderTrie::Place{0, kNone});
    ASSERT_EQ(trie().ScanPlaces(from, limit, places.data()), count);
    ASSERT_EQ(places[count].field, kNone) << "wrote beyond what it returned";
    expected = oracle.lower_bound(from);
    for (uint32_t i = 0; i < count; i++, ++expected) {
      ASSERT_EQ(places[i].sequence, expected->first);
      ASSERT_EQ(memory.heap().Read<uint64_t>(places[i].field), expected->second);
    }
  }

  // A subtree that has left can be read, from any place on, by the numbers that its payloads had.
  void CheckPart(const OrderTrie::Part& part, uint64_t first, uint64_t last) {
    std::vector<OrderTrie::Place> places(5000);
    const uint32_t count = OrderTrie::ScanPart(memory.heap(), part, part.first, 5000, places.data());
    ASSERT_GT(count, 0u);
    for (uint32_t i = 0; i < count; i++) {
      ASSERT_GE(places[i].sequence, std::max(first, part.first));
      ASSERT_LE(places[i].sequence, last);
      ASSERT_EQ((places[i].sequence - part.first) >> (order_node::kLevelBits * part.height), 0u);
      ASSERT_TRUE(i == 0 || places[i].sequence > places[i - 1].sequence);
    }
    OrderTrie::Place one{0, kNone};
    const uint64_t from = places[count / 2].sequence;
    ASSERT_EQ(OrderTrie::ScanPart(memory.heap(), part, from, 1, &one), 1u);
    ASSERT_EQ(one.sequence, from);
    ASSERT_EQ(one.field, places[count / 2].field);
  }

  // In order; or what is detached, given back later in any order.
  void CheckRemovesRange(uint64_t first, uint64_t last, std::vector<uint64_t> expected, bool detached) {
    struct Taken {
      std::vector<uint64_t> payloads;
      std::vector<OrderTrie::Part> subtrees;
      std::vector<uint64_t> firsts;  // of all parts
    } taken;
    const auto release = [](void* context, uint64_t payload) {
      static_cast<Taken*>(context)->payloads.push_back(payload);
    };
    const auto detach = [](void* context, const OrderTrie::Part& part) {
      auto* all = static_cast<Taken*>(context);
      all->firsts.push_back(part.first);
      if (part.height == 0) all->payloads.push_back(part.top);
      if (part.height > 0) all->subtrees.push_back(part);
    };
    const uint64_t released = trie().RemoveRange(first, last, release, &taken,
                                                 detached ? static_cast<OrderTrie::Detach>(detach) : nullptr);
    ASSERT_EQ(taken.payloads.size(), released);
    if (detached) {
      ASSERT_LE(released, 2 * 63u);
      ASSERT_LE(taken.subtrees.size(), 7 * 2 * 63u);
    }
    ASSERT_TRUE(std::is_sorted(taken.firsts.begin(), taken.firsts.end()));
    for (OrderTrie::Part& part : taken.subtrees) {
      CheckPart(part, first, last);
      uint32_t budget = 1 << 20;
      ASSERT_TRUE(OrderTrie::Reclaim(memory.heap(), &part.top, &part.height, &budget, release, &taken));
    }
    if (detached) {
      std::sort(taken.payloads.begin(), taken.payloads.end());
      std::sort(expected.begin(), expected.end());
    }
    ASSERT_EQ(taken.payloads, expected);
  }

  void CheckRestores(const OrderOracle& oracle) {
    HeapForTest other;
    other.Load(memory.Save());
    ASSERT_TRUE(other.Claim(fields, 16));
    OrderTrie restored(other.heap(), fields, fields + 8);
    OrderOracle seen;
    uint64_t last = 0;
    struct Context {
      OrderOracle* seen;
      uint64_t* last;
      bool in_order = true;
    } context{&seen, &last};
    const Status status = restored.Restore(
        [](void* raw, uint64_t sequence, Offset record) {
          Context* c = static_cast<Context*>(raw);
          c->in_order = c->in_order && (c->seen->empty() || sequence > *c->last);
          *c->last = sequence;
          (*c->seen)[sequence] = record;
          return true;
        },
        &context);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(context.in_order);
    ASSERT_EQ(seen, oracle);
    ASSERT_EQ(other.live_blocks(), memory.live_blocks());
  }

  HeapForTest memory;
  Offset fields;
  uint64_t empty_blocks;
};

}  // namespace forkstore
