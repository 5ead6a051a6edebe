#include "memory/page_work.h"

#include <errno.h>
#include <sys/mman.h>

#include "memory/layout.h"

namespace forkstore {
namespace {

// Younger than the headers of some systems that this is built on.
constexpr int kMadvisePopulateWrite = 23;
constexpr int kMadviseCollapse = 25;

}  // namespace

PopulateResult PopulateByKernel(uint8_t* start, uint64_t bytes) {
  while (madvise(start, bytes, kMadvisePopulateWrite) != 0) {
    if (errno == EINVAL) return PopulateResult::kUnsupported;
    if (errno != EINTR) return PopulateResult::kNoMemory;
  }
  return PopulateResult::kDone;
}

void PopulateByTouch(uint8_t* start, uint64_t bytes) {
  for (uint8_t* page = start; page < start + bytes; page += kPageBytes) {
    // Atomic, because the owner may have begun to use the page by now.
    __atomic_fetch_or(page, 0, __ATOMIC_RELAXED);
  }
}

bool CollapseHugePage(uint8_t* huge_page) {
  return madvise(huge_page, kHugePageBytes, kMadviseCollapse) == 0;
}

}  // namespace forkstore
