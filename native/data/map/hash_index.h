// HashIndex: from a key's hash to its record; extendible hashing (Fagin, Nievergelt, Pippenger, Strong
// 1979) whose directory is itself a trie of fixed nodes, so that neither table nor directory is ever
// copied whole. The most that one insertion does is to split one 4 KiB segment and make one node per level.
// Layout: docs/format.md, section 4 "Index".
//
//   reference -> node, 256 references -> node -> node -> segment -> slots: bits of the hash | record
//                (8 bits of the hash a level)
//
// A small index is one segment, which is made anew at twice the size until it has 4 KiB.
//
// A HashIndex is a view of the reference stored in a map header; it holds no state of its own.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/value/key.h"
#include "memory/heap.h"

namespace forkstore {

class BlockMover;

class HashIndex {
 public:
  // `reference_field`: arena offset of the u64 that holds the index's reference.
  HashIndex(Heap heap, Offset reference_field) : heap_(heap), field_(reference_field) {}

  // The record with this key, or kNone. `hash` = key.Hash(seed).
  Offset Find(uint64_t hash, const Key& key) const;

  // Makes sure that one entry with this hash can be inserted, splitting as needed; kFull changes
  // nothing that can be seen. Insert() then cannot fail. REQUIRES: the key is not in the index.
  Status Reserve(uint64_t hash);
  void Insert(uint64_t hash, Offset record);
  // Takes a Reserve() back that no Insert() will follow: gives back what it has made superfluous.
  void Unreserve(uint64_t hash);
  // REQUIRES: Find would return `record` / `from`.
  void Replace(uint64_t hash, Offset from, Offset to);
  // Removes and, when neighbours have become sparse, merges segments and drops nodes: an index that
  // is emptied gives all of its memory back. Bounded like an insertion.
  void Remove(uint64_t hash, Offset record);

  // Gives back up to `budget` segments and nodes of an index that nobody uses any more (a cleared
  // map); true when nothing is left. `reference` is the detached root, updated in place.
  static bool Reclaim(Heap heap, uint64_t* reference, uint32_t* budget);

  // One step of emptying units (block_mover.h; hash_index_move.cc): looks at the segment that the hashes
  // whose upper bits are *from lead to, and at the nodes on the way. *from, 0 at first, becomes where to go
  // on; false when nothing is left there.
  bool MoveSome(uint64_t* from, BlockMover* mover);

  // Loading: claims every block (allocator.MarkLive), checks the structure against the format (any
  // bytes whatever may be there; no recursion deeper than the 3 levels; time linear in the blocks),
  // and counts the entries. Errors: kCorrupt.
  Status Restore(uint64_t* entries);
  // After Restore: whether exactly this record is found under this hash (compares offsets, does not
  // read records: they may not be checked yet). *behind_twin is set when an entry whose hash has the
  // same bits stands before it: only then could another record with the same key hide it.
  bool Contains(uint64_t hash, Offset record, bool* behind_twin) const;
  // Asks for the memory that a lookup will read, so that lookups of many keys can overlap.
  void Prefetch(uint64_t hash) const;

 private:
  struct Path;
  Path Walk(uint32_t bits) const;
  // Lets every reference to the path's segment, of depth `depth`, refer to `segment`.
  void Redirect(const Path& path, uint32_t depth, Offset segment);
  // Replaces the path's segment by one of another size; false when there is no memory.
  bool Resize(const Path& path, uint64_t bytes);
  Status Split(const Path& path, uint32_t bits);
  uint8_t* WritableRun(Offset segment, uint32_t slot);
  uint64_t& EntryAt(Offset segment, uint64_t entry);
  void Shrink(uint32_t bits);
  bool MergeWithBuddy(const Path& path, uint32_t bits);
  Status RestoreNode(Offset node, uint32_t level, uint32_t prefix, uint64_t* entries);
  Status RestoreSegment(Offset segment, uint32_t level, uint32_t prefix, uint64_t* entries);

  Heap heap_;
  Offset field_;
};

}  // namespace forkstore
