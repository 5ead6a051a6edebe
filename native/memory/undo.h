// Undo: takes back everything that was written to the arena since a mark.
//
// Physical undo at the choke point: while a scope is open, Arena::Write() saves the old bytes of what is
// about to be written, and the allocator keeps freed blocks until the outermost scope ends. Rollback copies
// the old bytes back, newest first, and frees what was allocated since. It therefore covers every structure
// there is and will be, keeps identities (offsets, node ids, sequence numbers), never allocates arena memory
// (so that FULL cannot stop it), and costs memory and time in proportion to the bytes that were written:
// bytes that a scope has saved it does not save again, however often they are written.
//
//   saved     | old bytes | old bytes | ...
//   records   | offset, bytes | ...         one for each piece of `saved`; copied back newest first
//   events    | allocated block | freed block | ...
//                       ^ a Position is a place in each of the last two
//
// A table finds the newest record of an offset. Each record remembers the one of the same offset before it,
// which an outer scope has made, so that the table can go back with the scopes.
//
// Freed blocks are kept back, so that they are there when they have to come back. When the arena is full they
// can be spilled: their bytes are saved like those of a write, the block is free for others, and a rollback
// claims the very place again. It is free then: all that was allocated since has been freed before.
//
// Invariants
//  1. Old bytes are saved exactly as far as the write was announced: what is written beside it stays.
//  2. While a scope is open, no block that was live in it becomes another block, unless it was spilled: its
//     bytes are saved as they were then, before anybody writes others.
//  3. After Rollback every block that was live at Begin is live, with the same bytes; nothing else is live
//     but what was allocated while suspended. Nothing may be allocated so while spilled() is true: it could
//     take the place of what has to come back.
//  4. Within one scope, the pieces that records of one offset say were saved do not overlap.
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
    uint64_t records = 0;
    uint64_t events = 0;
  };

  bool active() const { return !scopes_.empty(); }
  // Opens a scope. From here on frees are kept back and writes are recorded.
  Position Begin();
  // Ends the innermost scope, keeping its changes: when it was the outermost, frees what was kept back.
  // REQUIRES of both: a scope is open, and no Suspended lives.
  void Commit();
  // Ends the innermost scope, which began at `position`, and takes its changes back.
  void Rollback(const Position& position);
  // Bytes of memory that the open scopes have taken so far.
  uint64_t recorded_bytes() const;
  // What is held for them; between scopes at most 1 MiB for each of the lists.
  uint64_t memory_bytes() const;
  // For an arena that is full: lets others have blocks of about `bytes` in all that were freed in open
  // scopes. False when there was none left. REQUIRES: a scope is open, and no Suspended lives.
  bool SpillFreed(uint64_t bytes);
  // Whether a rollback would have to claim places again; what then to say to whoever needs memory that
  // outlives one.
  static constexpr const char* kWhySpilled =
      "what this transaction has deleted makes room for maps and new names only when it ends. Make them "
      "before it, "
      "or open the store with a larger maxBytes";
  bool spilled() const { return !spilled_.empty(); }

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
  void KeepBack(Offset block) { events_.push_back(block | kFreed); }

  struct Record {
    Offset offset;
    uint64_t bytes;
    uint64_t position;  // of the old bytes, in saved_
    uint32_t before;    // the record of the same offset before this one, + 1; 0: there is none
    uint32_t cell;      // of table_
  };
  // What has happened to a block, in its offset's low bits.
  static constexpr uint64_t kAllocated = 0;
  static constexpr uint64_t kFreed = 1;
  static constexpr uint64_t kFreedAndSpilled = 2;
  static constexpr uint64_t kSpill = 3;  // no offset: the next one of spilled_, as far as it is not undone
  static constexpr uint64_t kEventMask = 7;
  struct Spill {
    uint64_t event;  // the kFreedAndSpilled
    uint64_t capacity;
  };

  // The cell of an offset: its own, or the free one where it belongs.
  uint32_t CellOf(Offset offset) const;
  void GrowTable();
  void Save(Offset offset, uint64_t bytes, uint32_t cell);
  // Keeps those records from `inner` on that the scope which began at `outer` has not got.
  void MergeInto(uint64_t outer, uint64_t inner);
  void RestoreBytes(uint64_t until);
  void UndoEvents(uint64_t until);
  void GiveMemoryBack();

  Arena* arena_;
  Allocator* allocator_;
  std::vector<Position> scopes_;  // open, outermost first
  std::vector<uint8_t> saved_;
  std::vector<Record> records_;
  std::vector<uint32_t> table_;  // a record's number + 1, or 0; open addressing, a power of two in size
  std::vector<uint64_t> events_;
  std::vector<Spill> spilled_;
  uint64_t next_spill_ = 0;  // no event before this one is a kFreed
  // The newest block of the innermost scope: it goes when the scope is rolled back, so what is written to
  // it need not be saved. Most new blocks are written before the next one is allocated.
  Offset newest_ = kNone;
  uint64_t newest_bytes_ = 0;
};

}  // namespace forkstore
