// Node: how objects and arrays of the live tree lie in their blocks; docs/format.md, section 4 "Nodes".
#pragma once

#include <cstdint>

#include "data/value/value.h"
#include "memory/layout.h"

namespace forkstore {

using NodeId = uint64_t;

inline constexpr NodeId kRootNode = 1;
inline constexpr NodeId kMaxNode = (uint64_t{1} << 47) - 1;
inline constexpr uint32_t kMaxSmallMembers = 64;                   // of a SHAPED, DICTIONARY or LIST node
inline constexpr uint64_t kMaxInlineBytes = 128;                   // of a body that lies in its node's block
inline constexpr uint64_t kFirstNameSequence = uint64_t{1} << 32;  // in a TABLE, of names that are no index
inline constexpr uint64_t kFirstOrigin = uint64_t{1} << 35;        // of a SEQUENCE

enum class NodeKind : uint32_t { kShaped = 0, kDictionary = 1, kTable = 2, kList = 3, kSequence = 4 };

// The first word of a node's block.
struct NodeHead {
  NodeId parent = 0;
  NodeKind kind = NodeKind::kShaped;
  uint32_t shape = 0;

  static NodeHead Of(uint64_t word) {
    return {word & ((uint64_t{1} << 48) - 1), static_cast<NodeKind>(word >> 48 & 15),
            static_cast<uint32_t>(word >> 52)};
  }
  uint64_t word() const {
    return parent | uint64_t{static_cast<uint32_t>(kind)} << 48 | uint64_t{shape} << 52;
  }
  bool is_array() const { return kind == NodeKind::kList || kind == NodeKind::kSequence; }
};

// The block of a SEQUENCE.
struct SequenceBlock {
  uint64_t head;
  uint64_t length;
  uint64_t origin;
  uint64_t items;
  uint32_t items_height;
  uint32_t zero;
};
static_assert(sizeof(SequenceBlock) == 40);

inline bool IsNodeSlot(Slot slot) {
  return slot.high >> 15 == 0x1FFF1;
}
inline NodeId SlotNode(Slot slot) {
  return uint64_t{slot.high & 0x7FFF} << 32 | slot.low;
}
inline Slot NodeSlot(NodeId node) {
  return {static_cast<uint32_t>(node), 0xFFF88000u | static_cast<uint32_t>(node >> 32)};
}
inline bool IsBoxSlot(Slot slot) {
  return slot.high >> 14 == 0x3FFE1;
}
inline Offset SlotBox(Slot slot) {
  return (uint64_t{slot.high & 0x3FFF} << 32 | slot.low) * 8;
}
inline Slot BoxSlot(Offset block) {
  const uint64_t number = block / 8;
  return {static_cast<uint32_t>(number), 0xFFF84000u | static_cast<uint32_t>(number >> 32)};
}

}  // namespace forkstore
