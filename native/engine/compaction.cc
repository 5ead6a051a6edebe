// Emptying units with few live blocks, step by step.

#include "data/map/block_mover.h"
#include "engine/engine_state.h"

namespace forkstore {

bool Engine::State::CanCompact() const {
  return !transactions.is_open() && !arena->is_saving() && graveyard.empty() && !tree.has_garbage();
}

bool Engine::State::CompactSome(uint32_t budget) {
  constexpr uint64_t kWorkPerBlock = BlockMover::kWorkPerMove / 2;
  constexpr uint64_t kWorkPerMap = 8;
  BlockMover mover(heap, budget * kWorkPerBlock, compaction.top);
  compaction.is_running = true;
  bool through = false;
  while (!through && !mover.done()) {
    uint32_t map = 0;
    if (maps.Scan(compaction.map, 1, &map) == 0) {
      through = tree.MoveSome(&compaction.in_tree, &mover);
      continue;
    }
    // The one that was being gone through may have been dropped.
    if (map != compaction.map) compaction.in_map = MapMoveCursor{};
    compaction.map = map;
    mover.Spend(kWorkPerMap);
    if (!maps.Find(map)->MoveSome(&compaction.in_map, &mover)) continue;
    compaction.in_map = MapMoveCursor{};
    ++compaction.map;
  }
  compaction.moved += mover.moved();
  if (!through) return false;
  compaction.map = 1;
  compaction.in_tree = TreeMoveCursor{};
  const bool was_first = compaction.top == Compaction::kNoTop;
  const uint64_t used = allocator->used_units();
  compaction.top = used + std::max(Compaction::kFewUnits, used / Compaction::kShareOfUnits);
  if (was_first && compaction.top < allocator->units()) return false;
  compaction.top = Compaction::kNoTop;
  compaction.is_running = compaction.is_wanted = false;
  compaction.left_behind = allocator->sparse_units();
  return true;
}

bool Engine::Compact(uint32_t budget) {
  return !state_->CanCompact() || state_->CompactSome(budget);
}
uint64_t Engine::moved_blocks() const {
  return state_->compaction.moved;
}

}  // namespace forkstore
