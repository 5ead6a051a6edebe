// How the nodes of an OrderTrie lie in their blocks: a bitmap of the children there are, then one u64 for
// each of them, in the order of their digits (six bits of the sequence number a level).
#pragma once

#include <bit>
#include <cstdint>

#include "memory/layout.h"

namespace forkstore::order_node {

inline constexpr uint32_t kLevelBits = 6;
inline constexpr uint32_t kMaxChildren = 1u << kLevelBits;
inline constexpr uint32_t kMaxHeight = 8;  // 48 bits of sequence

inline uint64_t Bytes(uint32_t children) {
  return 8 + uint64_t{children} * sizeof(uint64_t);
}

// Which child of a node of this height (leaves have 1) leads to the sequence.
inline uint32_t Digit(uint64_t sequence, uint32_t height) {
  return static_cast<uint32_t>(sequence >> (kLevelBits * (height - 1))) & (kMaxChildren - 1);
}

inline uint64_t Bit(uint32_t digit) {
  return uint64_t{1} << digit;
}

// `count` (> 0) of them from this digit on.
inline uint64_t Bits(uint32_t digit, uint32_t count) {
  return ~uint64_t{0} >> (kMaxChildren - count) << digit;
}

inline uint32_t Count(uint64_t bitmap) {
  return static_cast<uint32_t>(std::popcount(bitmap));
}

// Children below this digit. Most bitmaps are one run of bits, for which a difference will do: every
// processor can count bits, but a program that has to run on the oldest of them must not rely on it.
inline uint32_t CountBelow(uint64_t bitmap, uint32_t digit) {
  const uint64_t below = bitmap & (Bit(digit) - 1);
  if (below == 0) return 0;
  const uint32_t lowest = static_cast<uint32_t>(std::countr_zero(below));
  return below == Bit(digit) - Bit(lowest) ? digit - lowest : Count(below);
}

// Where the child with this digit is, or would be.
inline Offset ChildField(Offset node, uint64_t bitmap, uint32_t digit) {
  return node + Bytes(CountBelow(bitmap, digit));
}

inline uint32_t HeightFor(uint64_t sequence) {
  uint32_t height = 1;
  while (sequence >> (kLevelBits * height) != 0) height++;
  return height;
}

}  // namespace forkstore::order_node
