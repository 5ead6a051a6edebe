// Cut: items that leave a SEQUENCE, of which there may be any number. Few are dropped one by one. Of many,
// the parts of the trie that hold them leave as they are, to be given back in steps; and it is listed which
// items go, or which stay, whichever are fewer: a sequential read of slots, some nanoseconds for each. Items
// that are to be held (held_items.h) leave so, however few they are, and none of them is dropped.
#pragma once

#include <vector>

#include "data/tree/cut_items.h"
#include "data/tree/tree_state.h"

namespace forkstore {

class Tree::State::Cut {
 public:
  // Of the items [start, end). To be made before anything is planted in the array. `held`: where the number
  // of the list goes when they are to be held; else null.
  Cut(State* state, NodeId sequence, Offset block, uint32_t start, uint64_t end, uint64_t* held = nullptr);

  // For ItemSequence, whose `context` is the cut.
  static void Release(void* cut, uint64_t item);
  ItemSequence::Detach detach() const { return is_large_ ? &Detach : nullptr; }
  // When the sequence has let go of them.
  void Drop();

 private:
  static void Detach(void* cut, const OrderTrie::Part& part);

  State* state_;
  uint64_t* held_;
  uint64_t start_ = 0;  // the position of the first item, where they are to be held
  bool is_large_ = false;
  ItemCut items_;
  TreeGarbage::Parts parts_;
  uint32_t budget_ = TreeGarbage::kAtOnce;  // however many go, what they give back at once is bounded
};

}  // namespace forkstore
