// How many there have been of what operations number: the ids of what comes next follow from these. Each
// record of a log says what they were, so that a replay that has parted from the writer is noticed at once.
#pragma once

#include <cstdint>

#include "data/value/node.h"

namespace forkstore {

struct EngineCounts {
  uint32_t shapes = 0;
  uint32_t maps = 0;  // the highest id that was ever given
  NodeId next_node = 0;
  friend bool operator==(const EngineCounts&, const EngineCounts&) = default;
};

}  // namespace forkstore
