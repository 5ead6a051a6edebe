#include "memory/copy_buffers.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>

#include "memory/page_work.h"

namespace forkstore {
namespace {

// Some 5 ms of a writer that changes a new page each microsecond; of a small store, a share.
constexpr uint32_t kMostAhead = 4096;
constexpr uint32_t kShareAhead = 8;
constexpr uint32_t kStepBuffers = kHugePageBytes / kPageBytes;
constexpr uint64_t kReleaseStepBytes = uint64_t{32} << 20;

}  // namespace

Status CopyBuffers::Create(uint64_t bytes, uint64_t least_bytes) {
  bytes = std::min(RoundUp(bytes, kPageBytes), kMaxArenaBytes);
  for (;; bytes = RoundUp(bytes / 2, kPageBytes)) {
    Status status = memory_.Create(bytes, ScratchMapping::Children::kHidden);
    if (status.ok()) break;
    if (bytes / 2 < least_bytes || status.system_errno() != ENOMEM) return status;
  }
  const uint64_t buffers = bytes / kPageBytes;
  if (Status status = notes_.Create(buffers * sizeof(Note), ScratchMapping::Children::kHidden);
      !status.ok()) {
    return status;
  }
  capacity_ = static_cast<uint32_t>(buffers);
  return Status::Ok();
}

void CopyBuffers::Start(uint64_t most_bytes, uint64_t most_buffers) {
  free_ = kNoBuffer;
  returned_.store(kNoBuffer, std::memory_order_relaxed);
  taken_.store(0, std::memory_order_relaxed);
  most_ = static_cast<uint32_t>(std::min<uint64_t>({most_bytes / kPageBytes, most_buffers, capacity_}));
  ahead_ = std::min(kMostAhead, most_ / kShareAhead);
  target_.store(ahead_, std::memory_order_release);
}

CopyBuffers::Buffer CopyBuffers::TakeFresh() {
  const uint32_t taken = taken_.load(std::memory_order_relaxed);
  if (taken >= most_) return kNoBuffer;
  taken_.store(taken + 1, std::memory_order_relaxed);
  // Not once it is 0: the memory has been given back, or there is none.
  uint32_t target = target_.load(std::memory_order_relaxed);
  if (target != 0) {
    target_.compare_exchange_strong(target, std::min(taken + ahead_, most_), std::memory_order_release);
  }
  return taken;
}

void CopyBuffers::GiveBack(Buffer first, Buffer last) {
  next(last) = returned_.load(std::memory_order_relaxed);
  while (!returned_.compare_exchange_weak(next(last), first, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
}

void CopyBuffers::Release(uint64_t keep_bytes) {
  target_.store(0, std::memory_order_relaxed);
  const uint64_t end = std::max(prepared_bytes(), peak_bytes());
  // The kernel's pages may be larger than ours: up to 64 KiB, on arm64.
  const uint64_t begin = RoundUp(keep_bytes, kUnitBytes);
  // In steps, since a thread that maps memory waits as long as another unmaps.
  for (uint64_t start = begin; start < end; start += kReleaseStepBytes) {
    madvise(memory_.As<uint8_t>() + start, std::min(kReleaseStepBytes, end - start), MADV_DONTNEED);
  }
  const auto kept = static_cast<uint32_t>(begin / kPageBytes);
  if (prepared_.load(std::memory_order_relaxed) > kept) prepared_.store(kept, std::memory_order_relaxed);
}

bool CopyBuffers::WantsPreparing() const {
  // Behind the target is all that Create() has made.
  const uint32_t target = target_.load(std::memory_order_acquire);
  return prepared_.load(std::memory_order_relaxed) + kStepBuffers <= target;
}

bool CopyBuffers::PrepareSome() {
  if (!WantsPreparing()) return false;
  // Those that the owner has taken by now it has touched.
  uint32_t prepared = prepared_.load(std::memory_order_relaxed);
  // (From the start of a unit, which any kernel's pages fit into: to populate once more changes nothing.)
  constexpr uint32_t kBuffersPerUnit = kUnitBytes / kPageBytes;
  const uint32_t start =
      std::max(prepared, taken_.load(std::memory_order_relaxed)) / kBuffersPerUnit * kBuffersPerUnit;
  const uint32_t end = std::min(start + kStepBuffers, capacity_);
  const uint64_t bytes = uint64_t{end - start} * kPageBytes;
  if (!by_touch_) {
    const PopulateResult result = PopulateByKernel(At(start), bytes);
    by_touch_ = result == PopulateResult::kUnsupported;
    if (result == PopulateResult::kNoMemory) {
      target_.store(0, std::memory_order_relaxed);  // not again before the next snapshot
      return false;
    }
  }
  if (by_touch_) PopulateByTouch(At(start), bytes);
  // Unless Release() has given some of it back meanwhile.
  prepared_.compare_exchange_strong(prepared, end, std::memory_order_relaxed);
  return true;
}

}  // namespace forkstore
