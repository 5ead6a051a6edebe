#include "data/node/node_table.h"

#include <algorithm>

namespace forkstore {

Status NodeTable::Insert(Offset block, NodeId* node) {
  const NodeId id = next();
  if (id > kMaxNode) return Status(Code::kFull, "the ids of nodes are used up");
  Status status = trie_.Insert(id, block);
  if (!status.ok()) return status;
  heap_.Mutate<uint64_t>(next_) = id + 1;
  *node = id;
  return Status::Ok();
}

uint32_t NodeTable::Scan(NodeId from, uint32_t limit, NodeId* nodes, Offset* blocks) const {
  constexpr uint32_t kPiece = 64;
  OrderTrie::Place places[kPiece];
  uint32_t found = 0;
  while (found < limit) {
    const uint32_t piece = std::min(limit - found, kPiece);
    const uint32_t count = trie_.ScanPlaces(from, piece, places);
    for (uint32_t i = 0; i < count; i++, found++) {
      nodes[found] = places[i].sequence;
      blocks[found] = heap_.Read<uint64_t>(places[i].field);
    }
    if (count < piece) break;
    from = places[count - 1].sequence + 1;
  }
  return found;
}

namespace {

struct Restoring {
  NodeTable::Visit visit;
  void* context;
  NodeId next;
};

}  // namespace

Status NodeTable::Restore(Visit visit, void* context) {
  const NodeId stored = heap_.Read<uint64_t>(next_);
  if (stored == kRootNode || stored > kMaxNode + 1) return Status(Code::kCorrupt, "nodes: bad next id");
  Restoring restoring{visit, context, next()};
  return trie_.Restore(
      [](void* raw, uint64_t node, uint64_t block) {
        const Restoring* r = static_cast<const Restoring*>(raw);
        return node >= kRootNode && node < r->next && r->visit(r->context, node, block);
      },
      &restoring);
}

}  // namespace forkstore
