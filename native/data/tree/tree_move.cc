// Moving the blocks of nodes, and all that they are made of, out of sparse units.
#include "data/map/block_mover.h"
#include "data/tree/tree_state.h"

namespace forkstore {

struct Tree::State::Moving {
  State* state;
  TreeMoveCursor* cursor;
  BlockMover* mover;
};

void Tree::State::MoveBox(Offset slot, BlockMover* mover) {
  const Slot before = heap.Read<Slot>(slot);
  if (IsBoxSlot(before))
    mover->Move(SlotBox(before), [&](Offset to) { heap.Mutate<Slot>(slot) = BoxSlot(to); });
}

void Tree::State::MoveNode(void* context, NodeId node, Offset field) {
  constexpr uint64_t kWorkPerNode = 8;
  const auto* moving = static_cast<Moving*>(context);
  State& s = *moving->state;
  Offset block = s.heap.Read<uint64_t>(field);
  if ((block & 1) != 0) return;  // a holder: headers stay
  moving->mover->Spend(kWorkPerNode);
  moving->mover->Move(block, [&](Offset to) {
    s.heap.Mutate<uint64_t>(field) = to;
    block = to;
  });
  const NodeKind kind = s.HeadAt(block).kind;
  if (kind == NodeKind::kTable || kind == NodeKind::kSequence) {
    moving->cursor->large.push_back(node);
    return;
  }
  const Offset first = block + SlotsDistance(kind);
  const Offset end = first + uint64_t{SlotCount(s.heap, block, *s.shapes)} * 8;
  for (Offset at = first; at < end; at += 8) s.MoveBox(at, moving->mover);
}

void Tree::State::MoveItem(void* context, uint64_t /*position*/, Offset field) {
  const auto* moving = static_cast<Moving*>(context);
  moving->state->MoveBox(field, moving->mover);
}

bool Tree::State::MoveInside(NodeId node, MapMoveCursor* cursor, BlockMover* mover) {
  const Offset block = nodes.Find(node);
  if (block == kNone) return true;  // it has left the tree meanwhile
  const NodeKind kind = HeadAt(block).kind;
  if (kind == NodeKind::kTable) return Table(block).MoveSome(cursor, mover);
  if (kind != NodeKind::kSequence) return true;
  Moving moving{this, nullptr, mover};
  while (!mover->done()) {
    if (!ItemSequence(heap, block).MoveSome(&cursor->from, mover, &MoveItem, &moving)) return true;
  }
  return false;
}

bool Tree::MoveSome(TreeMoveCursor* cursor, BlockMover* mover) {
  State& s = *state_;
  State::Moving moving{&s, cursor, mover};
  const uint64_t moved_before = mover->moved();
  bool through = false;
  while (!through && !mover->done()) {
    if (cursor->large.empty()) {
      through = !s.nodes.table().MoveSome(&cursor->from, mover, &State::MoveNode, &moving);
    } else if (s.MoveInside(cursor->large.back(), &cursor->inside, mover)) {
      cursor->large.pop_back();
      cursor->inside = MapMoveCursor{};
    }
  }
  if (mover->moved() != moved_before) s.nodes.Moved();
  return through;
}

}  // namespace forkstore
