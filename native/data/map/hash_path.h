// The way to a segment of a HashIndex; for the files of that class, and for nobody else.
#pragma once

#include "data/map/hash_index.h"

namespace forkstore {

inline constexpr uint32_t kIndexLevelBits = 8;
inline constexpr uint32_t kMaxIndexLevels = 3;

// fields[k] holds the reference to nodes[k], fields[levels] that to the segment.
struct HashIndex::Path {
  uint32_t levels = 0;
  Offset fields[kMaxIndexLevels + 1] = {};
  Offset nodes[kMaxIndexLevels] = {};
  Offset segment = kNone;  // kNone: the index is empty
};

}  // namespace forkstore
