// The block sizes that the allocator cuts units into. Part of the format: an image's unit table names
// classes by number.
//
// 16 to 256 bytes in steps of 8; then eight steps to each doubling, up to 32 KiB; and 520, which is
// what a full node of the order trie takes. Anything larger takes whole units.
#pragma once

#include <cstdint>

#include "memory/layout.h"

namespace forkstore {

inline constexpr uint32_t kMaxSmallBytes = 32 * 1024;

uint32_t SizeClassCount();
// The smallest class whose blocks hold `bytes`. REQUIRES: 0 < bytes <= kMaxSmallBytes.
uint32_t SizeClassFor(uint64_t bytes);
uint32_t SizeClassBytes(uint32_t size_class);
// Blocks in one unit: kUnitBytes / SizeClassBytes.
uint32_t SizeClassBlocks(uint32_t size_class);

}  // namespace forkstore
