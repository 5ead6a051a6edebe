#include "memory/frozen_table.h"

#include <algorithm>
#include <cstring>

#include "memory/frozen_copy.h"

namespace forkstore {

Status FrozenTable::Create(const uint32_t* table, uint64_t units) {
  const uint64_t bytes = RoundUp(units * sizeof(uint32_t), kPageBytes);
  const auto hidden = ScratchMapping::Children::kHidden;
  Status status = copies_memory_.Create(bytes, hidden);
  if (status.ok()) status = saved_memory_.Create(bytes / kPageBytes * sizeof(*saved_), hidden);
  if (!status.ok()) return status;
  copies_ = copies_memory_.As<uint32_t>();
  saved_ = saved_memory_.As<std::atomic<uint32_t>>();
  table_ = table;
  return Status::Ok();
}

void FrozenTable::Freeze(uint64_t units) {
  ++freeze_;
  units_ = units;
  is_frozen_.store(true, std::memory_order_relaxed);
}

void FrozenTable::Save(uint64_t first, uint64_t count) {
  const uint64_t end = std::min(first + count, units_);
  for (uint64_t page = first / kEntriesPerPage; page * kEntriesPerPage < end; ++page) {
    if (saved_[page].load(std::memory_order_relaxed) == freeze_) continue;
    const uint64_t start = page * kEntriesPerPage;
    std::memcpy(copies_ + start, table_ + start, kPageBytes);
    saved_[page].store(freeze_, std::memory_order_release);
  }
  std::atomic_thread_fence(std::memory_order_release);
}

void FrozenTable::Read(uint32_t* to) {
  for (uint64_t start = 0; start < units_; start += kEntriesPerPage) {
    uint32_t page[kEntriesPerPage];
    CopyWhileWritten(table_ + start, kPageBytes, page);
    const bool is_saved = saved_[start / kEntriesPerPage].load(std::memory_order_acquire) == freeze_;
    const uint64_t entries = std::min(kEntriesPerPage, units_ - start);
    std::memcpy(to + start, is_saved ? copies_ + start : page, entries * sizeof(uint32_t));
  }
  is_frozen_.store(false, std::memory_order_release);
}

}  // namespace forkstore
