#include "data/tree/cut_items.h"

#include <utility>

namespace forkstore {

uint64_t CutItems::Add(ItemCut cut) {
  const uint64_t number = ++last_number_;
  if (cut.lists_kept) {
    Kept& kept = kept_[cut.sequence].emplace_back(Kept{number, cut.end, {}});
    kept.ids.Add(cut.listed);
    std::vector<NodeId>().swap(cut.listed);
  } else {
    removed_.Add(cut.listed);
  }
  cuts_.emplace(number, std::move(cut));
  return number;
}

void CutItems::Forget(uint64_t number) {
  const auto found = cuts_.find(number);
  if (found == cuts_.end()) return;
  const ItemCut& cut = found->second;
  if (cut.lists_kept) {
    const auto kept = kept_.find(cut.sequence);
    std::erase_if(kept->second, [&](const Kept& each) { return each.number == number; });
    if (kept->second.empty()) kept_.erase(kept);
  } else if (!removed_.empty()) {
    for (const NodeId id : cut.listed) removed_.Remove(id);
  }
  cuts_.erase(found);
}

}  // namespace forkstore
