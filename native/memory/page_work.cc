#include "memory/page_work.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iterator>

#include "memory/layout.h"

namespace forkstore {
namespace {

// Younger than the headers of some systems that this is built on.
constexpr int kMadvisePopulateWrite = 23;
constexpr int kMadviseCollapse = 25;

// PAGEMAP_SCAN: its structures and numbers (linux/fs.h of Linux 6.7).
struct PageRegion {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};
struct PageScan {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t regions;
  uint64_t regions_count;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, PageScan);
constexpr uint64_t kPageIsHuge = 1 << 6;

bool CountHugeBytes(int pagemap, uint64_t start, uint64_t end, uint64_t* huge_bytes) {
  *huge_bytes = 0;
  while (start < end) {
    PageRegion regions[32];
    PageScan scan = {};
    scan.size = sizeof(scan);
    scan.start = start;
    scan.end = end;
    scan.regions = reinterpret_cast<uint64_t>(regions);
    scan.regions_count = std::size(regions);
    scan.category_mask = scan.return_mask = kPageIsHuge;
    const int found = ioctl(pagemap, kPagemapScan, &scan);
    if (found < 0 && errno == EINTR) continue;
    if (found < 0 || scan.walk_end <= start) return false;
    for (int i = 0; i < found; ++i) *huge_bytes += regions[i].end - regions[i].start;
    start = scan.walk_end;
  }
  return true;
}

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

bool CountHugeBytes(const uint8_t* start, uint64_t bytes, uint64_t* huge_bytes) {
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) return false;
  const uint64_t address = reinterpret_cast<uint64_t>(start);
  const bool known = CountHugeBytes(pagemap, address, address + bytes, huge_bytes);
  close(pagemap);
  return known;
}

}  // namespace forkstore
