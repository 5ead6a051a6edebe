#include "data/order_trie.h"

#include <algorithm>
#include <cstring>

namespace forkstore {

using order_node::Bit;
using order_node::ChildField;
using order_node::Count;
using order_node::Digit;
using order_node::HeightFor;
using order_node::kMaxChildren;
using order_node::kMaxHeight;

namespace {

Status Full() {
  return Status(Code::kFull, "no memory for an order node");
}

}  // namespace

Offset OrderTrie::NewNode(uint64_t bitmap, uint64_t child) {
  const Offset node = heap_.Allocate(order_node::Bytes(1));
  if (node == kNone) return kNone;
  uint64_t* words = reinterpret_cast<uint64_t*>(heap_.Write(node, order_node::Bytes(1)));
  words[0] = bitmap;
  words[1] = child;
  return node;
}

Offset OrderTrie::NewChain(uint64_t sequence, uint32_t height, uint64_t payload) {
  Offset nodes[kMaxHeight];
  uint64_t child = payload;
  for (uint32_t i = 0; i < height; i++) {
    nodes[i] = NewNode(Bit(Digit(sequence, i + 1)), child);
    if (nodes[i] == kNone) {
      while (i-- > 0) heap_.Free(nodes[i]);
      return kNone;
    }
    child = nodes[i];
  }
  return child;
}

bool OrderTrie::PutChild(Offset field, uint32_t digit, uint64_t child) {
  const Offset node = heap_.Read<uint64_t>(field);
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint32_t children = Count(bitmap);
  const Offset place = ChildField(node, bitmap, digit);
  const uint64_t before = place - node;
  const uint64_t behind = order_node::Bytes(children) - before;
  if (heap_.Capacity(node) >= order_node::Bytes(children + 1)) {
    uint8_t* bytes = heap_.Write(place, sizeof(child) + behind);
    if (behind != 0) std::memmove(bytes + sizeof(child), bytes, behind);
    std::memcpy(bytes, &child, sizeof(child));
    heap_.Mutate<uint64_t>(node) = bitmap | Bit(digit);
    return true;
  }
  const Offset larger = heap_.Allocate(order_node::Bytes(std::min(children * 2, kMaxChildren)));
  if (larger == kNone) return false;
  uint8_t* bytes = heap_.Write(larger, order_node::Bytes(children + 1));
  std::memcpy(bytes, heap_.At(node), before);
  std::memcpy(bytes + before, &child, sizeof(child));
  std::memcpy(bytes + before + sizeof(child), heap_.At(place), behind);
  const uint64_t more = bitmap | Bit(digit);
  std::memcpy(bytes, &more, sizeof(more));
  heap_.Mutate<uint64_t>(field) = larger;
  heap_.Free(node);
  return true;
}

// Each step leaves a valid trie with the same entries, so that running out of memory after any of them
// is harmless: nodes on top go when the trie is emptied.
Status OrderTrie::Insert(uint64_t sequence, uint64_t payload) {
  uint32_t height = heap_.Read<uint32_t>(height_);
  if (height == 0) {
    const uint32_t needed = HeightFor(sequence);
    const Offset top = NewChain(sequence, needed, payload);
    if (top == kNone) return Full();
    heap_.Mutate<uint64_t>(top_) = top;
    heap_.Mutate<uint32_t>(height_) = needed;
    return Status::Ok();
  }
  for (; sequence >> (order_node::kLevelBits * height) != 0; height++) {
    const Offset top = NewNode(Bit(0), heap_.Read<uint64_t>(top_));
    if (top == kNone) return Full();
    heap_.Mutate<uint64_t>(top_) = top;
    heap_.Mutate<uint32_t>(height_) = height + 1;
  }

  Offset field = top_;  // of the lowest node on the way that there is
  for (; height > 1; height--) {
    const Offset node = heap_.Read<uint64_t>(field);
    const uint64_t bitmap = heap_.Read<uint64_t>(node);
    const uint32_t digit = Digit(sequence, height);
    if ((bitmap & Bit(digit)) == 0) break;
    field = ChildField(node, bitmap, digit);
  }
  if (height == 1) return PutChild(field, Digit(sequence, 1), payload) ? Status::Ok() : Full();
  const Offset chain = NewChain(sequence, height - 1, payload);
  if (chain == kNone) return Full();
  if (PutChild(field, Digit(sequence, height), chain)) return Status::Ok();
  for (Offset node = chain; --height > 0;) {
    const Offset below = heap_.Read<uint64_t>(node + order_node::Bytes(0));
    heap_.Free(node);
    node = below;
  }
  return Full();
}

void OrderTrie::Replace(uint64_t sequence, uint64_t payload) {
  heap_.Mutate<uint64_t>(FindField(sequence)) = payload;
}

void OrderTrie::DropChildren(Offset field, uint64_t gone) {
  const Offset node = heap_.Read<uint64_t>(field);
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint64_t left = bitmap & ~gone;
  const uint32_t children = Count(left);
  const Offset place = ChildField(node, bitmap, static_cast<uint32_t>(std::countr_zero(gone)));
  const uint64_t behind = node + order_node::Bytes(children) - place;
  if (behind != 0) {
    uint8_t* bytes = heap_.Write(place, behind);
    std::memmove(bytes, bytes + Count(gone) * sizeof(uint64_t), behind);
  }
  heap_.Mutate<uint64_t>(node) = left;
  // A quarter full: half of it will do, and leaves room for both directions.
  const uint64_t capacity = heap_.Capacity(node);
  const uint64_t enough = order_node::Bytes(children * 2);
  if (capacity < order_node::Bytes(children * 4) || enough >= capacity) return;
  const Offset smaller = heap_.Allocate(enough);
  if (smaller == kNone) return;  // then it stays as it is
  const uint64_t used = order_node::Bytes(children);
  std::memcpy(heap_.Write(smaller, used), heap_.At(node), used);
  heap_.Mutate<uint64_t>(field) = smaller;
  heap_.Free(node);
}

void OrderTrie::Remove(uint64_t sequence) {
  Offset fields[kMaxHeight + 1];  // of the node of each height on the way
  const uint32_t top_height = heap_.Read<uint32_t>(height_);
  fields[top_height] = top_;
  for (uint32_t height = top_height; height > 1; height--) {
    const Offset node = heap_.Read<uint64_t>(fields[height]);
    fields[height - 1] = ChildField(node, heap_.Read<uint64_t>(node), Digit(sequence, height));
  }
  for (uint32_t height = 1; height <= top_height; height++) {
    const Offset node = heap_.Read<uint64_t>(fields[height]);
    const uint64_t bit = Bit(Digit(sequence, height));
    if (heap_.Read<uint64_t>(node) != bit) {
      DropChildren(fields[height], bit);
      return;
    }
    heap_.Free(node);  // and out of its parent
  }
  heap_.Mutate<uint64_t>(top_) = kNone;
  heap_.Mutate<uint32_t>(height_) = 0;
}

struct OrderTrie::Range {
  uint64_t first;
  uint64_t last;
  Release release;
  void* context;
  uint64_t removed = 0;
};

uint64_t OrderTrie::RemoveRange(uint64_t first, uint64_t last, Release release, void* context) {
  const uint32_t height = heap_.Read<uint32_t>(height_);
  if (height == 0 || first > last || first >> (order_node::kLevelBits * height) != 0) return 0;
  last = std::min(last, (uint64_t{1} << (order_node::kLevelBits * height)) - 1);
  Range range{first, last, release, context};
  if (RemoveInside(top_, height, true, true, &range)) {
    heap_.Mutate<uint64_t>(top_) = kNone;
    heap_.Mutate<uint32_t>(height_) = 0;
  }
  return range.removed;
}

// `from_first`, `to_last`: the node is on the way to the range's first, last number; beyond that it goes as a
// whole.
bool OrderTrie::RemoveInside(Offset field, uint32_t height, bool from_first, bool to_last, Range* range) {
  const Offset node = heap_.Read<uint64_t>(field);
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint32_t first = from_first ? Digit(range->first, height) : 0;
  const uint32_t last = to_last ? Digit(range->last, height) : kMaxChildren - 1;
  uint64_t gone = bitmap & ~(Bit(first) - 1) & (~uint64_t{0} >> (kMaxChildren - 1 - last));
  Offset child = ChildField(node, bitmap, first);
  for (uint64_t rest = gone; rest != 0; rest &= rest - 1, child += sizeof(uint64_t)) {
    const uint32_t digit = static_cast<uint32_t>(std::countr_zero(rest));
    if (height == 1) {
      range->removed++;
      if (range->release != nullptr) range->release(range->context, heap_.Read<uint64_t>(child));
    } else if (!RemoveInside(child, height - 1, from_first && digit == first, to_last && digit == last,
                             range)) {
      gone &= ~Bit(digit);
    }
  }
  if (gone == bitmap) {
    heap_.Free(node);
    return true;
  }
  if (gone != 0) DropChildren(field, gone);
  return false;
}

}  // namespace forkstore
