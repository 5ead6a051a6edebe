// TreeGarbage: gives back subtrees that have left the tree. Small ones go at once; of larger ones the top
// leaves the node table at once, and the rest goes in bounded steps, depth first, so that little has to be
// remembered. What is remembered is in scratch memory: after a restart, blocks that nothing refers to are
// free anyway.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "data/node_registry.h"
#include "data/ordered_map.h"
#include "data/shape.h"

namespace forkstore {

class TreeGarbage {
 public:
  TreeGarbage(Heap heap, NodeRegistry* nodes, const ShapeTable* shapes)
      : heap_(heap), nodes_(nodes), shapes_(shapes) {}

  // What a slot refers to: a node goes with all that is below it, a box is freed; other slots own nothing.
  // The slot itself is the caller's. An operation that drops many slots passes a budget for all of them.
  void DropSlot(Slot slot) {
    uint32_t budget = kAtOnce;
    DropSlot(slot, &budget);
  }
  void DropSlot(Slot slot, uint32_t* budget);
  void DropNode(NodeId node) { DropSlot(NodeSlot(node)); }
  // The records of a map whose holder has left the table, and its tries.
  void DropTable(const MapContents& contents);
  // All items that a SEQUENCE has had, which stays in the tree without them.
  void DropItems(NodeId sequence, Offset top, uint32_t height);

  // Whether the child is among the items that the node was emptied of.
  bool IsEmptiedOf(NodeId node, NodeId child) const {
    if (emptied_.empty()) return false;
    const auto found = emptied_.find(node);
    return found != emptied_.end() && child < found->second.back().end;
  }

  // About `budget` blocks; true when nothing is left.
  bool Reclaim(uint32_t budget);
  bool empty() const { return graves_.empty(); }

  uint64_t dropped() const { return dropped_; }
  void ForgetSince(uint64_t dropped);
  // Another number whenever a node may have been detached, or come back, that is still in the node table.
  uint64_t burials() const { return burials_; }

  static constexpr uint32_t kAtOnce = 64;  // blocks that a drop gives back itself

 private:
  enum class Kind : uint8_t { kNode, kTable, kItems };
  struct Grave {
    Kind kind;
    uint32_t height;  // of the trie
    Offset block;     // of a node that is out of the table; or the trie's top
    uint64_t index;   // of a table; or the node that was emptied of these items (0: it has gone itself)
  };
  // Items of a node that was emptied are still in the node table, and their parent is in the tree: they are
  // known by their ids, which are below those of the items that came later.
  struct Emptied {
    NodeId end;
    Offset top;
  };
  using Graves = std::vector<Grave>;
  struct Releasing;

  // Does one grave after the other, the newest first, until there are none or the budget is used up.
  void Work(Graves* graves, uint32_t* budget);
  void FreeNode(Offset block, Graves* graves, uint32_t* budget);
  void Bury(const Grave& grave, uint32_t* budget);
  // REQUIRES: the grave is that of items.
  void ForgetEmptied(const Grave& grave);
  void Release(Slot slot, Graves* graves);
  static void ReleaseRecord(void* context, uint64_t record);
  static void ReleaseItem(void* context, uint64_t item);

  Heap heap_;
  NodeRegistry* nodes_;
  const ShapeTable* shapes_;
  std::deque<Grave> graves_;  // the front is being worked on
  uint64_t dropped_ = 0;      // graves added at the back, those forgotten excepted
  uint64_t burials_ = 0;
  std::unordered_map<NodeId, std::vector<Emptied>> emptied_;  // newest last
  Graves work_;                                               // for Bury() and Reclaim(), empty between calls
};

}  // namespace forkstore
