#include "memory/frozen_pages.h"

#include <algorithm>
#include <cstring>

#include "memory/frozen_copy.h"

namespace forkstore {
namespace {

constexpr uint64_t kLeastBufferBytes = uint64_t{16} << 20;

uint64_t Tagged(uint32_t freeze, uint32_t buffer) {
  return uint64_t{freeze} << 32 | buffer;
}

}  // namespace

Status FrozenPages::Create(const uint8_t* base, uint64_t arena_bytes, uint64_t buffer_bytes) {
  const uint64_t pages = arena_bytes / kPageBytes;
  const uint64_t units = arena_bytes / kUnitBytes;
  const auto hidden = ScratchMapping::Children::kHidden;
  Status status = slot_memory_.Create(pages * sizeof(*slots_), hidden);
  if (status.ok()) status = read_memory_.Create(units * sizeof(*read_), hidden);
  if (status.ok()) status = kept_memory_.Create(units * sizeof(*kept_), hidden);
  if (status.ok()) status = buffers_.Create(std::min(buffer_bytes, arena_bytes), kLeastBufferBytes);
  if (!status.ok()) return status;
  base_ = base;
  slots_ = slot_memory_.As<std::atomic<uint64_t>>();
  read_ = read_memory_.As<std::atomic<uint32_t>>();
  kept_ = kept_memory_.As<uint64_t>();
  return Status::Ok();
}

void FrozenPages::Freeze(uint64_t units, uint64_t most_bytes) {
  ++freeze_;  // never 0, which is what memory holds at first: that many snapshots nobody takes
  saved_.store(CopyBuffers::kNoBuffer, std::memory_order_relaxed);
  buffers_.Start(most_bytes, units * kPagesPerUnit);
  ran_out_.store(false, std::memory_order_relaxed);
  is_over_.store(false, std::memory_order_relaxed);
  frozen_pages_ = units * kPagesPerUnit;
}

void FrozenPages::Copy(uint64_t page) {
  const Buffer buffer = buffers_.Take();
  if (buffer == CopyBuffers::kNoBuffer) {
    ran_out_.store(true, std::memory_order_release);
    End();
  } else {
    std::memcpy(buffers_.At(buffer), base_ + page * kPageBytes, kPageBytes);
    buffers_.page(buffer) = static_cast<uint32_t>(page);
    slots_[page].store(Tagged(freeze_, buffer), std::memory_order_release);
    Buffer& next = buffers_.next(buffer);
    next = saved_.load(std::memory_order_relaxed);
    while (
        !saved_.compare_exchange_weak(next, buffer, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  // Before the change that the caller is about to make.
  std::atomic_thread_fence(std::memory_order_release);
}

// A buffer that was saved while its unit was being read is told of afterwards: then nobody else gives it back.
void FrozenPages::Keep(Buffer buffer, uint64_t unit) {
  if (read_[unit].load(std::memory_order_relaxed) == freeze_) return buffers_.GiveBack(buffer, buffer);
  const bool is_first = kept_[unit] >> 32 != freeze_;
  buffers_.next(buffer) = is_first ? CopyBuffers::kNoBuffer : static_cast<Buffer>(kept_[unit]);
  kept_[unit] = Tagged(freeze_, buffer);
}

bool FrozenPages::ReadUnit(uint64_t unit, uint8_t* to) {
  CopyWhileWritten(base_ + unit * kUnitBytes, kUnitBytes, to);
  for (uint64_t i = 0; i < kPagesPerUnit; ++i) {
    const uint8_t* copy = CopyOf(unit * kPagesPerUnit + i);
    if (copy != nullptr) std::memcpy(to + i * kPageBytes, copy, kPageBytes);
  }
  if (ran_out()) return false;
  read_[unit].store(freeze_, std::memory_order_release);
  if (kept_[unit] >> 32 == freeze_) {
    const Buffer first = static_cast<Buffer>(kept_[unit]);
    Buffer last = first;
    while (buffers_.next(last) != CopyBuffers::kNoBuffer) last = buffers_.next(last);
    buffers_.GiveBack(first, last);
  }
  return true;
}

}  // namespace forkstore
