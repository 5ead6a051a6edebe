// Allocator: blocks inside the arena.
//
// The arena is cut into 64 KiB units. A unit is free, holds blocks of one size class, or belongs to a
// large block of whole units. All of the allocator's own state lives outside the arena (scratch
// memory): allocating and freeing never write to data pages, so they cost no copy-on-write, and an
// image on disk carries no allocator state that would have to be trusted: after loading, what the
// data structures reach is marked, and the rest is free.
//
// Invariants
//  1. A block is 8-aligned, never crosses a multiple of kSegmentBytes, and never moves.
//  2. Allocate either succeeds or changes nothing.
//  3. Low units are preferred, so that the frontier can come down again.
//  4. Every call is bounded: no search over all units (see unit_map.h).
// Thread safety: the owner thread only. table() may be read in a forked child, and frozen_table() by the thread
// that writes a snapshot.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "memory/arena.h"
#include "memory/frozen_table.h"
#include "memory/size_classes.h"

namespace forkstore {

class Undo;

struct AllocatorStats {
  uint64_t live_bytes = 0;  // in blocks handed out, rounding included
  uint64_t live_blocks = 0;
  uint64_t free_bytes = 0;    // below the frontier, not handed out
  uint64_t mapped_bytes = 0;  // the frontier
};

class Allocator {
 public:
  // Takes unit 0 out of use. The arena must be empty (frontier 0) and outlive the allocator.
  static Status Create(Arena* arena, std::unique_ptr<Allocator>* allocator);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // A block of at least `bytes` (1 .. kSegmentBytes), contents undefined; kNone when the arena is
  // full. Where there is no unit for its size class left, a block of up to kMostWaste times the size will do.
  Offset Allocate(uint64_t bytes);
  // The same for what users put in, which leaves a few units to the structures that find it again: so that
  // where something was deleted, something of its size can be stored.
  Offset AllocateData(uint64_t bytes);
  static constexpr uint64_t kMostWaste = 8;
  static constexpr uint64_t kMostWasteForData = 2;
  // REQUIRES: `block` came from Allocate and has not been freed since.
  // In an undo scope the block stays as it is, and counts as live, until the outermost scope ends.
  void Free(Offset block);
  // Takes the very place of a block that was freed, of this capacity. REQUIRES: nothing live is in it.
  void Claim(Offset block, uint64_t capacity);
  // The usable size of a live block, >= what was asked for.
  uint64_t Capacity(Offset block) const;

  // Bytes from `offset` to the end of the block (live or not) that holds it; 0 when no block does; any
  // Offset is a legal argument. Linear in the units of a large block.
  uint64_t BytesToBlockEnd(Offset offset) const;

  AllocatorStats stats() const;
  // What the last Allocate() that returned kNone was asked for, in bytes; 0: none since ForgetRefusal().
  uint64_t refused_bytes() const;
  void ForgetRefusal();

  // Emptying units. A unit is sparse when at most half of its blocks are live. What those could give back as
  // whole units: the sparse ones, less one for each size class. O(size classes).
  uint64_t sparse_units() const;
  // A block of the same size in a lower unit, for a live block to be moved to whose unit is sparse, or is not
  // below the unit `top`; kNone: it stays where it is. Large blocks stay. The caller copies it, has all that
  // refers to it refer to the new one, and frees the old one. Going over all blocks this way once leaves each
  // class with its sparse units empty, but one, and the others as low as there is room.
  Offset AllocateBelow(Offset block, uint64_t top);

  // What is told of allocations, and keeps blocks that are freed, at present; nullptr: nothing (see undo.h).
  void SetUndo(Undo* undo);

  // The unit table as an image stores it: one u32 for each unit below the frontier.
  const uint32_t* table() const;
  // The same as it was at a freeze. Made for reserved_units() where it is wanted.
  FrozenTable& frozen_table();
  uint64_t units() const;  // frontier / kUnitBytes
  // Those below the frontier that are not free, unit 0 among them.
  uint64_t used_units() const;

  // Loading. Restore() takes over a table read from an image: checks that it tiles (known classes,
  // large runs complete and not crossing a segment, unit 0 used by nothing) and fits the arena, sets
  // the frontier, and holds every block free. MarkLive() then claims one block; false when `block`
  // is not the start of a block, the block is smaller than `bytes`, or it is claimed already; any
  // Offset value whatever is a legal argument. FinishRestore() gives the units without a live block
  // back. REQUIRES: nothing allocated yet.
  Status Restore(const uint32_t* table, uint64_t units);
  bool MarkLive(Offset block, uint64_t bytes);
  // Usable size of the block that starts at `block` (live or not); 0 when no block starts there.
  uint64_t CapacityIfBlock(Offset block) const;
  void FinishRestore();

 private:
  Allocator() = default;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
