// FrozenPages: the arena's pages as they were at one moment, for a thread that reads them while the owner goes
// on writing. Nothing is protected and nothing is forked: before the owner changes a page that has not been
// read yet, it copies it to a buffer. Neither waits for the other.
//
//   owner, before the first change of a page           reader, of each unit
//     unit is read: nothing to do                        copies its pages, word by word
//     copies the page to a buffer                        acquire fence
//     stores the buffer in the page's slot (release)     a page that has a slot: takes the buffer instead
//     release fence                                      says that the unit is read (release)
//     changes the page
//
// Invariants
//  1. If the reader has seen any part of a change, it sees the slot: the fences order both. So what it gives
//     out of a page is what lay there at the freeze, whole.
//  2. If the owner sees that a unit is read, the reader looks at its pages no more.
//  3. A slot, and the word that says that a unit is read, hold the number of the freeze that they belong to.
//     So nothing has to be cleared, and what comes late of one freeze means nothing to the next.
//  4. When there is no buffer, the owner says so before it changes the page; the reader, which looks after it
//     has copied a unit, gives out nothing more.
//
// The reader's copy of a page that is being changed is a data race by the language's rules; it is made of
// relaxed word loads, and thrown away when there was one. ThreadSanitizer does not look at this one function.
//
// Thread safety: the owner freezes, saves and thaws; one reader at a time; the PageKeeper prepares buffers.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "memory/copy_buffers.h"
#include "memory/layout.h"
#include "memory/scratch.h"

namespace forkstore {

class FrozenPages {
 public:
  static constexpr uint64_t kPagesPerUnit = kUnitBytes / kPageBytes;

  // For an arena of so many bytes at `base`; room for `buffer_bytes` of copies, or less (CopyBuffers::Create).
  // No memory is touched. Errors: kIo; it can be tried again.
  Status Create(const uint8_t* base, uint64_t arena_bytes, uint64_t buffer_bytes);
  bool is_created() const { return buffers_.is_created(); }

  // The owner's. The first `units` are frozen, until Thaw(). At most `most_bytes` of copies are held. Takes
  // the same time whatever there is. REQUIRES: created; thawed; the last reader has ended.
  void Freeze(uint64_t units, uint64_t most_bytes);
  void Thaw() { frozen_pages_ = 0; }
  uint64_t frozen_bytes() const { return frozen_pages_ * kPageBytes; }  // 0: thawed
  // Before the first change of a page since Freeze().
  void Save(uint64_t page) {
    if (page >= frozen_pages_ || is_over_.load(std::memory_order_relaxed)) return;
    if (read_[page / kPagesPerUnit].load(std::memory_order_acquire) == freeze_) return;
    Copy(page);
  }

  // The reader's. False: there was no buffer for a page, and the freeze is over.
  bool ReadUnit(uint64_t unit, uint8_t* to);
  // A unit without data, which nobody will read.
  void SkipUnit(uint64_t unit) { read_[unit].store(freeze_, std::memory_order_release); }
  // Calls found(unit of a page) for each page that was saved since the last call.
  template <typename Found>
  void TakeSaved(Found found) {
    Buffer buffer = saved_.exchange(CopyBuffers::kNoBuffer, std::memory_order_acquire);
    while (buffer != CopyBuffers::kNoBuffer) {
      const Buffer next = buffers_.next(buffer);
      const uint64_t unit = buffers_.page(buffer) / kPagesPerUnit;
      Keep(buffer, unit);
      found(unit);
      buffer = next;
    }
  }
  // No page is saved any more, or only the one that is being saved.
  void End() { is_over_.store(true, std::memory_order_relaxed); }
  // After End(), when no more will be read: gives memory beyond `keep_bytes` back.
  void ReleaseBuffers(uint64_t keep_bytes) { buffers_.Release(keep_bytes); }

  bool ran_out() const { return ran_out_.load(std::memory_order_acquire); }
  // The most memory that copies took at one time.
  uint64_t peak_bytes() const { return buffers_.peak_bytes(); }
  CopyBuffers& buffers() { return buffers_; }
  const CopyBuffers& buffers() const { return buffers_; }

 private:
  using Buffer = CopyBuffers::Buffer;

  void Copy(uint64_t page);
  void Keep(Buffer buffer, uint64_t unit);
  // The copy that belongs to this freeze; nullptr when there is none.
  const uint8_t* CopyOf(uint64_t page) const {
    const uint64_t slot = slots_[page].load(std::memory_order_acquire);
    return slot >> 32 == freeze_ ? buffers_.At(static_cast<Buffer>(slot)) : nullptr;
  }

  const uint8_t* base_ = nullptr;
  CopyBuffers buffers_;
  ScratchMapping slot_memory_, read_memory_, kept_memory_;
  std::atomic<uint64_t>* slots_ = nullptr;  // of each page: freeze, and buffer
  std::atomic<uint32_t>* read_ = nullptr;   // of each unit: the freeze in which it was read last
  uint64_t* kept_ = nullptr;  // the reader's, of each unit: freeze, and the first of its buffers
  uint32_t freeze_ = 0;
  uint64_t frozen_pages_ = 0;  // the owner's
  std::atomic<bool> is_over_{true};
  std::atomic<bool> ran_out_{false};
  std::atomic<Buffer> saved_{CopyBuffers::kNoBuffer};
};

}  // namespace forkstore
