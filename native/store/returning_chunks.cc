#include "store/returning_chunks.h"

#include <sys/mman.h>

#include <algorithm>

#include "store/copied_bytes.h"

namespace forkstore {

namespace {

// A huge page goes as a whole: one that is given back in part would be split.
constexpr uint64_t kUnitsPerHugePage = (uint64_t{2} << 20) / kUnitBytes;
constexpr uint64_t kLeastStepUnits = (uint64_t{64} << 20) / kUnitBytes;
constexpr uint64_t kMostSteps = 16;

}  // namespace

ReturningChunks::ReturningChunks(const ImageSource& source, char* buffer, uint64_t buffer_bytes)
    : ArenaChunks(source),
      source_(source),
      buffer_(buffer),
      buffer_bytes_(buffer_bytes),
      step_units_(std::max(source.units / kMostSteps, kLeastStepUnits)) {}

uint64_t ReturningChunks::Next() {
  if (units_read() >= returned_units_ + step_units_) Return();
  return ArenaChunks::Next();
}

void ReturningChunks::Return() {
  const uint64_t units = units_read() / kUnitsPerHugePage * kUnitsPerHugePage - returned_units_;
  uint8_t* begin = const_cast<uint8_t*>(source_.arena_base) + returned_units_ * kUnitBytes;
  const uint64_t bytes = units * kUnitBytes;
  // By its protection it becomes a mapping of its own, which smaps has a paragraph for.
  if (mprotect(begin, bytes, PROT_READ) != 0) return;
  uint64_t copied = 0;
  is_known_ = ReadCopiedBytes(begin, bytes, buffer_, buffer_bytes_, &copied) && is_known_;
  if (munmap(begin, bytes) != 0) return;
  copied_bytes_ += copied;
  returned_units_ += units;
}

bool ReturningChunks::CopiedBytes(uint64_t* bytes) {
  uint64_t left = 0;
  const uint64_t units = source_.units - returned_units_;
  if (units > 0) {
    const uint8_t* begin = source_.arena_base + returned_units_ * kUnitBytes;
    is_known_ = ReadCopiedBytes(begin, units * kUnitBytes, buffer_, buffer_bytes_, &left) && is_known_;
  }
  *bytes = is_known_ ? copied_bytes_ + left : 0;
  return is_known_;
}

}  // namespace forkstore
