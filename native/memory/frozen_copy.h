// The reader's copy of memory that its owner may be changing meanwhile.
#pragma once

#include <cstdint>

namespace forkstore {

// Copies by relaxed loads of words, and ends with an acquire fence: if any byte of a change was seen, then
// what the changer stored before its release fence is seen by whatever is loaded after this call. The caller
// finds out there whether the bytes are good. REQUIRES: 8-aligned; bytes is a multiple of 8.
void CopyWhileWritten(const void* from, uint64_t bytes, void* to);

}  // namespace forkstore
