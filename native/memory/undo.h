// Undo: takes back everything that was written to the arena since a mark.
//
// Physical undo at the choke point: while a scope is open, Arena::Write() saves the old bytes of what is about to be
// written, and the allocator keeps freed blocks until the outermost scope ends. Rollback copies the old bytes
// back, newest first, and frees what was allocated since. It therefore covers every structure there is and will be,
// keeps identities (offsets, node ids, sequence numbers), never allocates arena memory, and costs memory and time in
// proportion to the bytes that were written.
//
// What is outside of the arena (indexes of shapes, lists of garbage, counters) is its owner's to restore; see
// engine/transaction.h. Scopes nest: Mark() is a number, RollbackTo() goes back to it.
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
  Undo(Arena* arena, Allocator* allocator) : arena_(arena), allocator_(allocator) {}
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
  void Commit();
  // Ends the innermost scope, which began at `position`, and takes its changes back.
  void Rollback(const Position& position);
  uint64_t recorded_bytes() const;

  // While one lives, writes and allocations are not recorded, and frees are done at once: for what outlives a
  // rollback (shapes, maps' headers), or lies in no scope's reach (what cleared maps left behind before it).
  class Suspended {
   public:
    explicit Suspended(Undo* undo);
    ~Suspended();

   private:
    Undo* undo_;
    bool was_recording_;
  };

 private:
  friend class Arena;
  friend class Allocator;
  void RecordWrite(Offset offset, uint64_t bytes);
  void RecordAllocation(Offset block);
  // True when the block is kept back; false when it is to be freed at once.
  bool KeepBack(Offset block);

  Arena* arena_;
  Allocator* allocator_;
  uint32_t depth_ = 0;
  std::vector<uint8_t> saved_;  // entries: old bytes, then u64 offset, u64 bytes; read from the end
  std::vector<Offset> allocated_;
  std::vector<Offset> freed_;
};

}  // namespace forkstore
