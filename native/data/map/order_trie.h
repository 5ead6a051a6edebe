// OrderTrie: a sparse radix trie from a number of at most 48 bits to 8 bytes. The insertion order of a map
// (from sequence numbers to records), the node table (from ids to blocks) and the items of a long array (from
// positions to slots) are such tries. Nodes hold a bitmap and only the children there are, as in Bagwell's
// hash array mapped tries (2001). Because sequence numbers are stable, an iterator is just a number: entries
// may be added and removed anywhere while it is under way, and it needs no registration. Layout:
// docs/format.md, section 4 "Order", and order_node.h.
//
// Invariant: every node has a child; so a trie that is emptied has given all of its memory back.
// Every method but RemoveRange, Scan and Restore does bounded work: at most 8 levels, a node of 520 bytes
// each. Changes are in order_trie.cc; what reads, loads and reclaims is in order_trie_read.cc. Thread safety:
// the owner thread only.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/map/order_node.h"
#include "memory/heap.h"

namespace forkstore {

class BlockMover;

inline constexpr uint64_t kSequenceLimit = uint64_t{1} << (order_node::kLevelBits * order_node::kMaxHeight);

class OrderTrie {
 public:
  // What a caller does with payloads that go: frees a block, or looks into a slot.
  using Release = void (*)(void* context, uint64_t payload);
  // What has left a trie as it was: a subtree, or (height 0) a payload by itself.
  struct Part {
    uint64_t first;  // the lowest sequence that it can have
    uint64_t top;    // a node's arena offset, or the payload
    uint32_t height;
  };
  // What a caller does with such parts: reads them (ScanPart), and leaves subtrees to Reclaim().
  using Detach = void (*)(void* context, const Part& part);
  // For payloads that are blocks and nothing else; `heap` is a Heap*.
  static void FreePayload(void* heap, uint64_t payload) { static_cast<Heap*>(heap)->Free(payload); }

  // Arena offsets of the u64 with the top node and the u32 with the height.
  OrderTrie(Heap heap, Offset top_field, Offset height_field)
      : heap_(heap), top_(top_field), height_(height_field) {}

  // REQUIRES: sequence < kSequenceLimit, and absent. kFull changes nothing that can be seen.
  Status Insert(uint64_t sequence, uint64_t payload) { return InsertInLeaf(sequence, &payload, 1); }
  // The same for `count` (> 0) sequences that follow each other, leaf by leaf; after kFull some of the first
  // of them may be in the trie.
  Status InsertRun(uint64_t first, const uint64_t* payloads, uint64_t count);
  // REQUIRES: the sequence is present.
  void Replace(uint64_t sequence, uint64_t payload);
  // REQUIRES: the sequence is present. Frees nodes that become empty, and shrinks a node that has become
  // sparse when memory allows (never fails).
  void Remove(uint64_t sequence);
  // Removes what there is from `first` to `last`, both included; `release` (may be null) is called for
  // each payload, in order, and must not touch this trie. Returns how many. O(what is removed); with
  // `detach`, which is called in place of `release`, in order too, for subtrees that lie in the range as a
  // whole and for payloads that lie in none: O(height), as there are at most 126 subtrees for each level, and
  // 126 payloads, which are those that it returns the number of.
  uint64_t RemoveRange(uint64_t first, uint64_t last, Release release, void* context,
                       Detach detach = nullptr);

  bool empty() const { return heap_.Read<uint32_t>(height_) == 0; }
  // Arena offset of the payload; kNone when the sequence (any number) is absent.
  Offset FindField(uint64_t sequence) const {
    uint32_t height = heap_.Read<uint32_t>(height_);
    if (height == 0 || sequence >> (order_node::kLevelBits * height) != 0) return kNone;
    Offset field = top_;
    do {
      const Offset node = heap_.Read<uint64_t>(field);
      const uint64_t bitmap = heap_.Read<uint64_t>(node);
      const uint32_t digit = order_node::Digit(sequence, height);
      if ((bitmap & order_node::Bit(digit)) == 0) return kNone;
      field = order_node::ChildField(node, bitmap, digit);
    } while (--height != 0);
    return field;
  }
  // The payload; 0 when the sequence is absent.
  uint64_t Find(uint64_t sequence) const {
    const Offset field = FindField(sequence);
    return field == kNone ? 0 : heap_.Read<uint64_t>(field);
  }

