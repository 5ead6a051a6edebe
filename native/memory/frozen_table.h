// FrozenTable: the allocator's unit table as it was at one moment, as FrozenPages is for the arena: before the
// owner changes a page of the table that has not been read yet, it copies it. The reader begins with the table
// and takes 5 us for each GiB of the arena, so there is hardly ever anything to copy.
//
// Thread safety: the owner freezes and changes, one reader reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "memory/layout.h"
#include "memory/scratch.h"

namespace forkstore {

class FrozenTable {
 public:
  // Of a table for so many units. No memory is touched. Errors: kIo; it can be tried again.
  Status Create(const uint32_t* table, uint64_t units);
  bool is_created() const { return table_ != nullptr; }

  // The owner's. The first `units` entries are frozen until they have been read. Takes the same time whatever
  // there is. REQUIRES: created; nobody reads.
  void Freeze(uint64_t units);
  // Before the entries from `first` on are changed.
  void BeforeChange(uint64_t first, uint64_t count) {
    if (is_frozen_.load(std::memory_order_acquire)) [[unlikely]]
      Save(first, count);
  }

  // None is kept any more. REQUIRES: nobody reads.
  void Thaw() { is_frozen_.store(false, std::memory_order_relaxed); }

  // The reader's, once: the frozen entries. They are no longer kept from then on.
  void Read(uint32_t* to);

 private:
  static constexpr uint64_t kEntriesPerPage = kPageBytes / sizeof(uint32_t);

  void Save(uint64_t first, uint64_t count);

  const uint32_t* table_ = nullptr;
  ScratchMapping copies_memory_, saved_memory_;
  uint32_t* copies_ = nullptr;              // of pages of the table, each at its place
  std::atomic<uint32_t>* saved_ = nullptr;  // of each page: the freeze in which it was copied last
  uint32_t freeze_ = 0;
  uint64_t units_ = 0;
  std::atomic<bool> is_frozen_{false};
};

}  // namespace forkstore
