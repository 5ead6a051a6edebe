// Arena: one reserved range of addresses in which a store keeps all of its data.
//
//   base                frontier            populated                         base + reserved_bytes
//   |  units in use ... |  touched ahead .. |  reserved, never touched ..............|
//
// How far the frontier may go is a second, lower bound, max_bytes: to bring back a state may take more
// addresses than it had, since memory is cut up in another order.
//
// Invariants
//  1. The range is 2 MiB aligned, mapped once, never moved; what is inside refers by offset.
//  2. Every change of a byte goes through Write(), which marks the 4 KiB pages it covers, and while an undo
//     scope is open has the old bytes saved: so no byte beside the range that was announced may be changed,
//     nor one inside it after the next scope began.
//  3. No byte at or beyond the frontier holds data, but for what is frozen (frozen()).
//  4. The range is MADV_DONTFORK except between ExposeToFork() and HideFromFork(), so that children
//     which the application spawns do not pay for it.
//
// Thread safety: one thread (the "owner") calls everything; a PageKeeper thread may only read
// frontier() and touch memory at or beyond it, collapse pages (contents unchanged), and say how far it got
// (SetPopulated, SetPopulateRefused, EndSmall), and prepare the buffers of frozen(); the watcher of a snapshot
// may end the save; the thread that writes one without a fork reads frozen().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "memory/frozen_pages.h"
#include "memory/layout.h"
#include "memory/scratch.h"

namespace forkstore {

class Undo;

struct ArenaOptions {
  uint64_t max_bytes = uint64_t{64} << 30;  // rounded up to 2 MiB, at most kMaxArenaBytes
  bool huge_pages = true;
  uint64_t reserved_bytes = 0;  // likewise; less than max_bytes: as many
  // Where so many cannot be had: half as many, and so on, down to this. 0: they must be had.
  uint64_t least_bytes = 0;
};

class Arena {
 public:
  // Errors: kInvalid for a size out of range, kIo when the kernel refuses the reservation. With least_bytes
  // the arena may have less than max_bytes, and leaves half as many addresses as it takes to others.
  static Status Create(const ArenaOptions& options, std::unique_ptr<Arena>* arena);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Beyond it the allocator takes no unit; what lies there already stays.
  uint64_t max_bytes() const { return max_bytes_; }
  // What was asked for; more than max_bytes() where so many addresses could not be had.
  uint64_t wanted_bytes() const { return wanted_bytes_; }
  // REQUIRES: at most reserved_bytes(). Before a PageKeeper runs.
  void SetMaxBytes(uint64_t bytes) { max_bytes_ = RoundUp(bytes, kHugePageBytes); }
  uint64_t reserved_bytes() const { return reserved_bytes_; }
  uint8_t* base() const { return base_; }

  const uint8_t* At(Offset offset) const { return base_ + offset; }
  template <typename T>
  const T& Read(Offset offset) const {
    return *reinterpret_cast<const T*>(base_ + offset);
  }

  // The choke point. REQUIRES: [offset, offset + bytes) lies below reserved_bytes(), bytes > 0.
  uint8_t* Write(Offset offset, uint64_t bytes) {
    if (undo_ != nullptr) [[unlikely]]
      RecordWrite(offset, bytes);
    uint64_t first = offset / kPageBytes;
    const uint64_t last = (offset + bytes - 1) / kPageBytes;
    do {
      if (!IsDirty(first)) MarkDirty(first);
    } while (++first <= last);
    return base_ + offset;
  }
  template <typename T>
  T& Mutate(Offset offset) {
    return *reinterpret_cast<T*>(Write(offset, sizeof(T)));
  }

  // What records the writes at present (see undo.h); nullptr when nothing does.
  Undo* undo() const { return undo_; }
  void SetUndo(Undo* undo) { undo_ = undo; }

  // The frontier moves up when the allocator takes fresh units, and down when the topmost units
  // are freed. A multiple of kUnitBytes.
  uint64_t frontier() const { return frontier_.load(std::memory_order_acquire); }
  void SetFrontier(uint64_t frontier) {
    frontier_.store(frontier, std::memory_order_release);
    if (frontier > highest_frontier_.load(std::memory_order_relaxed)) {
      highest_frontier_.store(frontier, std::memory_order_relaxed);
    }
    if (frontier > resident_) resident_ = frontier;
  }

  // Bytes from base known to be populated; kept by the PageKeeper and by loading.
  uint64_t populated() const { return populated_.load(std::memory_order_acquire); }
  void SetPopulated(uint64_t populated) { populated_.store(populated, std::memory_order_release); }
  // How much to keep populated beyond the frontier: a share of the store's size, within bounds.
  uint64_t AheadBytes() const;
  // Up to where memory is to be populated; 0 while the store is small (see kSmallBytes).
  uint64_t PopulateTarget() const;
  // Whether the PageKeeper has something to populate (memory ahead, or buffers for frozen()), and enough of
  // it to be woken for. False where the end of the addresses is populated, and where the kernel has refused
  // until the frontier moves on. Cheap.
  bool WantsPopulating() const;
  // The kernel has no memory for what begins at `start`.
  void SetPopulateRefused(uint64_t start) { refused_.store(start, std::memory_order_relaxed); }
  uint64_t populate_refused() const { return refused_.load(std::memory_order_relaxed); }

