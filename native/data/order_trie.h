// OrderTrie: the insertion order of a map: a sparse radix trie from a sequence number that is never used
// twice to the record. Nodes hold a bitmap and only the children there are, as in Bagwell's hash array
// mapped tries (2001). Because sequence numbers are stable, an iterator is just a number: entries may be
// added and removed anywhere while it is under way, and it needs no registration.
// Layout: docs/format.md, section 4 "Order".
#pragma once

#include <cstdint>

#include "base/status.h"
#include "memory/heap.h"

namespace forkstore {

class OrderTrie {
 public:
  // Arena offsets of the u64 with the top node and the u32 with the height.
  OrderTrie(Heap heap, Offset top_field, Offset height_field)
      : heap_(heap), top_(top_field), height_(height_field) {}

  // Makes sure that `sequence`, higher than every one so far, can be appended. kFull changes nothing
  // that can be seen. Append() then cannot fail, and has to come next: until then the trie may hold an
  // empty leaf, which no other method expects.
  Status Reserve(uint64_t sequence);
  void Append(uint64_t sequence, Offset record);
  // REQUIRES: the sequence is present.
  void Replace(uint64_t sequence, Offset record);
  // Frees nodes that become empty, and shrinks a node that has become sparse when memory allows (never
  // fails): a trie that is emptied gives all of its memory back.
  void Remove(uint64_t sequence);

  // Writes up to `limit` records with sequence >= `from`, in order, to records[]; returns how many.
  // O(limit + height). When fewer than `limit` come back, there are no more.
  uint32_t Scan(uint64_t from, uint32_t limit, Offset* records) const;

  // Gives back a detached trie (a cleared map) step by step: up to `budget` blocks, records included;
  // true when nothing is left. `top` and `height` are updated in place.
  static bool Reclaim(Heap heap, Offset* top, uint32_t* height, uint32_t* budget);

  // Loading: claims the trie's blocks, checks the structure (any bytes may be there; at most 8
  // levels), and calls visit(context, sequence, record) for each entry in order until it returns false.
  // Errors: kCorrupt, also when visit returned false.
  using Visit = bool (*)(void* context, uint64_t sequence, Offset record);
  Status Restore(Visit visit, void* context);

 private:
  struct Path;
  bool Walk(uint64_t sequence, Path* path) const;
  // Replaces the node referred to from `field` by a copy with room for `capacity` children.
  bool Resize(Offset field, uint32_t capacity);
  Status RestoreNode(Offset node, uint32_t height, uint64_t prefix, Visit visit, void* context);

  Heap heap_;
  Offset top_;
  Offset height_;
};

}  // namespace forkstore
