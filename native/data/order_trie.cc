#include "data/order_trie.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace forkstore {

namespace {

constexpr uint32_t kLevelBits = 6;
constexpr uint32_t kMaxChildren = 1u << kLevelBits;
constexpr uint32_t kMaxHeight = 8;  // 48 bits of sequence

uint64_t NodeBytes(uint32_t children) {
  return 8 + uint64_t{children} * sizeof(Offset);
}

// Which child of a node of this height (leaves have 1) leads to the sequence.
uint32_t Digit(uint64_t sequence, uint32_t height) {
  return static_cast<uint32_t>(sequence >> (kLevelBits * (height - 1))) & (kMaxChildren - 1);
}

uint64_t Bit(uint32_t digit) {
  return uint64_t{1} << digit;
}

// Where the child with this digit is, or would be: children are packed in the order of their bits.
Offset ChildField(Offset node, uint64_t bitmap, uint32_t digit) {
  return node + NodeBytes(static_cast<uint32_t>(std::popcount(bitmap & (Bit(digit) - 1))));
}

uint32_t HeightFor(uint64_t sequence) {
  uint32_t height = 1;
  while (sequence >> (kLevelBits * height) != 0) height++;
  return height;
}

Status Full() {
  return Status(Code::kFull, "no memory for an order node");
}

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, what);
}

}  // namespace

// The nodes on the way to a sequence, by height; fields[h] holds the offset of nodes[h].
struct OrderTrie::Path {
  Offset fields[kMaxHeight + 1] = {};
  Offset nodes[kMaxHeight + 1] = {};
  uint32_t height = 0;  // of the lowest node found
};

// Goes down as far as there are nodes; true when it reached the leaf. REQUIRES: the trie is not empty
// and its height covers the sequence.
bool OrderTrie::Walk(uint64_t sequence, Path* path) const {
  uint32_t height = heap_.Read<uint32_t>(height_);
  path->fields[height] = top_;
  for (;;) {
    const Offset node = heap_.Read<uint64_t>(path->fields[height]);
    path->nodes[height] = node;
    path->height = height;
    if (height == 1) return true;
    const uint64_t bitmap = heap_.Read<uint64_t>(node);
    const uint32_t digit = Digit(sequence, height);
    if ((bitmap & Bit(digit)) == 0) return false;
    height--;
    path->fields[height] = ChildField(node, bitmap, digit);
  }
}

bool OrderTrie::Resize(Offset field, uint32_t capacity) {
  const Offset node = heap_.Read<uint64_t>(field);
  const Offset copy = heap_.Allocate(NodeBytes(capacity));
  if (copy == kNone) return false;
  const uint64_t used = NodeBytes(static_cast<uint32_t>(std::popcount(heap_.Read<uint64_t>(node))));
  std::memcpy(heap_.Write(copy, used), heap_.At(node), used);
  heap_.Mutate<uint64_t>(field) = copy;
  heap_.Free(node);
  return true;
}

