// The root block: where everything in the arena is reached from; docs/format.md, section 4.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/layout.h"

namespace forkstore {

inline constexpr Offset kRootOffset = kUnitBytes;           // the first block of unit 1
inline constexpr uint64_t kRootMagic = 0x3130544F4F525346;  // "FSROOT01"

struct RootBlock {
  uint64_t magic;
  uint64_t seed[2];
  uint64_t writes;
  uint64_t maps;
  uint32_t map_count;
  uint32_t shape_count;
  uint64_t shapes;
  uint64_t next_node;  // 0: an image of version 1, which has no tree
  uint64_t nodes;
  uint32_t nodes_height;
  uint32_t zero_half;
  uint64_t zero[6];
};
static_assert(sizeof(RootBlock) == 128);

}  // namespace forkstore
