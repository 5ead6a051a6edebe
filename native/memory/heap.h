// Heap: what the data structures are written against: the arena's bytes and its allocator.
#pragma once

#include "memory/allocator.h"
#include "memory/arena.h"

namespace forkstore {

struct Heap {
  Arena& arena;
  Allocator& allocator;

  Offset Allocate(uint64_t bytes) { return allocator.Allocate(bytes); }
  Offset AllocateData(uint64_t bytes) { return allocator.AllocateData(bytes); }
  void Free(Offset block) { allocator.Free(block); }
  uint64_t Capacity(Offset block) const { return allocator.Capacity(block); }
  const uint8_t* At(Offset offset) const { return arena.At(offset); }
  uint8_t* Write(Offset offset, uint64_t bytes) { return arena.Write(offset, bytes); }
  template <typename T>
  const T& Read(Offset offset) const {
    return arena.Read<T>(offset);
  }
  template <typename T>
  T& Mutate(Offset offset) {
    return arena.Mutate<T>(offset);
  }
};

}  // namespace forkstore
