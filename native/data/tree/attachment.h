// Attachment: tells which nodes of the node table are in the tree, while what was dropped waits to be given
// back: those whose way up leads to the root or to a map's holder. What was found on the way is remembered
// until something is dropped again, so that a walk through a deep tree takes a step or two for each node.
//
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "data/node/node_registry.h"
#include "data/tree/tree_garbage.h"

namespace forkstore {

class Attachment {
 public:
  Attachment(Heap heap, const NodeRegistry* nodes, const TreeGarbage* garbage)
      : heap_(heap), nodes_(nodes), garbage_(garbage) {}

  // REQUIRES: the node is in the table, with this block.
  bool IsAttached(NodeId node, Offset block);
  uint64_t steps() const { return steps_; }

 private:
  struct Known {
    NodeId node = 0;
    uint64_t burials = 0;  // TreeGarbage::burials() when it was found
    bool is_attached = false;
  };

  // What is remembered of the node; null when nothing is.
  const Known* Find(NodeId node) const;
  // The `count` lowest nodes on the way up from `node`, which has been gone.
  void Remember(NodeId node, uint64_t count, bool is_attached);
  NodeId ParentOf(Offset block) const { return NodeHead::Of(heap_.Read<uint64_t>(block)).parent; }

  Heap heap_;
  const NodeRegistry* nodes_;
  const TreeGarbage* garbage_;
  std::vector<Known> known_;  // each in a place that its id leads to; empty until it is needed
  uint64_t steps_ = 0;
};

}  // namespace forkstore
