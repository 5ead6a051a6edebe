// Moving a trie's nodes out of sparse units.
#include "data/map/block_mover.h"
#include "data/map/order_trie.h"

namespace forkstore {

using order_node::Bit;
using order_node::ChildField;
using order_node::Digit;
using order_node::kLevelBits;

bool OrderTrie::MoveSome(uint64_t* from, BlockMover* mover, MoveEach each, void* context) {
  constexpr uint64_t kWorkPerLeaf = 16;
  Place first;
  if (ScanPlaces(*from, 1, &first) == 0) return false;
  mover->Spend(kWorkPerLeaf);
  Offset field = top_;
  Offset node = kNone;
  for (uint32_t height = heap_.Read<uint32_t>(height_); height > 0; height--) {
    node = heap_.Read<uint64_t>(field);
    mover->Move(node, [&](Offset to) {
      heap_.Mutate<uint64_t>(field) = to;
      node = to;
    });
    field = ChildField(node, heap_.Read<uint64_t>(node), Digit(first.sequence, height));
  }
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint64_t leaf = first.sequence >> kLevelBits << kLevelBits;
  uint64_t rest = bitmap & ~(Bit(Digit(first.sequence, 1)) - 1);
  for (; rest != 0; rest &= rest - 1, field += sizeof(uint64_t)) {
    const uint64_t sequence = leaf | static_cast<uint64_t>(std::countr_zero(rest));
    each(context, sequence, field);
    mover->Spend(1);
    *from = sequence + 1;
    if (mover->done()) return true;
  }
  *from = leaf + order_node::kMaxChildren;
  return true;
}

}  // namespace forkstore
