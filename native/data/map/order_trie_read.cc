// What reads a trie, takes one over from an image, and gives one back.
#include <algorithm>
#include <cstring>

#include "data/map/order_trie.h"

namespace forkstore {

using order_node::Bit;
using order_node::ChildField;
using order_node::Count;
using order_node::Digit;
using order_node::kLevelBits;
using order_node::kMaxHeight;

namespace {

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, what);
}

}  // namespace

// Calls leaf(field, children, prefix) for the children of each leaf with sequence >= `from`, in order, until
// it returns false: `children` are the bits to be visited, the last ones of the leaf; `field` is that of the
// first of them; `prefix` is the sequence without its last digit.
template <typename Leaf>
void OrderTrie::VisitLeaves(const Heap& heap, Offset top, uint32_t top_height, uint64_t from, Leaf leaf) {
  Offset nodes[kMaxHeight + 1];
  uint64_t rest[kMaxHeight + 1];  // children of nodes[h] not visited yet
  if (top_height == 0 || from >> (kLevelBits * top_height) != 0) return;

  uint32_t height = top_height;
  nodes[height] = top;
  rest[height] = heap.Read<uint64_t>(nodes[height]) & ~(Bit(Digit(from, height)) - 1);
  uint64_t prefix = 0;
  // So far down exactly the way to `from`; once off it, what comes next is beyond it.
  bool on_path = true;
  for (;;) {
    // What is left are the last children, since they are visited in order.
    const uint32_t left = Count(rest[height]);
    const uint32_t all = Count(heap.Read<uint64_t>(nodes[height]));
    const Offset field = nodes[height] + order_node::Bytes(all - left);
    if (height == 1 && left != 0 && !leaf(field, rest[1], prefix)) return;
    if (height == 1 || left == 0) {
      if (++height > top_height) return;
      continue;
    }
    const uint32_t digit = static_cast<uint32_t>(std::countr_zero(rest[height]));
    on_path = on_path && digit == Digit(from, height);
    rest[height] &= rest[height] - 1;
    height--;
    const uint32_t shift = kLevelBits * height;
    prefix = (prefix >> shift >> kLevelBits << kLevelBits | digit) << shift;
    nodes[height] = heap.Read<uint64_t>(field);
    rest[height] = heap.Read<uint64_t>(nodes[height]);
    if (on_path) rest[height] &= ~(Bit(Digit(from, height)) - 1);
  }
}

uint32_t OrderTrie::Scan(uint64_t from, uint32_t limit, uint64_t* payloads) const {
  uint32_t found = 0;
  if (limit == 0) return 0;
  const auto copy = [&](Offset field, uint64_t children, uint64_t) {
    const uint32_t taken = std::min(Count(children), limit - found);
    std::memcpy(payloads + found, heap_.At(field), taken * sizeof(uint64_t));
    found += taken;
    return found < limit;
  };
  VisitLeaves(heap_, heap_.Read<uint64_t>(top_), heap_.Read<uint32_t>(height_), from, copy);
  return found;
}

uint32_t OrderTrie::ScanPlaces(uint64_t from, uint32_t limit, Place* places) const {
  return ScanBelow(heap_, heap_.Read<uint64_t>(top_), heap_.Read<uint32_t>(height_), from, limit, places);
}

uint32_t OrderTrie::ScanPart(const Heap& heap, const Part& part, uint64_t from, uint32_t limit,
                             Place* places) {
  const uint32_t found = ScanBelow(heap, part.top, part.height, from - part.first, limit, places);
  for (uint32_t i = 0; i < found; i++) places[i].sequence += part.first;
  return found;
}

uint32_t OrderTrie::ScanBelow(const Heap& heap, Offset top, uint32_t height, uint64_t from, uint32_t limit,
                              Place* places) {
  uint32_t found = 0;
  if (limit == 0) return 0;
  VisitLeaves(heap, top, height, from, [&](Offset field, uint64_t children, uint64_t prefix) {
    for (; children != 0 && found < limit; children &= children - 1, field += sizeof(uint64_t)) {
      places[found++] = Place{prefix | static_cast<uint64_t>(std::countr_zero(children)), field};
    }
    return found < limit;
  });
  return found;
}

