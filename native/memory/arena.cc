#include "memory/arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <algorithm>

#include "memory/undo.h"

namespace forkstore {
namespace {

constexpr uint64_t kMinAheadBytes = uint64_t{4} << 20;
constexpr uint64_t kMaxAheadBytes = uint64_t{64} << 20;  // some 50 ms of the fastest writer
constexpr uint64_t kReleaseStepBytes = uint64_t{32} << 20;
constexpr uint64_t kPagesPerHugePage = kHugePageBytes / kPageBytes;
constexpr uint64_t kLineBytes = 64;  // marks are looked through by cache lines

uint64_t PagesBelow(uint64_t offset) {
  return RoundUp(offset, kHugePageBytes) / kPageBytes;
}

// Before 5.8 a write to a shared huge page copies 2 MiB at once, which stalls the writer for longer than
// what huge pages save.
bool KernelSplitsSharedHugePages() {
  utsname name;
  int major = 0;
  int minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 8);
}

// True when one of the kLineBytes marks at `line`, which others may be setting, is set.
bool AnySet(uint8_t* line) {
  auto* words = reinterpret_cast<uint64_t*>(line);
  uint64_t any = 0;
  for (uint64_t i = 0; i < kLineBytes / 8; ++i) {
    any |= std::atomic_ref<uint64_t>(words[i]).load(std::memory_order_relaxed);
  }
  return any != 0;
}

// Whether a mark that was not set has been.
bool SetMark(uint8_t* mark) {
  return std::atomic_ref<uint8_t>(*mark).exchange(1, std::memory_order_relaxed) == 0;
}

Status SystemError(const char* what) {
  const int error = errno;
  return Status(Code::kIo, std::string(what) + ": " + strerror(error), error);
}

constexpr int kProtection = PROT_READ | PROT_WRITE;
constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Whether so many addresses can be had beside what was reserved: an arena that takes what there is would
// leave nothing for threads, the allocator's tables or the application.
Status LookForRoom(uint64_t bytes) {
  void* mapping = mmap(nullptr, bytes, kProtection, kFlags, -1, 0);
  if (mapping == MAP_FAILED) return SystemError("cannot reserve address space beside the arena");
  munmap(mapping, bytes);
  return Status::Ok();
}

}  // namespace

