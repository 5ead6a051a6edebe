// ScratchMapping: address space for bookkeeping outside the arena, zero until written. Only pages
// that are touched take memory.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace forkstore {

class ScratchMapping {
 public:
  enum class Children {
    kHidden,     // a forked child has no such mapping: nothing to copy, no copy-on-write
    kInherited,  // the snapshot's child reads it
  };

  ScratchMapping() = default;
  ~ScratchMapping();
  ScratchMapping(const ScratchMapping&) = delete;
  ScratchMapping& operator=(const ScratchMapping&) = delete;

  // Errors: kIo when the kernel refuses. What it held before is gone. REQUIRES: bytes > 0.
  Status Create(uint64_t bytes, Children children);

  template <typename T>
  T* As() const {
    return static_cast<T*>(address_);
  }

 private:
  void* address_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace forkstore
