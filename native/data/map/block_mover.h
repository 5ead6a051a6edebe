// BlockMover: one bounded step of emptying units that have few live blocks (Allocator::AllocateBelow).
//
// A block does not know what refers to it. So the structures are gone over, a few entries in a step, and each
// offers its blocks to the mover, and changes the one reference that there is when a block has moved:
//
//   record            its entry in the hash index, found by its key; the payload in the order trie
//   segment, node     the reference in the node above, or in the header
//   node of the tree  the payload in the node table
//   box               the slot of its node or item
//
// Headers of maps, shapes, the root block and blocks of whole units stay where they are: more than one thing
// refers to them, or they are not worth it.
//
// Nothing that can be seen changes: no number, no order, no byte of a value; nothing is logged. A
// replay lays out its blocks in its own way, as ever. Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <cstring>

#include "memory/heap.h"

namespace forkstore {

class BlockMover {
 public:
  // `work`: in kWorkPerMove for a small block that moves, and 1 for an entry that is looked at, some 5 ns.
  // Blocks of the unit `top` and those behind it move, too, where there is room below.
  BlockMover(Heap heap, uint64_t work, uint64_t top) : heap_(heap), left_(work), top_(top) {}
  BlockMover(const BlockMover&) = delete;
  BlockMover& operator=(const BlockMover&) = delete;

  static constexpr uint64_t kWorkPerMove = 64;

  bool done() const { return left_ == 0; }
  void Spend(uint64_t work) { left_ -= work < left_ ? work : left_; }
  uint64_t moved() const { return moved_; }

  // Moves the block when its unit is to be emptied and there is room below: copies it, calls relink(new
  // place), and frees the old one. REQUIRES: no undo scope is open.
  template <typename Relink>
  void Move(Offset block, Relink relink) {
    const Offset to = heap_.allocator.AllocateBelow(block, top_);
    if (to == kNone) return;
    const uint64_t bytes = heap_.Capacity(block);
    std::memcpy(heap_.Write(to, bytes), heap_.At(block), bytes);
    relink(to);
    heap_.Free(block);
    ++moved_;
    Spend(kWorkPerMove + bytes / kBytesPerWork);
  }

 private:
  static constexpr uint64_t kBytesPerWork = 32;

  Heap heap_;
  uint64_t left_;
  uint64_t top_;
  uint64_t moved_ = 0;
};

}  // namespace forkstore
