// What a slot of a checked value refers to: how long it is, how it is aligned, and where it ends.
#pragma once

#include <cstdint>
#include <cstring>

#include "data/value/shape.h"
#include "data/value/value.h"

namespace forkstore {

inline Slot ReadSlot(const uint8_t* at) {
  Slot slot;
  std::memcpy(&slot, at, sizeof(slot));
  return slot;
}

inline bool IsReference(Slot slot) {
  return !slot.IsDouble() && slot.tag() >= kLatin1 && slot.tag() <= kExtended;
}

inline bool IsContainer(Slot slot) {
  if (slot.IsDouble()) return false;
  return slot.tag() == kObject || slot.tag() == kArray ||
         (slot.tag() == kExtended && slot.info() == kDictionary);
}

// What a slot refers to, up to its own end: of a container the slots, not what they refer to.
struct Body {
  uint64_t alignment;
  uint64_t bytes;
  uint64_t slots;  // of a container, at the end of the body
};

// REQUIRES: IsReference(slot); `target` is what it refers to.
inline Body ReadBody(Slot slot, const uint8_t* target, const ShapeTable& shapes) {
  const auto half = [target] {
    uint32_t word;
    std::memcpy(&word, target, sizeof(word));
    return uint64_t{word};
  };
  switch (slot.tag()) {
    case kLatin1:
      return {1, slot.info(), 0};
    case kUtf16:
      return {2, uint64_t{slot.info()} * 2, 0};
    case kObject: {
      const uint64_t fields = shapes.FieldCount(slot.info());
      return {8, fields * 8, fields};
    }
    case kArray:
      return {8, 8 + half() * 8, half()};
    default:
      break;
  }
  switch (slot.info()) {
    case kLatin1Long:
      return {4, 4 + half(), 0};
    case kUtf16Long:
      return {4, 4 + half() * 2, 0};
    case kBigint:
      return {8, 8 + half() * 8, 0};
    case kDate:
      return {8, 8, 0};
    case kDictionary:
      return {8, 8 + half() * 16, half() * 2};
    default:  // kBytes, kBuffer
      return {8, 8 + half(), 0};
  }
}

}  // namespace forkstore