  // Writes up to `limit` payloads with sequence >= `from`, in order, to payloads[]; returns how many.
  // O(limit + height). When fewer than `limit` come back, there are no more.
  uint32_t Scan(uint64_t from, uint32_t limit, uint64_t* payloads) const;
  // The same with sequences, and with the arena offsets of the payloads in place of them.
  struct Place {
    uint64_t sequence;
    Offset field;
  };
  uint32_t ScanPlaces(uint64_t from, uint32_t limit, Place* places) const;
  // The same for a subtree that has left. REQUIRES: from >= part.first.
  static uint32_t ScanPart(const Heap& heap, const Part& part, uint64_t from, uint32_t limit, Place* places);

  // One step of emptying units (block_mover.h; order_trie_move.cc): looks at the nodes on the way to the
  // first sequence >= *from, and calls each(context, sequence, field) for it and those behind it in its leaf,
  // until the mover's work is done. `each` moves what the payload refers to, and writes the payload, whose
  // place is `field`; nothing else of this trie. *from becomes where to go on; false when nothing is left
  // there.
  using MoveEach = void (*)(void* context, uint64_t sequence, Offset field);
  bool MoveSome(uint64_t* from, BlockMover* mover, MoveEach each, void* context);

  // Gives back a detached trie (a cleared map) step by step: up to `budget` payloads and nodes; true when
  // nothing is left. `top` and `height` are updated in place.
  static bool Reclaim(Heap heap, Offset* top, uint32_t* height, uint32_t* budget, Release release,
                      void* context);

  // Loading: claims the trie's blocks, checks the structure (any bytes may be there; at most 8
  // levels), and calls visit(context, sequence, payload) for each entry in order until it returns false.
  // Payloads are whatever the image has: the visitor checks, and claims what they refer to.
  // Errors: kCorrupt, also when visit returned false.
  using Visit = bool (*)(void* context, uint64_t sequence, uint64_t payload);
  Status Restore(Visit visit, void* context);

 private:
  struct Range;
  // `count` payloads from `first` on that lie in one leaf.
  Status InsertInLeaf(uint64_t first, const uint64_t* payloads, uint32_t count);
  // A new node with children from `digit` on, or kNone.
  Offset NewNode(uint32_t digit, const uint64_t* children, uint32_t count);
  // Nodes of heights 1 to `height`, each with one child but the leaf; the highest, or kNone.
  Offset NewChain(uint64_t first, uint32_t height, const uint64_t* payloads, uint32_t count);
  // Adds children from `digit` on to the node referred to from `field`; false when that needs memory that is
  // not there.
  bool PutChildren(Offset field, uint32_t digit, const uint64_t* children, uint32_t count);
  // Takes `gone` (at least one bit, not all of them; next to each other among the children) out of the node
  // that is referred to from `field`.
  void DropChildren(Offset field, uint64_t gone);
  // True when the node has been freed, since nothing was left in it.
  // `prefix`: the lowest sequence below the node.
  bool RemoveInside(Offset field, uint32_t height, uint64_t prefix, bool from_first, bool to_last,
                    Range* range);
  template <typename Leaf>
  static void VisitLeaves(const Heap& heap, Offset top, uint32_t top_height, uint64_t from, Leaf leaf);
  static uint32_t ScanBelow(const Heap& heap, Offset top, uint32_t height, uint64_t from, uint32_t limit,
                            Place* places);
  Status RestoreNode(Offset node, uint32_t height, uint64_t prefix, Visit visit, void* context);

  Heap heap_;
  Offset top_;
  Offset height_;
};

}  // namespace forkstore
