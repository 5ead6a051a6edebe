// NodeRegistry: the node table, and what is counted beside it.
//
// A node's entry is the offset of its block; a map's holder, which is no node but stands for the map as a
// parent, has the offset of the map's header + 1.
#pragma once

#include <cstdint>

#include "data/node/node_table.h"

namespace forkstore {

class NodeRegistry {
 public:
  NodeRegistry(Heap heap, Offset next_field, Offset top_field, Offset height_field)
      : table_(heap, next_field, top_field, height_field) {}

  NodeTable& table() { return table_; }
  const NodeTable& table() const { return table_; }

  // A node's block, whether it is attached or not; kNone for holders and what is not in the table.
  Offset Find(NodeId node) const {
    const uint64_t entry = table_.Find(node);
    return (entry & 1) == 0 ? entry : kNone;
  }
  bool IsHolder(NodeId node) const { return (table_.Find(node) & 1) != 0; }

  Status Insert(Offset block, NodeId* node) {
    Status status = table_.Insert(block, node);
    if (status.ok()) ++node_count;
    return status;
  }
  Status InsertHolder(Offset header, NodeId* holder) { return table_.Insert(header + 1, holder); }
  void Move(NodeId node, Offset block) {
    table_.Move(node, block);
    ++layout_version;
  }
  // Takes a node out; returns its block.
  Offset Remove(NodeId node) {
    const Offset block = Find(node);
    table_.Remove(node);
    --node_count;
    return block;
  }

  // Blocks have moved, of nodes or of what is in them.
  void Moved() { ++layout_version; }

  uint64_t layout_version = 1;
  uint64_t node_count = 0;  // in the table, holders excepted

 private:
  NodeTable table_;
};

}  // namespace forkstore