// Each step leaves a valid trie with the same entries, so that running out of memory after any of them
// is harmless: nodes on top go when the trie is emptied, room in a node when it shrinks.
Status OrderTrie::Reserve(uint64_t sequence) {
  const uint32_t needed = HeightFor(sequence);
  uint32_t missing = needed;  // heights 1..missing have to be made
  Offset link = top_;         // the field that will refer to them
  uint32_t link_digit = 0;
  Offset parent = kNone;
  if (heap_.Read<uint64_t>(top_) != kNone) {
    while (heap_.Read<uint32_t>(height_) < needed) {
      const Offset top = heap_.Allocate(NodeBytes(1));
      if (top == kNone) return Full();
      uint64_t* words = reinterpret_cast<uint64_t*>(heap_.Write(top, NodeBytes(1)));
      words[0] = Bit(0);
      words[1] = heap_.Read<uint64_t>(top_);
      heap_.Mutate<uint64_t>(top_) = top;
      heap_.Mutate<uint32_t>(height_)++;
    }
    Path path;
    Walk(sequence, &path);
    const uint32_t height = path.height;
    const uint32_t children = static_cast<uint32_t>(std::popcount(heap_.Read<uint64_t>(path.nodes[height])));
    if (heap_.Capacity(path.nodes[height]) < NodeBytes(children + 1)) {
      const uint32_t capacity = std::clamp(children * 2, 1u, kMaxChildren);
      if (!Resize(path.fields[height], capacity)) return Full();
    }
    if (height == 1) return Status::Ok();
    missing = height - 1;
    parent = heap_.Read<uint64_t>(path.fields[height]);
    link_digit = Digit(sequence, height);
    link = ChildField(parent, heap_.Read<uint64_t>(parent), link_digit);
  }

  Offset chain[kMaxHeight + 1] = {};
  for (uint32_t height = 1; height <= missing; height++) {
    chain[height] = heap_.Allocate(NodeBytes(1));
    if (chain[height] == kNone) {
      while (--height > 0) heap_.Free(chain[height]);
      return Full();
    }
    uint64_t* words = reinterpret_cast<uint64_t*>(heap_.Write(chain[height], NodeBytes(1)));
    words[0] = height == 1 ? 0 : Bit(Digit(sequence, height));
    words[1] = height == 1 ? kNone : chain[height - 1];
  }
  heap_.Mutate<uint64_t>(link) = chain[missing];
  if (parent == kNone) {
    heap_.Mutate<uint32_t>(height_) = needed;
  } else {
    heap_.Mutate<uint64_t>(parent) |= Bit(link_digit);
  }
  return Status::Ok();
}

void OrderTrie::Append(uint64_t sequence, Offset record) {
  Path path;
  Walk(sequence, &path);
  const Offset leaf = path.nodes[1];
  const uint64_t bitmap = heap_.Read<uint64_t>(leaf);
  const uint32_t digit = Digit(sequence, 1);
  heap_.Mutate<uint64_t>(ChildField(leaf, bitmap, digit)) = record;
  heap_.Mutate<uint64_t>(leaf) = bitmap | Bit(digit);
}

void OrderTrie::Replace(uint64_t sequence, Offset record) {
  Path path;
  Walk(sequence, &path);
  const Offset leaf = path.nodes[1];
  heap_.Mutate<uint64_t>(ChildField(leaf, heap_.Read<uint64_t>(leaf), Digit(sequence, 1))) = record;
}

void OrderTrie::Remove(uint64_t sequence) {
  Path path;
  Walk(sequence, &path);
  const uint32_t top_height = heap_.Read<uint32_t>(height_);
  for (uint32_t height = 1; height <= top_height; height++) {
    const Offset node = path.nodes[height];
    const uint64_t bitmap = heap_.Read<uint64_t>(node);
    const uint64_t bit = Bit(Digit(sequence, height));
    if (bitmap == bit) {
      heap_.Free(node);
      continue;  // and out of its parent
    }
    const Offset field = ChildField(node, bitmap, Digit(sequence, height));
    const uint32_t children = static_cast<uint32_t>(std::popcount(bitmap)) - 1;
    const uint64_t behind = node + NodeBytes(children) - field;
    if (behind != 0) {
      uint8_t* bytes = heap_.Write(field, behind);
      std::memmove(bytes, bytes + sizeof(Offset), behind);
    }
    heap_.Mutate<uint64_t>(node) = bitmap & ~bit;
    // A quarter full: half of it will do, and leaves room for both directions.
    const uint64_t capacity = heap_.Capacity(node);
    if (capacity >= NodeBytes(children * 4) && NodeBytes(children * 2) < capacity) {
      // No memory to shrink: then it stays as it is.
      Resize(path.fields[height], children * 2);
    }
    return;
  }
  heap_.Mutate<uint64_t>(top_) = kNone;
  heap_.Mutate<uint32_t>(height_) = 0;
}

