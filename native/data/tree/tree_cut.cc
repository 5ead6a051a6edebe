#include "data/tree/tree_cut.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace forkstore {
namespace {

constexpr uint32_t kOneByOne = 256;  // items that are dropped at once
constexpr uint32_t kBatch = 256;

// Lists the nodes among some of a sequence's items, batch by batch.
class Listing {
 public:
  Listing(Heap heap, Offset block) : heap_(heap), items_(heap, block) {}

  void Begin(uint64_t from, uint64_t to) {
    next_ = from;
    end_ = to;
  }
  // False: there are no more.
  bool Step() {
    if (next_ >= end_) return false;
    const uint32_t got = items_.ScanPresent(static_cast<uint32_t>(next_), kBatch, batch_);
    for (uint32_t i = 0; i < got && batch_[i].index < end_; ++i) {
      ++count_;
      const Slot slot = heap_.Read<Slot>(batch_[i].slot);
      if (IsNodeSlot(slot)) nodes_.push_back(SlotNode(slot));
    }
    next_ = got < kBatch ? end_ : uint64_t{batch_[got - 1].index} + 1;
    return true;
  }
  uint64_t count() const { return count_; }  // of items seen
  std::vector<NodeId>& nodes() { return nodes_; }

 private:
  Heap heap_;
  ItemSequence items_;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  uint64_t count_ = 0;
  std::vector<NodeId> nodes_;
  ItemSequence::Item batch_[kBatch];
};

}  // namespace

// Both are listed in turn, until one of the lists is whole.
Tree::State::Cut::Cut(State* state, NodeId sequence, Offset block, uint32_t start, uint64_t end,
                      uint64_t* held)
    : state_(state), held_(held) {
  if (held == nullptr && end < start + uint64_t{kOneByOne}) return;
  if (held != nullptr) start_ = ItemSequence(state->heap, block).Position(start);
  Listing gone(state->heap, block);
  Listing kept(state->heap, block);
  gone.Begin(start, end);
  kept.Begin(0, start);
  bool is_behind = false;
  for (;;) {
    if (!gone.Step()) break;
    if (kept.Step()) continue;
    items_.lists_kept = is_behind;
    if (is_behind) break;
    kept.Begin(end, ItemSequence(state->heap, block).length());
    is_behind = true;
  }
  state->listed_items += gone.count() + kept.count();
  if (held == nullptr && !items_.lists_kept && gone.count() <= kOneByOne) return;
  is_large_ = true;
  items_.sequence = sequence;
  items_.end = state->nodes.table().next();
  items_.listed = std::move(items_.lists_kept ? kept.nodes() : gone.nodes());
}

void Tree::State::Cut::Release(void* cut, uint64_t item) {
  auto* self = static_cast<Cut*>(cut);
  self->state_->garbage.DropSlot(std::bit_cast<Slot>(item), &self->budget_);
}

void Tree::State::Cut::Detach(void* cut, const OrderTrie::Part& part) {
  auto* self = static_cast<Cut*>(cut);
  if (part.height == 0 && self->held_ == nullptr) {
    Release(cut, part.top);
  } else {
    self->parts_.push_back(part);
  }
}

void Tree::State::Cut::Drop() {
  if (held_ != nullptr) {
    *held_ = state_->garbage.HoldItems(std::move(parts_), std::move(items_), start_);
  } else if (is_large_) {
    state_->garbage.DropItems(parts_, std::move(items_));
  }
}

}  // namespace forkstore
