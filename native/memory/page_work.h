// The system calls behind the PageKeeper, one step each, apart from its thread so that each way of doing
// them can be tested on any kernel.
// Thread safety: any thread; contents never change.
#pragma once

#include <cstdint>

namespace forkstore {

enum class PopulateResult { kDone, kNoMemory, kUnsupported };

// Gives every page of the range memory, with one call of the kernel (Linux 5.14).
PopulateResult PopulateByKernel(uint8_t* start, uint64_t bytes);
// The same by writing every page's first byte back: where the call above is not known.
void PopulateByTouch(uint8_t* start, uint64_t bytes);
// Puts the 2 MiB that begin at `huge_page` together into one huge page (Linux 6.1); false when the kernel
// does not, which leaves them as they were.
bool CollapseHugePage(uint8_t* huge_page);
// How many bytes of the range lie in huge pages (Linux 6.7); false where the kernel cannot say. Walks the page
// tables of the range, with the lock of the process's mappings held: up to 0.1 ms for 8 MiB.
bool CountHugeBytes(const uint8_t* start, uint64_t bytes, uint64_t* huge_bytes);

}  // namespace forkstore
