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

constexpr uint64_t kMinAheadBytes = uint64_t{4} << 20;   // an empty store stays small
constexpr uint64_t kMaxAheadBytes = uint64_t{64} << 20;  // some 50 ms of the fastest writer
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

// True when one of the kLineBytes marks at `line` is set.
bool AnySet(const uint8_t* line) {
  uint64_t words[kLineBytes / 8];
  memcpy(words, line, kLineBytes);
  uint64_t any = 0;
  for (uint64_t word : words) any |= word;
  return any != 0;
}

Status SystemError(const char* what) {
  const int error = errno;
  return Status(Code::kIo, std::string(what) + ": " + strerror(error), error);
}

}  // namespace

Status Arena::Create(const ArenaOptions& options, std::unique_ptr<Arena>* arena) {
  if (options.max_bytes < kMinArenaBytes || options.max_bytes > kMaxArenaBytes ||
      options.reserved_bytes > kMaxArenaBytes) {
    return Status(Code::kInvalid, "an arena has from " + std::to_string(kMinArenaBytes) + " to " +
                                      std::to_string(kMaxArenaBytes) + " bytes");
  }
  std::unique_ptr<Arena> made(new Arena());
  made->SetMaxBytes(options.max_bytes);
  made->reserved_bytes_ = std::max(made->max_bytes_, RoundUp(options.reserved_bytes, kHugePageBytes));

  const uint64_t pages = made->reserved_bytes_ / kPageBytes;
  for (ScratchMapping& marks : made->marks_) {
    Status status = marks.Create(pages, ScratchMapping::Children::kHidden);
    if (!status.ok()) return status;
  }
  made->dirty_ = made->marks_[0].As<uint8_t>();
  made->saving_ = made->marks_[1].As<uint8_t>();

  const uint64_t mapping_bytes = made->reserved_bytes_ + kHugePageBytes;
  void* mapping = mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return SystemError("cannot reserve address space for the arena");
  made->mapping_ = mapping;
  made->mapping_bytes_ = mapping_bytes;
  made->base_ = reinterpret_cast<uint8_t*>(RoundUp(reinterpret_cast<uint64_t>(mapping), kHugePageBytes));

  const bool huge = options.huge_pages && KernelSplitsSharedHugePages();
  // A kernel without huge pages refuses; the arena works all the same.
  madvise(made->base_, made->reserved_bytes_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (madvise(made->base_, made->reserved_bytes_, MADV_DONTFORK) != 0) {
    return SystemError("cannot hide the arena from forks");
  }
  *arena = std::move(made);
  return Status::Ok();
}

Arena::~Arena() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

void Arena::RecordWrite(Offset offset, uint64_t bytes) {
  undo_->RecordWrite(offset, bytes);
}

uint64_t Arena::AheadBytes() const {
  return std::clamp(frontier() / 16, kMinAheadBytes, kMaxAheadBytes);
}

uint64_t Arena::ReleaseSurplus(uint64_t limit) {
  // Twice what is kept ahead stays: a frontier that swings must not make memory come and go.
  const uint64_t keep = RoundUp(frontier() + 2 * AheadBytes(), kHugePageBytes);
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

uint64_t Arena::CountDirtyPages() const {
  const uint64_t pages = PagesBelow(highest_frontier_);
  uint64_t count = 0;
  for (uint64_t line = 0; line < pages; line += kLineBytes) {
    if (!AnySet(dirty_ + line)) continue;
    for (uint64_t page = line; page < line + kLineBytes; ++page) count += dirty_[page];
  }
  return count;
}

void Arena::BeginSave() {
  std::swap(dirty_, saving_);
  save_frontier_ = frontier();
}

void Arena::EndSave(bool durable) {
  const uint64_t pages = PagesBelow(highest_frontier_);
  for (uint64_t line = 0; line < pages; line += kLineBytes) {
    // Lines without marks are not written to: they may be pages never touched.
    if (!AnySet(saving_ + line)) continue;
    if (!durable) {
      for (uint64_t page = line; page < line + kLineBytes; ++page) dirty_[page] |= saving_[page];
    }
    memset(saving_ + line, 0, kLineBytes);
  }
}

void Arena::AppendSplitHugePages(std::vector<uint32_t>* pages) const {
  // What lay beyond the frontier at the fork was not shared, so nothing has split it.
  const uint64_t end = std::min(PagesBelow(save_frontier_), PagesBelow(frontier()));
  for (uint64_t first = 0; first < end; first += kPagesPerHugePage) {
    for (uint64_t line = first; line < first + kPagesPerHugePage; line += kLineBytes) {
      if (!AnySet(dirty_ + line)) continue;
      pages->push_back(static_cast<uint32_t>(first / kPagesPerHugePage));
      break;
    }
  }
}

}  // namespace forkstore
