// NameTable: which names of an object have been seen, in scratch memory: open addressing over the
// names' positions. The hash is seeded once for the process, because names may come from users who
// would like them to collide.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/siphash.h"
#include "data/value/value.h"

namespace forkstore {

// Random; drawn on the first call.
HashSeed NameSeed();

class NameTable {
 public:
  static constexpr uint32_t kAbsent = 0xFFFFFFFF;

  // Forgets everything and makes room for `count` names.
  void Reset(uint64_t count) { cells_.assign(std::bit_ceil(count * 2 + 1), 0); }

  static uint64_t Hash(const StringBytes& name) {
    return SipHash13(NameSeed(), name.utf16, name.data, name.bytes);
  }

  // The number under which a name with this hash was added and for which same(number) is true.
  template <typename Same>
  uint32_t Find(uint64_t hash, Same same) const {
    return static_cast<uint32_t>(cells_[CellOf(hash, same)] & kNumberMask) - 1;
  }

  // As Find; when the name is absent, adds it under `number` (below 2^31 - 1).
  template <typename Same>
  uint32_t FindOrAdd(uint64_t hash, uint32_t number, Same same) {
    uint64_t& cell = cells_[CellOf(hash, same)];
    if (cell != 0) return static_cast<uint32_t>(cell & kNumberMask) - 1;
    cell = (hash & ~kNumberMask) | (number + 1);
    return kAbsent;
  }

  // Gives memory back that only an unusually large value needed.
  void Trim() {
    if (cells_.capacity() > 128 * 1024) std::vector<uint64_t>().swap(cells_);
  }

 private:
  // A cell: 0, or the hash's upper 33 bits and the number + 1.
  static constexpr uint64_t kNumberMask = 0x7FFFFFFF;

  template <typename Same>
  size_t CellOf(uint64_t hash, Same same) const {
    const size_t mask = cells_.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      const uint64_t cell = cells_[at];
      if (cell == 0) return at;
      if (((cell ^ hash) & ~kNumberMask) == 0 && same(static_cast<uint32_t>(cell & kNumberMask) - 1))
        return at;
    }
  }

  std::vector<uint64_t> cells_;
};

}  // namespace forkstore