namespace {

struct Reclaiming {
  Heap heap;
  OrderTrie::Release release;
  void* context;
  uint32_t budget;
};

// Takes children away from the end, so that what is left is a valid node when the budget is used up.
bool ReclaimNode(Reclaiming* reclaiming, Offset node, uint32_t height) {
  Heap& heap = reclaiming->heap;
  uint64_t bitmap = heap.Read<uint64_t>(node);
  while (bitmap != 0 && reclaiming->budget != 0) {
    const uint32_t last = 63 - static_cast<uint32_t>(std::countl_zero(bitmap));
    const uint64_t child = heap.Read<uint64_t>(ChildField(node, bitmap, last));
    if (height == 1) {
      reclaiming->release(reclaiming->context, child);
      reclaiming->budget--;
    } else if (!ReclaimNode(reclaiming, child, height - 1)) {
      break;
    }
    bitmap &= ~Bit(last);
  }
  if (reclaiming->budget == 0) {
    heap.Mutate<uint64_t>(node) = bitmap;
    return false;
  }
  heap.Free(node);
  reclaiming->budget--;
  return true;
}

}  // namespace

bool OrderTrie::Reclaim(Heap heap, Offset* top, uint32_t* height, uint32_t* budget, Release release,
                        void* context) {
  if (*top == kNone) return true;
  Reclaiming reclaiming{heap, release, context, *budget};
  const bool done = ReclaimNode(&reclaiming, *top, *height);
  *budget = reclaiming.budget;
  if (!done) return false;
  *top = kNone;
  *height = 0;
  return true;
}

Status OrderTrie::Restore(Visit visit, void* context) {
  const Offset top = heap_.Read<uint64_t>(top_);
  const uint32_t height = heap_.Read<uint32_t>(height_);
  if (top == kNone && height == 0) return Status::Ok();
  if (height == 0 || height > kMaxHeight) return Corrupt("order: bad height");
  return RestoreNode(top, height, 0, visit, context);
}

Status OrderTrie::RestoreNode(Offset node, uint32_t height, uint64_t prefix, Visit visit, void* context) {
  if (heap_.allocator.CapacityIfBlock(node) < order_node::Bytes(1)) return Corrupt("order: bad node");
  uint64_t bitmap = heap_.Read<uint64_t>(node);
  // An empty node would never be freed: nodes go with their last child.
  if (bitmap == 0) return Corrupt("order: an empty node");
  const uint32_t children = Count(bitmap);
  if (!heap_.allocator.MarkLive(node, order_node::Bytes(children))) return Corrupt("order: bad node");
  constexpr uint32_t kAhead = 8;  // blocks asked for before they are visited
  const uint64_t frontier = heap_.arena.frontier();
  Offset field = node + order_node::Bytes(0);
  for (uint32_t i = 0; i < children; i++, bitmap &= bitmap - 1, field += sizeof(uint64_t)) {
    const uint64_t place = prefix | static_cast<uint64_t>(std::countr_zero(bitmap))
                                        << (kLevelBits * (height - 1));
    const uint64_t child = heap_.Read<uint64_t>(field);
    if (height > 1) {
      Status status = RestoreNode(child, height - 1, place, visit, context);
      if (!status.ok()) return status;
      continue;
    }
    if (i + kAhead < children) {
      const uint64_t ahead = heap_.Read<uint64_t>(field + kAhead * sizeof(uint64_t));
      // Slots are no offsets; nearly all of them are beyond the frontier.
      if (ahead < frontier) {
        __builtin_prefetch(heap_.At(ahead));
        __builtin_prefetch(heap_.At(ahead) + 64);
      }
    }
    if (!visit(context, place, child)) return Corrupt("order: bad record");
  }
  return Status::Ok();
}

}  // namespace forkstore
