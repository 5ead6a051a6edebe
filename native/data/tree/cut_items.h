// CutItems: which items of long arrays are gone that are still in the node table. An array that loses very
// many items at once does not take each of them out of the table: they go in bounded steps (tree_garbage.h).
// Until then their parent is in the tree, so that their way up does not tell that they are gone; what tells
// is kept here.
//
// A cut lists the ids of the fewer: of the items that go, or of those that stay. Ids are given out in
// ascending order, so what came after the cut is known by its number. Nothing of this is saved: after a
// restart, nodes that nothing refers to are taken out of the table.
//
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "data/node/id_set.h"

namespace forkstore {

struct ItemCut {
  NodeId sequence = 0;
  // `listed` are the items that stay: every other one with an id below `end` goes. Else they are those that
  // go.
  bool lists_kept = false;
  NodeId end = 0;
  std::vector<NodeId> listed;
};

class CutItems {
 public:
  // A number for the cut, never 0, for Forget().
  uint64_t Add(ItemCut cut);
  // All that the cut took away has left the node table, or the cut is taken back.
  void Forget(uint64_t number);
  // The node has left the node table.
  void Removed(NodeId node) {
    if (!removed_.empty()) removed_.Remove(node);
  }

  // REQUIRES: `child` is in the node table, with `parent` as its parent.
  bool Has(NodeId parent, NodeId child) const {
    if (!removed_.empty() && removed_.Has(child)) return true;
    if (kept_.empty()) return false;
    const auto found = kept_.find(parent);
    if (found == kept_.end()) return false;
    // The newest: what an older cut took away was not there any more to stay.
    const Kept& newest = found->second.back();
    return child < newest.end && !newest.ids.Has(child);
  }

 private:
  struct Kept {
    uint64_t number;
    NodeId end;
    IdSet ids;
  };

  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, ItemCut> cuts_;          // by number; listed: where it lists those that go
  IdSet removed_;                                       // all that cuts list as those that go
  std::unordered_map<NodeId, std::vector<Kept>> kept_;  // by array; newest last
};

}  // namespace forkstore
