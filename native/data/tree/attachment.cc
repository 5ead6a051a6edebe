#include "data/tree/attachment.h"

namespace forkstore {
namespace {

constexpr uint64_t kPlaces = 4096;
// Of a long way, the nodes near its beginning are remembered, and of the others one now and then: so that
// others which start from there come upon one of them.
constexpr uint64_t kNear = 1024;
constexpr uint64_t kDistance = 64;

// Scattered, as ids on a way may lie at equal distances.
uint64_t PlaceOf(NodeId node) {
  return (node * 0x9E3779B97F4A7C15) >> 52;
}
static_assert(uint64_t{1} << (64 - 52) == kPlaces);

}  // namespace

const Attachment::Known* Attachment::Find(NodeId node) const {
  const Known& known = known_[PlaceOf(node)];
  return known.node == node && known.burials == garbage_->burials() ? &known : nullptr;
}

bool Attachment::IsAttached(NodeId node, Offset block) {
  if (known_.empty()) known_.resize(kPlaces);
  bool is_attached = true;
  uint64_t count = 0;
  for (NodeId at = node;;) {
    if (const Known* known = Find(at); known != nullptr) {
      is_attached = known->is_attached;
      break;
    }
    ++count;
    const NodeId parent = ParentOf(block);
    if (parent == 0 || nodes_->IsHolder(parent)) break;
    block = garbage_->IsCutOff(parent, at) ? kNone : nodes_->Find(parent);
    is_attached = block != kNone;
    if (!is_attached) break;
    at = parent;
  }
  steps_ += count;
  Remember(node, count, is_attached);
  return is_attached;
}

void Attachment::Remember(NodeId node, uint64_t count, bool is_attached) {
  const uint64_t burials = garbage_->burials();
  for (uint64_t i = 0; i < count; ++i) {
    if (i < kNear || i % kDistance == 0) known_[PlaceOf(node)] = Known{node, burials, is_attached};
    if (i + 1 < count) node = ParentOf(nodes_->Find(node));
  }
}

}  // namespace forkstore