  // A store below this frontier has no memory ahead of it and no huge page: it takes the pages it writes to,
  // and no more.
  static constexpr uint64_t kSmallBytes = uint64_t{1} << 20;
  bool is_small() const { return is_small_.load(std::memory_order_relaxed); }
  // Allows huge pages at the start of the range, too, once the store has grown; it never is small again.
  // REQUIRES: is_small(). The PageKeeper's step, or the owner while none runs.
  void EndSmall();
  // Gives memory far beyond the frontier back to the kernel: at most `limit` bytes a call, so that no
  // operation waits long. Returns the bytes given back. Owner only, while no PageKeeper step runs.
  uint64_t ReleaseSurplus(uint64_t limit);

  // Around the store's own fork. What lies beyond the frontier stays hidden, so that units taken while
  // the child lives need no copy-on-write. Errors: kIo.
  Status ExposeToFork();
  Status HideFromFork();

  // Dirty pages. A snapshot takes over the marks at the fork (BeginSave); when it has become durable they are
  // forgotten, when it failed they are put back (EndSave), and when there was no fork, CancelSave does that
  // at once. Never nested. Begin and cancel take the same time whatever there is; EndSave and
  // AppendSplitHugePages go through the marks, 256 KiB for each GiB, and may be called on another thread,
  // one, while the owner goes on writing.
  uint64_t dirty_pages() const {  // since the last durable or running snapshot
    return dirty_pages_ + returned_pages_.load(std::memory_order_relaxed);
  }
  bool IsDirty(uint64_t page) const {
    return std::atomic_ref<uint8_t>(dirty_[page]).load(std::memory_order_relaxed) != 0;
  }
  void BeginSave();
  void CancelSave();  // REQUIRES: nothing was written since BeginSave
  void EndSave(bool durable);
  // Between the two: a child may share the pages, or they are frozen; each is copied when it is written.
  bool is_saving() const { return is_saving_.load(std::memory_order_acquire); }
  // Freezes what BeginSave() has begun to save, instead of a fork: FrozenPages, until Thaw(). As no page is
  // marked then, the first change of each is what asks whether it must be copied; so Write() costs nothing
  // more. REQUIRES: frozen().is_created(); nothing was written since BeginSave().
  void Freeze(uint64_t most_bytes) { frozen_.Freeze(save_frontier_ / kUnitBytes, most_bytes); }
  void Thaw() { frozen_.Thaw(); }
  FrozenPages& frozen() { return frozen_; }

  // 2 MiB page numbers below the frontier with a page written since BeginSave: those that
  // copy-on-write may have split; none while the store is small. REQUIRES: between BeginSave and EndSave.
  // Appends to *pages.
  void AppendSplitHugePages(std::vector<uint32_t>* pages) const;

 private:
  static constexpr uint64_t kNoRefusal = ~uint64_t{0};

  Arena() = default;
  Status Reserve(uint64_t bytes);
  void RecordWrite(Offset offset, uint64_t bytes);
  void MarkDirty(uint64_t page);

  uint8_t* base_ = nullptr;
  Undo* undo_ = nullptr;
  uint64_t max_bytes_ = 0;
  uint64_t wanted_bytes_ = 0;
  uint64_t reserved_bytes_ = 0;
  FrozenPages frozen_;
  void* mapping_ = nullptr;  // the reservation, before alignment
  uint64_t mapping_bytes_ = 0;
  // A byte for each 4 KiB page. Whoever changes one from 0 to 1 counts it: the owner, or EndSave().
  uint8_t* dirty_ = nullptr;
  uint8_t* saving_ = nullptr;  // the marks a running snapshot has taken over; all 0 when none runs
  ScratchMapping marks_[2];    // what the two point to, in either order
  uint64_t dirty_pages_ = 0;
  uint64_t saving_pages_ = 0;                // dirty_pages() at BeginSave
  uint64_t save_frontier_ = 0;               // the frontier at BeginSave
  std::atomic<uint64_t> returned_pages_{0};  // dirty again, as the snapshot failed
  std::atomic<uint64_t> highest_frontier_{0};
  uint64_t resident_ = 0;  // nothing at or beyond the larger of this and populated() takes memory
  std::atomic<bool> is_saving_{false};
  std::atomic<uint64_t> frontier_{0};
  std::atomic<uint64_t> populated_{0};
  std::atomic<uint64_t> refused_{kNoRefusal};
  std::atomic<bool> is_small_{true};
  bool huge_pages_ = false;
};

}  // namespace forkstore
