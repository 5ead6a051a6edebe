// ItemSequence: the items of a long array (a SEQUENCE; docs/format.md, section 4 "Nodes"): a trie from
// position to slot. Item i is at position origin + i, and the origin moves, so that items come and go at both
// ends without any other changing its place:
//
//   positions   ...  origin                    origin + length  ...
//                     | a | b |   | d | e | f |
//   unshift  <-- origin goes down         push --> length goes up
//
// Positions are numbers of 48 bits that wrap around, so the origin may move for ever. A hole is an absent
// position: a long array with few items takes little memory. Slots are 8 bytes that mean nothing here.
//
// Work: O(log n) for everything at one index or at an end; Splice in between: O(the shorter side), with that
// many items in scratch memory; O(what is inserted) on top, and O(what is removed) unless it is detached.
// Changes that fail (kFull) leave a sequence that is in order, but a Splice or Permute may be half done: they
// are run inside an undo scope (memory/undo.h). Thread safety: the owner thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "data/map/order_trie.h"
#include "data/value/node.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint64_t kHoleSlot = uint64_t{0xFFF80000} << 32 | 4;  // a hole where slots are given
inline constexpr uint32_t kMaxItems = 0xFFFFFFFF;                      // JavaScript's longest array

class ItemSequence {
 public:
  // Told of each slot that goes, in order of index; must not touch this sequence.
  using Release = OrderTrie::Release;
  // Where it is given, in place of Release: takes parts of the trie that go as a whole, and slots that are in
  // none of them, by their positions.
  using Detach = OrderTrie::Detach;

  // A sequence of no items: what the caller writes to a new block.
  static SequenceBlock Empty(uint64_t head) { return SequenceBlock{head, 0, kFirstOrigin, kNone, 0, 0}; }
  // `block`: arena offset of a SequenceBlock. Its head is the caller's.
  ItemSequence(Heap heap, Offset block)
      : heap_(heap),
        block_(block),
        items_(heap, block + offsetof(SequenceBlock, items), block + offsetof(SequenceBlock, items_height)) {}

  uint32_t length() const {
    return static_cast<uint32_t>(heap_.Read<uint64_t>(block_ + offsetof(SequenceBlock, length)));
  }
  // Arena offset of the item's slot; kNone for a hole or beyond the length.
  Offset Find(uint32_t index) const { return index < length() ? items_.FindField(Position(index)) : kNone; }

  // Puts the slot there, in place of what there was; beyond the end, the array grows, with holes in between.
  // REQUIRES: index < kMaxItems; no kHoleSlot. Errors: kFull; then nothing has changed.
  Status Set(uint32_t index, uint64_t slot);
  // Makes a hole; false when there was none to make. The length stays.
  bool Remove(uint32_t index);
  // Cuts off what is behind, or adds holes.
  void SetLength(uint32_t length, Release release, void* context, Detach detach = nullptr);
  // Removes `delete_count` items from `start` on and puts `count` slots there (kHoleSlot: a hole).
  // REQUIRES: start + delete_count <= length(); the new length is at most kMaxItems. Errors: kFull.
  Status Splice(uint32_t start, uint32_t delete_count, const uint64_t* slots, uint32_t count, Release release,
                void* context, Detach detach = nullptr);
  // Item i becomes what item order[i] was. REQUIRES: order[0, length()) has each index once. Errors: kFull.
  Status Permute(const uint32_t* order);

  // Arena offsets of the slots of items [from, from + limit), kNone for holes; returns how many: fewer only
  // at the end.
  uint32_t Scan(uint32_t from, uint32_t limit, Offset* slots) const;
  // Only of items that there are, with their indexes: up to `limit`; fewer mean that there are no more.
  struct Item {
    uint32_t index;
    Offset slot;
  };
  uint32_t ScanPresent(uint32_t from, uint32_t limit, Item* items) const;

  // Of the item at this index, whether there is one or not.
  uint64_t Position(uint64_t index) const { return (origin() + index) & (kSequenceLimit - 1); }

  // As OrderTrie::MoveSome: `from` is a position, `field` holds a slot.
  bool MoveSome(uint64_t* from, BlockMover* mover, OrderTrie::MoveEach each, void* context) {
    return items_.MoveSome(from, mover, each, context);
  }

  // Loading: checks the block, which the caller has claimed (its fields may hold anything), claims the trie,
  // and calls visit(context, index, slot) for each item until it returns false; in order, but an array that
  // wraps around begins in the middle. Errors: kCorrupt.
  using Visit = bool (*)(void* context, uint32_t index, uint64_t slot);
  Status Restore(Visit visit, void* context);

 private:
  uint64_t origin() const { return heap_.Read<uint64_t>(block_ + offsetof(SequenceBlock, origin)); }
  void SetField(size_t distance, uint64_t value);
  // Calls each(index, slot's offset) for the items there are in [from, to), in order, until it returns false.
  // It may change slots, but not add or remove any.
  template <typename Each>
  void ForEach(uint64_t from, uint64_t to, Each each) const;
  // Changes the positions of the items [from, to) by `change`, modulo kSequenceLimit.
  Status Move(uint64_t from, uint64_t to, uint64_t change);
  // Of slots that are no holes, from this position on.
  Status InsertRun(uint64_t position, const uint64_t* slots, uint64_t count);
  void RemoveItems(uint64_t from, uint64_t to, Release release, void* context, Detach detach);
  void ResetOriginIfEmpty();

  Heap heap_;
  Offset block_;
  OrderTrie items_;
};

}  // namespace forkstore