uint32_t OrderTrie::Scan(uint64_t from, uint32_t limit, Offset* records) const {
  Offset nodes[kMaxHeight + 1];
  uint64_t rest[kMaxHeight + 1];  // children of nodes[h] not visited yet
  const uint32_t top_height = heap_.Read<uint32_t>(height_);
  if (top_height == 0 || limit == 0 || from >> (kLevelBits * top_height) != 0) return 0;

  uint32_t height = top_height;
  nodes[height] = heap_.Read<uint64_t>(top_);
  rest[height] = heap_.Read<uint64_t>(nodes[height]) & ~(Bit(Digit(from, height)) - 1);
  // So far down exactly the way to `from`; once off it, what comes next is beyond it.
  bool on_path = true;
  uint32_t found = 0;
  for (;;) {
    // What is left are the last children, since they are visited in order.
    const uint32_t left = static_cast<uint32_t>(std::popcount(rest[height]));
    const uint32_t all = static_cast<uint32_t>(std::popcount(heap_.Read<uint64_t>(nodes[height])));
    const Offset field = nodes[height] + NodeBytes(all - left);
    if (height == 1) {
      const uint32_t taken = std::min(left, limit - found);
      if (taken != 0) std::memcpy(records + found, heap_.At(field), taken * sizeof(Offset));
      found += taken;
      if (found == limit) return found;
    }
    if (height == 1 || left == 0) {
      if (++height > top_height) return found;
      continue;
    }
    const uint32_t digit = static_cast<uint32_t>(std::countr_zero(rest[height]));
    on_path = on_path && digit == Digit(from, height);
    rest[height] &= rest[height] - 1;
    height--;
    nodes[height] = heap_.Read<uint64_t>(field);
    rest[height] = heap_.Read<uint64_t>(nodes[height]);
    if (on_path) rest[height] &= ~(Bit(Digit(from, height)) - 1);
  }
}

namespace {

// Takes children away from the end, so that what is left is a valid node when the budget is used up.
bool ReclaimNode(Heap heap, Offset node, uint32_t height, uint32_t* budget) {
  uint64_t bitmap = heap.Read<uint64_t>(node);
  while (bitmap != 0 && *budget != 0) {
    const uint32_t last = 63 - static_cast<uint32_t>(std::countl_zero(bitmap));
    const Offset child = heap.Read<uint64_t>(ChildField(node, bitmap, last));
    if (height == 1) {
      heap.Free(child);
      --*budget;
    } else if (!ReclaimNode(heap, child, height - 1, budget)) {
      break;
    }
    bitmap &= ~Bit(last);
  }
  if (*budget == 0) {
    heap.Mutate<uint64_t>(node) = bitmap;
    return false;
  }
  heap.Free(node);
  --*budget;
  return true;
}

}  // namespace

bool OrderTrie::Reclaim(Heap heap, Offset* top, uint32_t* height, uint32_t* budget) {
  if (*top == kNone) return true;
  if (!ReclaimNode(heap, *top, *height, budget)) return false;
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
  if (heap_.allocator.CapacityIfBlock(node) < NodeBytes(1)) return Corrupt("order: bad node");
  uint64_t bitmap = heap_.Read<uint64_t>(node);
  // An empty node would never be freed: nodes go with their last child.
  if (bitmap == 0) return Corrupt("order: an empty node");
  const uint32_t children = static_cast<uint32_t>(std::popcount(bitmap));
  if (!heap_.allocator.MarkLive(node, NodeBytes(children))) return Corrupt("order: bad node");
  constexpr uint32_t kAhead = 8;  // records asked for before they are visited
  const uint64_t frontier = heap_.arena.frontier();
  Offset field = node + NodeBytes(0);
  for (uint32_t i = 0; i < children; i++, bitmap &= bitmap - 1, field += sizeof(Offset)) {
    const uint64_t place = prefix | static_cast<uint64_t>(std::countr_zero(bitmap))
                                        << (kLevelBits * (height - 1));
    const Offset child = heap_.Read<uint64_t>(field);
    if (height > 1) {
      Status status = RestoreNode(child, height - 1, place, visit, context);
      if (!status.ok()) return status;
      continue;
    }
    if (i + kAhead < children) {
      const Offset ahead = heap_.Read<uint64_t>(field + kAhead * sizeof(Offset));
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
