// NodeTable: where the node with a number is: a trie from id to the offset of the node's block (or, for a
// map's holder, of the map's header). Layout: docs/format.md, section 4 "Nodes".
//
// Invariants
//  1. Ids are given out in ascending order from kRootNode, and never twice.
//  2. Every id in the table is below next().
// Every method but Restore does bounded work.
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/map/order_trie.h"
#include "data/value/node.h"
#include "memory/heap.h"

namespace forkstore {

class NodeTable {
 public:
  // Arena offsets of three fields of the root: the u64 with the next id (0 before the first one, as 1), the
  // u64 with the trie's top node, and the u32 with its height.
  NodeTable(Heap heap, Offset next_field, Offset top_field, Offset height_field)
      : heap_(heap), next_(next_field), trie_(heap, top_field, height_field) {}

  // The block, or kNone. Any number is a legal argument. Lookups of all views come by here.
  Offset Find(NodeId node) const { return trie_.Find(node); }

  NodeId next() const {
    const NodeId next = heap_.Read<uint64_t>(next_);
    return next == 0 ? kRootNode : next;
  }
  // Gives next() to the block, which may be kNone until Move() tells it: a parent's id has to be known
  // before its children's blocks are written. Errors: kFull, also when the ids are used up; then nothing
  // has changed.
  Status Insert(Offset block, NodeId* node);
  // REQUIRES of both: the node is in the table.
  void Move(NodeId node, Offset block) { trie_.Replace(node, block); }
  void Remove(NodeId node) { trie_.Remove(node); }
  // REQUIRES: not below next(), at most kMaxNode + 1.
  void SkipTo(NodeId id) {
    if (id != next()) heap_.Mutate<uint64_t>(next_) = id;
  }

  // Ids >= `from`, in order, and their blocks: up to `limit`; fewer mean that there are no more.
  uint32_t Scan(NodeId from, uint32_t limit, NodeId* nodes, Offset* blocks) const;

  // As OrderTrie::MoveSome: `field` holds the block, or what a holder has.
  bool MoveSome(NodeId* from, BlockMover* mover, OrderTrie::MoveEach each, void* context) {
    return trie_.MoveSome(from, mover, each, context);
  }

  // Loading: claims the table's own blocks (any bytes may be there) and calls visit(context, node, block) for
  // each entry in order until it returns false: it checks and claims the node's block.
  // Errors: kCorrupt, also when visit returned false.
  using Visit = bool (*)(void* context, NodeId node, Offset block);
  Status Restore(Visit visit, void* context);

 private:
  Heap heap_;
  Offset next_;
  OrderTrie trie_;
};

}  // namespace forkstore
