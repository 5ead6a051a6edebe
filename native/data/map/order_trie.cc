#include "data/map/order_trie.h"

#include <algorithm>
#include <cstring>

namespace forkstore {

using order_node::Bit;
using order_node::ChildField;
using order_node::Count;
using order_node::Digit;
using order_node::HeightFor;
using order_node::kLevelBits;
using order_node::kMaxChildren;
using order_node::kMaxHeight;

namespace {

Status Full() {
  return Status(Code::kFull, "no memory for an order node");
}

}  // namespace

Offset OrderTrie::NewNode(uint32_t digit, const uint64_t* children, uint32_t count) {
  const uint64_t bytes = order_node::Bytes(count);
  const Offset node = heap_.Allocate(bytes);
  if (node == kNone) return kNone;
  uint64_t* words = reinterpret_cast<uint64_t*>(heap_.Write(node, bytes));
  words[0] = order_node::Bits(digit, count);
  std::copy_n(children, count, words + 1);
  return node;
}

Offset OrderTrie::NewChain(uint64_t first, uint32_t height, const uint64_t* payloads, uint32_t count) {
  Offset nodes[kMaxHeight + 1];
  for (uint32_t h = 1; h <= height; h++) {
    nodes[h] =
        h == 1 ? NewNode(Digit(first, 1), payloads, count) : NewNode(Digit(first, h), &nodes[h - 1], 1);
    if (nodes[h] == kNone) {
      while (--h > 0) heap_.Free(nodes[h]);
      return kNone;
    }
  }
  return nodes[height];
}

bool OrderTrie::PutChildren(Offset field, uint32_t digit, const uint64_t* children, uint32_t count) {
  const Offset node = heap_.Read<uint64_t>(field);
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint64_t more = bitmap | order_node::Bits(digit, count);
  const uint32_t before = order_node::CountBelow(bitmap, digit);
  const uint32_t behind = Count(bitmap) - before;
  const Offset place = node + order_node::Bytes(before);
  if (heap_.Capacity(node) >= order_node::Bytes(before + count + behind)) {
    uint64_t* words = reinterpret_cast<uint64_t*>(heap_.Write(place, (count + behind) * sizeof(uint64_t)));
    std::copy_backward(words, words + behind, words + count + behind);
    std::copy_n(children, count, words);
    heap_.Mutate<uint64_t>(node) = more;
    return true;
  }
  const uint32_t room = std::min(std::max((before + behind) * 2, before + behind + count), kMaxChildren);
  const Offset larger = heap_.Allocate(order_node::Bytes(room));
  if (larger == kNone) return false;
  uint64_t* words =
      reinterpret_cast<uint64_t*>(heap_.Write(larger, order_node::Bytes(before + count + behind)));
  *words++ = more;
  words = std::copy_n(&heap_.Read<uint64_t>(node + order_node::Bytes(0)), before, words);
  words = std::copy_n(children, count, words);
  std::copy_n(&heap_.Read<uint64_t>(place), behind, words);
  heap_.Mutate<uint64_t>(field) = larger;
  heap_.Free(node);
  return true;
}

Status OrderTrie::InsertRun(uint64_t first, const uint64_t* payloads, uint64_t count) {
  while (count > 0) {
    const uint64_t piece = std::min<uint64_t>(count, kMaxChildren - Digit(first, 1));
    Status status = InsertInLeaf(first, payloads, static_cast<uint32_t>(piece));
    if (!status.ok()) return status;
    first += piece;
    payloads += piece;
    count -= piece;
  }
  return Status::Ok();
}

// Each step leaves a valid trie with the same entries, so that running out of memory after any of them
// is harmless: nodes on top go when the trie is emptied.
Status OrderTrie::InsertInLeaf(uint64_t first, const uint64_t* payloads, uint32_t count) {
  uint32_t height = heap_.Read<uint32_t>(height_);
  if (height == 0) {
    const uint32_t needed = HeightFor(first);
    const Offset top = NewChain(first, needed, payloads, count);
    if (top == kNone) return Full();
    heap_.Mutate<uint64_t>(top_) = top;
    heap_.Mutate<uint32_t>(height_) = needed;
    return Status::Ok();
  }
  for (; first >> (order_node::kLevelBits * height) != 0; height++) {
    const Offset top = NewNode(0, &heap_.Read<uint64_t>(top_), 1);
    if (top == kNone) return Full();
    heap_.Mutate<uint64_t>(top_) = top;
    heap_.Mutate<uint32_t>(height_) = height + 1;
  }

  Offset field = top_;  // of the lowest node on the way that there is
  for (; height > 1; height--) {
    const Offset node = heap_.Read<uint64_t>(field);
    const uint64_t bitmap = heap_.Read<uint64_t>(node);
    const uint32_t digit = Digit(first, height);
    if ((bitmap & Bit(digit)) == 0) break;
    field = ChildField(node, bitmap, digit);
  }
  if (height <= 1) return PutChildren(field, Digit(first, 1), payloads, count) ? Status::Ok() : Full();
  const Offset chain = NewChain(first, height - 1, payloads, count);
  if (chain == kNone) return Full();
  if (PutChildren(field, Digit(first, height), &chain, 1)) return Status::Ok();
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
  // Half empty: a little more than is used will do. Numbers that rise for ever never come back to a node, and
  // most nodes of an aged trie have few children: what they had room for would be most of the trie.
  const uint64_t room = (heap_.Capacity(node) - order_node::Bytes(0)) / sizeof(uint64_t);
  if (uint64_t{children} * 2 > room) return;
  const uint64_t enough = order_node::Bytes(children + children / 4);
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
  Detach detach;
  uint64_t released = 0;
};

uint64_t OrderTrie::RemoveRange(uint64_t first, uint64_t last, Release release, void* context,
                                Detach detach) {
  const uint32_t height = heap_.Read<uint32_t>(height_);
  if (height == 0 || first > last || first >> (order_node::kLevelBits * height) != 0) return 0;
  last = std::min(last, (uint64_t{1} << (order_node::kLevelBits * height)) - 1);
  Range range{first, last, release, context, detach};
  if (RemoveInside(top_, height, 0, true, true, &range)) {
    heap_.Mutate<uint64_t>(top_) = kNone;
    heap_.Mutate<uint32_t>(height_) = 0;
  }
  return range.released;
}

// `from_first`, `to_last`: the node is on the way to the range's first, last number; beyond that it goes as a
// whole.
bool OrderTrie::RemoveInside(Offset field, uint32_t height, uint64_t prefix, bool from_first, bool to_last,
                             Range* range) {
  const Offset node = heap_.Read<uint64_t>(field);
  const uint64_t bitmap = heap_.Read<uint64_t>(node);
  const uint32_t first = from_first ? Digit(range->first, height) : 0;
  const uint32_t last = to_last ? Digit(range->last, height) : kMaxChildren - 1;
  uint64_t gone = bitmap & ~(Bit(first) - 1) & (~uint64_t{0} >> (kMaxChildren - 1 - last));
  Offset child = ChildField(node, bitmap, first);
  for (uint64_t rest = gone; rest != 0; rest &= rest - 1, child += sizeof(uint64_t)) {
    const uint32_t digit = static_cast<uint32_t>(std::countr_zero(rest));
    const uint64_t below = prefix | static_cast<uint64_t>(digit) << (kLevelBits * (height - 1));
    const bool on_way = (from_first && digit == first) || (to_last && digit == last);
    if (height == 1) range->released++;
    if (range->detach != nullptr && (height == 1 || !on_way)) {
      range->detach(range->context, Part{below, heap_.Read<uint64_t>(child), height - 1});
    } else if (height == 1) {
      if (range->release != nullptr) range->release(range->context, heap_.Read<uint64_t>(child));
    } else if (!RemoveInside(child, height - 1, below, from_first && digit == first, to_last && digit == last,
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
