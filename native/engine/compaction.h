// Compaction: when and how far units with few live blocks are emptied (docs/design.md, "Emptying units"). The
// steps themselves are Engine::State::CompactSome(); this is what is remembered between them.
//
// A pass goes over all maps and then the tree. Where it has got to are numbers that stay what they are while
// entries come and go: ids, sequence numbers, bits of hashes.
//
// Thread safety: the owner thread only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "data/tree/tree.h"
#include "memory/heap.h"

namespace forkstore {

struct Compaction {
  // A sixteenth of the store, and as much as is worth a pass.
  static constexpr uint64_t kFewUnits = 16;
  static constexpr uint64_t kShareOfUnits = 16;
  static constexpr uint64_t kNoTop = ~uint64_t{0};

  bool is_running = false;
  bool is_wanted = false;  // memory was short: any gain is worth a pass
  // A first pass empties sparse units; where others then keep the frontier far up, a second one those from
  // `top` on.
  uint64_t top = kNoTop;
  uint64_t map = 1;  // an id; beyond the last one: the tree
  MapMoveCursor in_map;
  TreeMoveCursor in_tree;
  uint64_t left_behind = 0;  // sparse units that the last pass could not empty
  uint64_t moved = 0;        // blocks, ever: another number whenever places found before may be wrong

  // Sparse units, beside those that another pass would not empty either.
  uint64_t Promising(const Allocator& allocator) {
    const uint64_t sparse = allocator.sparse_units();
    left_behind = std::min(left_behind, sparse);
    return sparse - left_behind;
  }
  // Whether there is a step to do that pays.
  bool IsDue(const Allocator& allocator) {
    const uint64_t enough = is_wanted ? 1 : std::max(kFewUnits, allocator.units() / kShareOfUnits);
    return is_running || Promising(allocator) >= enough;
  }
};

}  // namespace forkstore
