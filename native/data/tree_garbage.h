// TreeGarbage: gives back subtrees that have left the tree. Small ones go at once; of larger ones the top
// leaves the node table at once, and the rest goes in bounded steps, depth first, so that little has to be
// remembered. What is remembered is in scratch memory: after a restart, blocks that nothing refers to are
// free anyway.
#pragma once

#include <cstdint>
#include <deque>
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
  // The slot itself is the caller's.
  void DropSlot(Slot slot);
  void DropNode(NodeId node);
  // The records of a detached TABLE or map, and its tries; the items of a detached SEQUENCE.
  void DropTable(const MapContents& contents);
  void DropItems(Offset top, uint32_t height);

  // About `budget` blocks; true when nothing is left.
  bool Reclaim(uint32_t budget);
  bool empty() const { return graves_.empty(); }

  uint64_t dropped() const { return dropped_; }
  void ForgetSince(uint64_t dropped);

 private:
  enum class Kind : uint8_t { kNode, kTable, kItems };
  struct Grave {
    Kind kind;
    uint32_t height;  // of the trie
    Offset block;     // of a node that is out of the table; or the trie's top
    uint64_t index;   // of a table
  };
  using Graves = std::vector<Grave>;
  struct Releasing;

  // Does one grave after the other, the newest first, until there are none or the budget is used up.
  void Work(Graves* graves, uint32_t* budget);
  void FreeNode(Offset block, Graves* graves, uint32_t* budget);
  void Bury(const Grave& grave);
  void Release(Slot slot, Graves* graves);
  static void ReleaseRecord(void* context, uint64_t record);
  static void ReleaseItem(void* context, uint64_t item);

  Heap heap_;
  NodeRegistry* nodes_;
  const ShapeTable* shapes_;
  std::deque<Grave> graves_;  // the front is being worked on
  uint64_t dropped_ = 0;      // graves added at the back, those forgotten excepted
  Graves work_;               // for Bury() and Reclaim(), empty between calls
};

}  // namespace forkstore
