// The root block and the map headers: where everything in the arena is reached from; docs/format.md,
// section 4.
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
  uint64_t zero[9];
};
static_assert(sizeof(RootBlock) == 128);

struct MapHeader {
  uint64_t next;
  uint64_t entries;
  uint64_t next_sequence;
  uint64_t index;
  uint64_t order;
  uint32_t order_height;
  uint32_t id;
  uint32_t name_kind;
  uint32_t name_bytes;
  uint64_t zero;
};
static_assert(sizeof(MapHeader) == 64);

}  // namespace forkstore
