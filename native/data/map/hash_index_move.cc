// Moving an index's segments and nodes out of sparse units.
#include "data/map/block_mover.h"
#include "data/map/hash_index.h"
#include "data/map/hash_path.h"
#include "data/map/hash_segment.h"

namespace forkstore {

bool HashIndex::MoveSome(uint64_t* from, BlockMover* mover) {
  constexpr uint64_t kWorkPerSegment = 16;
  if (*from >> kHashBits != 0) return false;
  const auto bits = static_cast<uint32_t>(*from);
  mover->Spend(kWorkPerSegment);
  // Each node's own reference is in the one above, which has moved by then.
  for (uint32_t level = 0; level < Walk(bits).levels; level++) {
    const Path path = Walk(bits);
    mover->Move(path.nodes[level], [&](Offset to) { heap_.Mutate<uint64_t>(path.fields[level]) = to + 1; });
  }
  const Path path = Walk(bits);
  if (path.segment == kNone) return false;
  const uint32_t depth = HeaderOf(heap_.At(path.segment)).depth;
  mover->Move(path.segment, [&](Offset to) { Redirect(path, depth, to); });
  const uint32_t shift = kHashBits - depth;
  *from = ((*from >> shift) + 1) << shift;
  return true;
}

}  // namespace forkstore
