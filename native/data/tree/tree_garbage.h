// TreeGarbage: gives back subtrees that have left the tree. Small ones go at once; of larger ones the top
// leaves the node table at once, and the rest goes in bounded steps, depth first, so that little has to be
// remembered. What is remembered is in scratch memory: after a restart, blocks that nothing refers to are
// free anyway. Items that are held (held_items.h) have left as well, but wait until they are let go.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/map/ordered_map.h"
#include "data/node/node_registry.h"
#include "data/tree/cut_items.h"
#include "data/tree/held_items.h"
#include "data/value/shape.h"

namespace forkstore {

class TreeGarbage {
 public:
  TreeGarbage(Heap heap, NodeRegistry* nodes, const ShapeTable* shapes)
      : heap_(heap), nodes_(nodes), shapes_(shapes), held_(heap, nodes, shapes) {}

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
  // Subtrees of the trie of a SEQUENCE, which stays in the tree without them: of the items that the cut tells
  // of, those that are in none of them have been dropped one by one.
  using Parts = HeldItems::Parts;
  void DropItems(const Parts& parts, ItemCut cut);
  // The same for parts of any height, all that the cut tells of, which stay as they are until they are let
  // go; `start` as HeldItems::Add. Their number in held(), never 0.
  uint64_t HoldItems(Parts parts, ItemCut cut, uint64_t start);
  HeldItems& held() { return held_; }
  // At any time, in an undo scope too: what the items are made of waits for Reclaim().
  void LetGo(uint64_t held);
  // Reads one list of them out of the arena and lets it go there; false when none is left in it.
  bool SpillHeld();

  // Whether the child, which is in the node table, is among the items that were cut off its parent.
  bool IsCutOff(NodeId parent, NodeId child) const { return cuts_.Has(parent, child); }

  // About `budget` blocks; true when nothing is left but what is held.
  bool Reclaim(uint32_t budget);
  // The same of what was dropped since, within the undo scope that has begun there, which takes them back;
  // false when there are none.
  bool ReclaimSince(uint64_t dropped, uint32_t budget);
  bool empty() const { return !can_reclaim() && held_.empty(); }
  bool can_reclaim() const { return !graves_.empty() || !let_go_.empty(); }

  uint64_t dropped() const { return dropped_; }
  void ForgetSince(uint64_t dropped);
  // Another number whenever a node may have been detached, or come back, that is still in the node table.
  uint64_t burials() const { return burials_; }

  static constexpr uint32_t kAtOnce = 64;  // blocks that a drop gives back itself

 private:
  enum class Kind : uint8_t { kNode, kTable, kItems, kItem };
  struct Grave {
    Kind kind;
    uint32_t height;  // of the trie
    Offset block;     // of a node that is out of the table; or the trie's top; or an item's slot
    uint64_t index;   // of a table; or the number of the cut that took these items off (0: the array has gone
                      // itself)
  };
  using Graves = std::vector<Grave>;
  struct Releasing;

  // Does one grave after the other, the newest first, until there are none or the budget is used up.
  void Work(Graves* graves, uint32_t* budget);
  void FreeNode(Offset block, Graves* graves, uint32_t* budget);
  void Bury(const Grave& grave, uint32_t* budget);
  // Works on one; what is left of it goes to the back. Whether there is anything.
  bool WorkAtBack(const Grave& grave, uint32_t* budget);
  void BuryLetGo();
  // A grave of items has gone: the last one of its cut takes what is known of the cut with it.
  void EndGrave(uint64_t cut);
  void Release(Slot slot, Graves* graves);
  static void ReleaseRecord(void* context, uint64_t record);
  static void ReleaseItem(void* context, uint64_t item);

  Heap heap_;
  NodeRegistry* nodes_;
  const ShapeTable* shapes_;
  std::deque<Grave> graves_;  // the front is being worked on
  uint64_t dropped_ = 0;      // graves added at the back, those forgotten excepted
  uint64_t burials_ = 0;
  CutItems cuts_;
  std::unordered_map<uint64_t, uint64_t> cut_graves_;  // how many there are of each cut
  HeldItems held_;                                     // by the numbers of their cuts
  std::vector<std::pair<uint64_t, Parts>> let_go_;     // the same, once let go
  Graves work_;                                        // for Bury() and Reclaim(), empty between calls
};

}  // namespace forkstore
