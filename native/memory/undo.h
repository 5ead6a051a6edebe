// Undo: takes back everything that was written to the arena since a mark.
//
// Physical undo at the choke point: while a scope is open, Arena::Write() saves the old bytes of what is
// about to be written, and the allocator keeps freed blocks until the outermost scope ends. Rollback copies
// the old bytes back, newest first, and frees what was allocated since. It therefore covers every structure
// there is and will be, keeps identities (offsets, node ids, sequence numbers), never allocates arena memory
// (so that FULL cannot stop it), and costs memory and time in proportion to the bytes that were written.
//
//   saved     | old bytes | offset, bytes | old bytes | offset, bytes | ...     read from the end
//   allocated | block | block | ...         freed when their scope is rolled back
//   freed     | block | block | ...         freed when the outermost scope is committed
//                       ^ a Position is a place in each of the three
//
// Invariants
//  1. Old bytes are saved exactly as far as the write was announced: what is written beside it stays.
//  2. While a scope is open, no block that was live in it becomes another block: offsets in `saved` keep
//  their meaning.
//  3. After Rollback every block that was live at Begin is live, with the same bytes; nothing else is live
//  but what
//     was allocated while suspended.
//
// What is outside of the arena (indexes of shapes, lists of garbage, counters) is its owner's to restore; see
// engine/transaction.h. Scopes nest: Begin() tells where one begins, Rollback() goes back to there.
//
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/allocator.h"
#include "memory/arena.h"

namespace forkstore {

class Undo {
 public:
  // One for each arena. Both outlive it.
  Undo(Arena* arena, Allocator* allocator) : arena_(arena), allocator_(allocator) {}
  ~Undo();  // REQUIRES: no scope is open, or nobody uses the arena any more
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;

  struct Position {
    uint64_t bytes = 0;
    uint64_t allocated = 0;
    uint64_t freed = 0;
  };

  bool active() const { return depth_ > 0; }
  // Opens a scope. From here on frees are kept back and writes are recorded.
  Position Begin();
  // Ends the innermost scope, keeping its changes: when it was the outermost, frees what was kept back.
  // REQUIRES of both: a scope is open, and no Suspended lives.
  void Commit();
  // Ends the innermost scope, which began at `position`, and takes its changes back.
  void Rollback(const Position& position);
  // Bytes of memory that the open scopes have taken so far.
  uint64_t recorded_bytes() const;
  // What is held for them; between scopes at most 1 MiB for each of the three lists.
  uint64_t memory_bytes() const;

  // While one lives, writes and allocations are not recorded, and frees are done at once: for what outlives a
  // rollback (shapes, maps' headers), or lies in no scope's reach (what cleared maps left behind before it).
  // REQUIRES: what is written was not written, and what is freed neither allocated nor written, in an open
  // scope.
  class Suspended {
   public:
    // nullptr: nothing to suspend. Arena::undo() is what to suspend where there is no other way to it.
    explicit Suspended(Undo* undo);
    ~Suspended();
    Suspended(const Suspended&) = delete;
    Suspended& operator=(const Suspended&) = delete;

   private:
    Undo* undo_;
    bool was_recording_;
  };

 private:
  friend class Arena;
  friend class Allocator;
  bool recording() const;
  void SetRecording(bool recording);
  void RecordWrite(Offset offset, uint64_t bytes);
  void RecordAllocation(Offset block, uint64_t bytes);
  void KeepBack(Offset block) { freed_.push_back(block); }
  void RestoreBytes(uint64_t until);
  void GiveMemoryBack();

  Arena* arena_;
  Allocator* allocator_;
  uint32_t depth_ = 0;
  std::vector<uint8_t> saved_;
  std::vector<Offset> allocated_;
  std::vector<Offset> freed_;
  // The newest block of the innermost scope: it goes when the scope is rolled back, so what is written to
  // it need not be saved. Most new blocks are written before the next one is allocated.
  Offset newest_ = kNone;
  uint64_t newest_bytes_ = 0;
};

}  // namespace forkstore
