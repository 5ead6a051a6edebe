#include "data/tree/tree_garbage.h"

#include <bit>
#include <cstring>
#include <utility>

#include "data/node/small_node.h"

namespace forkstore {
namespace {

void Spend(uint32_t* budget, uint32_t blocks) {
  *budget -= blocks < *budget ? blocks : *budget;
}

}  // namespace

void TreeGarbage::DropSlot(Slot slot, uint32_t* budget) {
  if (IsBoxSlot(slot)) heap_.Free(SlotBox(slot));
  if (IsNodeSlot(slot)) Bury(Grave{Kind::kNode, 0, nodes_->Remove(SlotNode(slot)), 0}, budget);
}

void TreeGarbage::DropTable(const MapContents& contents) {
  if (contents.order_top == kNone) return;
  uint32_t budget = kAtOnce;
  Bury(Grave{Kind::kTable, contents.order_height, contents.order_top, contents.index}, &budget);
}

void TreeGarbage::DropItems(const Parts& parts, ItemCut cut) {
  if (parts.empty()) return;
  const uint64_t number = cuts_.Add(std::move(cut));
  cut_graves_[number] = parts.size();
  uint32_t budget = kAtOnce;
  for (const OrderTrie::Part& part : parts) {
    Bury(Grave{Kind::kItems, part.height, part.top, number}, &budget);
  }
}

uint64_t TreeGarbage::HoldItems(Parts parts, ItemCut cut, uint64_t start) {
  const uint64_t number = cuts_.Add(std::move(cut));
  if (parts.empty()) cuts_.Forget(number);  // holes
  held_.Add(number, std::move(parts), start);
  ++nodes_->layout_version;
  ++burials_;
  return number;
}

void TreeGarbage::LetGo(uint64_t held) {
  if (!held_.Has(held)) return;
  // Without parts: it was spilled, or of holes.
  if (Parts parts = held_.Take(held); !parts.empty()) let_go_.emplace_back(held, std::move(parts));
}

bool TreeGarbage::SpillHeld() {
  Parts parts;
  const uint64_t held = held_.Spill(&parts);
  if (held == 0) return false;
  if (!parts.empty()) let_go_.emplace_back(held, std::move(parts));
  return true;
}

void TreeGarbage::BuryLetGo() {
  for (auto& [number, parts] : let_go_) {
    cut_graves_[number] = parts.size();
    for (const OrderTrie::Part& part : parts) {
      graves_.push_back(Grave{part.height == 0 ? Kind::kItem : Kind::kItems, part.height, part.top, number});
      ++dropped_;
    }
  }
  let_go_.clear();
}

void TreeGarbage::EndGrave(uint64_t cut) {
  const auto graves = cut_graves_.find(cut);
  if (graves == cut_graves_.end() || --graves->second > 0) return;
  cut_graves_.erase(graves);
  cuts_.Forget(cut);
}

void TreeGarbage::Bury(const Grave& grave, uint32_t* budget) {
  ++nodes_->layout_version;
  if (WorkAtBack(grave, budget)) ++burials_;
}

bool TreeGarbage::WorkAtBack(const Grave& grave, uint32_t* budget) {
  Graves graves;
  graves.swap(work_);
  graves.push_back(grave);
  Work(&graves, budget);
  const bool is_any = !graves.empty();
  for (const Grave& left : graves) {
    graves_.push_back(left);
    ++dropped_;
  }
  graves.clear();
  graves.swap(work_);
  return is_any;
}

bool TreeGarbage::Reclaim(uint32_t budget) {
  BuryLetGo();
  Graves graves;
  graves.swap(work_);
  while (!graves_.empty() && budget > 0) {
    graves.push_back(graves_.front());
    graves_.pop_front();
    Work(&graves, &budget);
    for (const Grave& left : graves) graves_.push_front(left);
    graves.clear();
  }
  graves.swap(work_);
  return graves_.empty();
}

bool TreeGarbage::ReclaimSince(uint64_t dropped, uint32_t budget) {
  if (dropped_ <= dropped) return false;
  while (dropped_ > dropped && budget > 0) {
    const Grave grave = graves_.back();
    graves_.pop_back();
    --dropped_;
    WorkAtBack(grave, &budget);
  }
  return true;
}

void TreeGarbage::ForgetSince(uint64_t dropped) {
  ++burials_;
  for (; dropped_ > dropped && !graves_.empty(); --dropped_) {
    const Grave& grave = graves_.back();
    if (grave.kind == Kind::kItems || grave.kind == Kind::kItem) EndGrave(grave.index);
    graves_.pop_back();
  }
}

// A node's block is read for its children, which leave the table before it goes.
void TreeGarbage::Release(Slot slot, Graves* graves) {
  if (IsBoxSlot(slot)) heap_.Free(SlotBox(slot));
  if (!IsNodeSlot(slot)) return;
  cuts_.Removed(SlotNode(slot));
  graves->push_back(Grave{Kind::kNode, 0, nodes_->Remove(SlotNode(slot)), 0});
}

void TreeGarbage::FreeNode(Offset block, Graves* graves, uint32_t* budget) {
  const NodeKind kind = NodeHead::Of(heap_.Read<uint64_t>(block)).kind;
  switch (kind) {
    case NodeKind::kTable: {
      const MapHeader& header = heap_.Read<MapHeader>(block);
      if (header.order != kNone) {
        graves->push_back(Grave{Kind::kTable, header.order_height, header.order, header.index});
      }
      break;
    }
    case NodeKind::kSequence: {
      const SequenceBlock& sequence = heap_.Read<SequenceBlock>(block);
      if (sequence.items != kNone) {
        graves->push_back(Grave{Kind::kItems, sequence.items_height, sequence.items, 0});
      }
      break;
    }
    default: {
      const Offset first = block + SlotsDistance(kind);
      const Offset end = first + uint64_t{SlotCount(heap_, block, *shapes_)} * 8;
      for (Offset at = first; at < end; at += 8) {
        const Slot slot = heap_.Read<Slot>(at);
        if (!IsBoxSlot(slot) && !IsNodeSlot(slot)) continue;
        Release(slot, graves);
        Spend(budget, 1);
      }
    }
  }
  heap_.Free(block);
  Spend(budget, 1);
}

struct TreeGarbage::Releasing {
  TreeGarbage* garbage;
  Graves* graves;
  uint32_t free_of_charge = 0;  // items that took no block of their own
};

void TreeGarbage::ReleaseRecord(void* context, uint64_t record) {
  auto* releasing = static_cast<Releasing*>(context);
  TreeGarbage* garbage = releasing->garbage;
  const uint8_t* bytes = garbage->heap_.At(record);
  Slot slot;
  std::memcpy(&slot, bytes + RecordValueDistance(bytes), sizeof(slot));
  garbage->Release(slot, releasing->graves);
  garbage->heap_.Free(record);
}

void TreeGarbage::ReleaseItem(void* context, uint64_t item) {
  auto* releasing = static_cast<Releasing*>(context);
  const Slot slot = std::bit_cast<Slot>(item);
  if (!IsBoxSlot(slot) && !IsNodeSlot(slot)) ++releasing->free_of_charge;
  releasing->garbage->Release(slot, releasing->graves);
}

void TreeGarbage::Work(Graves* graves, uint32_t* budget) {
  Graves children;
  while (!graves->empty() && *budget > 0) {
    Grave grave = graves->back();
    graves->pop_back();
    if (grave.kind == Kind::kNode) {
      FreeNode(grave.block, graves, budget);
      continue;
    }
    if (grave.kind == Kind::kItem) {
      Release(std::bit_cast<Slot>(grave.block), graves);
      EndGrave(grave.index);
      Spend(budget, 1);
      continue;
    }
    Releasing releasing{this, &children};
    const OrderTrie::Release release = grave.kind == Kind::kTable ? &ReleaseRecord : &ReleaseItem;
    const bool done = OrderTrie::Reclaim(heap_, &grave.block, &grave.height, budget, release, &releasing) &&
                      (grave.kind == Kind::kItems || HashIndex::Reclaim(heap_, &grave.index, budget));
    *budget += releasing.free_of_charge;
    // Children first: so that what is waiting does not become more than the tree is deep and a step is wide.
    if (!done) graves->push_back(grave);
    if (done && grave.kind == Kind::kItems) EndGrave(grave.index);
    graves->insert(graves->end(), children.begin(), children.end());
    children.clear();
  }
}

}  // namespace forkstore