Status Arena::Create(const ArenaOptions& options, std::unique_ptr<Arena>* arena) {
  if (options.max_bytes < kMinArenaBytes || options.max_bytes > kMaxArenaBytes ||
      options.reserved_bytes > kMaxArenaBytes) {
    return Status(Code::kInvalid, "an arena has from " + std::to_string(kMinArenaBytes) + " to " +
                                      std::to_string(kMaxArenaBytes) + " bytes");
  }
  const uint64_t wanted = RoundUp(options.max_bytes, kHugePageBytes);
  uint64_t bytes = std::max(wanted, RoundUp(options.reserved_bytes, kHugePageBytes));
  std::unique_ptr<Arena> made;
  for (;; bytes = RoundUp(bytes / 2, kHugePageBytes)) {
    made.reset(new Arena());
    Status status = made->Reserve(bytes);
    if (status.ok() && options.least_bytes != 0) status = LookForRoom(bytes / 2);
    if (status.ok()) break;
    const bool is_least = options.least_bytes == 0 || bytes / 2 < options.least_bytes;
    if (is_least || status.system_errno() != ENOMEM) return status;
  }
  made->wanted_bytes_ = wanted;
  made->SetMaxBytes(std::min(wanted, bytes));

  made->huge_pages_ = options.huge_pages && KernelSplitsSharedHugePages();
  // A kernel without huge pages refuses; the arena works all the same. The first 2 MiB come with EndSmall().
  madvise(made->base_, made->reserved_bytes_, made->huge_pages_ ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  madvise(made->base_, kHugePageBytes, MADV_NOHUGEPAGE);
  if (madvise(made->base_, made->reserved_bytes_, MADV_DONTFORK) != 0) {
    return SystemError("cannot hide the arena from forks");
  }
  *arena = std::move(made);
  return Status::Ok();
}

Status Arena::Reserve(uint64_t bytes) {
  for (ScratchMapping& marks : marks_) {
    Status status = marks.Create(bytes / kPageBytes, ScratchMapping::Children::kHidden);
    if (!status.ok()) return status;
  }
  dirty_ = marks_[0].As<uint8_t>();
  saving_ = marks_[1].As<uint8_t>();
  void* mapping = mmap(nullptr, bytes + kHugePageBytes, kProtection, kFlags, -1, 0);
  if (mapping == MAP_FAILED)
    return SystemError("cannot reserve address space for the arena (a smaller maxBytes takes less)");
  mapping_ = mapping;
  mapping_bytes_ = bytes + kHugePageBytes;
  reserved_bytes_ = bytes;
  base_ = reinterpret_cast<uint8_t*>(RoundUp(reinterpret_cast<uint64_t>(mapping), kHugePageBytes));
  return Status::Ok();
}

Arena::~Arena() {
  if (mapping_ == nullptr) return;
  // In steps, since a thread that maps memory waits as long as another unmaps.
  const uint64_t end = std::min(reserved_bytes_, std::max(resident_, populated()));
  for (uint64_t start = 0; start < end; start += kReleaseStepBytes) {
    madvise(base_ + start, std::min(kReleaseStepBytes, end - start), MADV_DONTNEED);
  }
  munmap(mapping_, mapping_bytes_);
}

void Arena::RecordWrite(Offset offset, uint64_t bytes) {
  undo_->RecordWrite(offset, bytes);
}

uint64_t Arena::AheadBytes() const {
  return std::clamp(frontier() / 16, kMinAheadBytes, kMaxAheadBytes);
}

uint64_t Arena::PopulateTarget() const {
  const uint64_t frontier = this->frontier();
  return frontier < kSmallBytes ? 0 : std::min(max_bytes_, frontier + AheadBytes());
}

bool Arena::WantsPopulating() const {
  const uint64_t frontier = this->frontier();
  if (frontier < kSmallBytes) return false;
  if (is_small() || frozen_.buffers().WantsPreparing()) return true;
  const uint64_t start = std::max(frontier, populated());
  return start < std::min(max_bytes_, frontier + AheadBytes() / 2) && start != populate_refused();
}

void Arena::EndSmall() {
  if (huge_pages_) madvise(base_, kHugePageBytes, MADV_HUGEPAGE);
  is_small_.store(false, std::memory_order_relaxed);
}

uint64_t Arena::ReleaseSurplus(uint64_t limit) {
  // Twice what is kept ahead stays: a frontier that swings must not make memory come and go. And what is frozen,
  // which may lie beyond.
  const uint64_t wanted = std::max(frontier() + 2 * AheadBytes(), frozen_.frozen_bytes());
  const uint64_t keep = RoundUp(wanted, kHugePageBytes);
  const uint64_t end = std::min(reserved_bytes_, RoundUp(std::max(resident_, populated()), kHugePageBytes));
  limit -= limit % kHugePageBytes;
  if (end <= keep || limit == 0) return 0;
  const uint64_t start = end - std::min(limit, end - keep);
  if (madvise(base_ + start, end - start, MADV_DONTNEED) != 0) return 0;
  resident_ = start;
  if (populated() > start) SetPopulated(start);
  return end - start;
}

Status Arena::ExposeToFork() {
  const uint64_t bytes = std::min(reserved_bytes_, RoundUp(frontier(), kHugePageBytes));
  if (bytes > 0 && madvise(base_, bytes, MADV_DOFORK) != 0) {
    return SystemError("cannot expose the arena to the fork");
  }
  return Status::Ok();
}

Status Arena::HideFromFork() {
  if (madvise(base_, reserved_bytes_, MADV_DONTFORK) != 0) {
    return SystemError("cannot hide the arena from forks");
  }
  return Status::Ok();
}

void Arena::MarkDirty(uint64_t page) {
  frozen_.Save(page);
  if (SetMark(dirty_ + page)) ++dirty_pages_;
}

void Arena::BeginSave() {
  std::swap(dirty_, saving_);
  save_frontier_ = frontier();
  saving_pages_ = dirty_pages();
  dirty_pages_ = 0;
  returned_pages_.store(0, std::memory_order_relaxed);
  is_saving_.store(true, std::memory_order_relaxed);
}

void Arena::CancelSave() {
  std::swap(dirty_, saving_);
  dirty_pages_ = saving_pages_;
  is_saving_.store(false, std::memory_order_relaxed);
}

void Arena::EndSave(bool durable) {
  const uint64_t pages = PagesBelow(highest_frontier_.load(std::memory_order_relaxed));
  for (uint64_t line = 0; line < pages; line += kLineBytes) {
    // Lines without marks are not written to: they may be pages never touched.
    if (!AnySet(saving_ + line)) continue;
    if (!durable) {
      uint64_t returned = 0;
      for (uint64_t page = line; page < line + kLineBytes; ++page) {
        if (saving_[page] != 0 && SetMark(dirty_ + page)) ++returned;
      }
      returned_pages_.fetch_add(returned, std::memory_order_relaxed);
    }
    memset(saving_ + line, 0, kLineBytes);
  }
  is_saving_.store(false, std::memory_order_release);
}

void Arena::AppendSplitHugePages(std::vector<uint32_t>* pages) const {
  // What lay beyond the frontier at the fork was not shared, so nothing has split it.
  const uint64_t end = is_small() ? 0 : std::min(PagesBelow(save_frontier_), PagesBelow(frontier()));
  for (uint64_t first = 0; first < end; first += kPagesPerHugePage) {
    for (uint64_t line = first; line < first + kPagesPerHugePage; line += kLineBytes) {
      if (!AnySet(dirty_ + line)) continue;
      pages->push_back(static_cast<uint32_t>(first / kPagesPerHugePage));
      break;
    }
  }
}

}  // namespace forkstore
