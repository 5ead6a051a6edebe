// Moving a map's records, and what finds them, out of sparse units.
#include "data/map/block_mover.h"
#include "data/map/ordered_map.h"

namespace forkstore {

struct OrderedMap::Moving {
  OrderedMap* map;
  BlockMover* mover;
};

void OrderedMap::MoveRecord(void* context, uint64_t /*sequence*/, Offset field) {
  const auto* moving = static_cast<Moving*>(context);
  OrderedMap* map = moving->map;
  const Offset record = map->heap_.Read<uint64_t>(field);
  moving->mover->Move(record, [&](Offset to) {
    map->heap_.Mutate<uint64_t>(field) = to;
    map->Index().Replace(ReadRecord(map->heap_, to).key.Hash(map->seed_), record, to);
  });
}

bool OrderedMap::MoveSome(MapMoveCursor* cursor, BlockMover* mover) {
  Moving moving{this, mover};
  for (;;) {
    if (mover->done()) return false;
    if (cursor->in_index) {
      if (!Index().MoveSome(&cursor->from, mover)) return true;
    } else if (!Order().MoveSome(&cursor->from, mover, &MoveRecord, &moving)) {
      *cursor = MapMoveCursor{true, 0};
    }
  }
}

}  // namespace forkstore
