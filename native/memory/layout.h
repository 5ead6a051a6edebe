// Sizes and addresses that every part agrees on; docs/format.md, section 4.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forkstore {

// A byte distance from the start of the arena; always a multiple of 8. kNone refers to nothing.
using Offset = uint64_t;
inline constexpr Offset kNone = 0;

inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kUnitBytes = 64 * 1024;  // what the allocator cuts up
inline constexpr uint64_t kHugePageBytes = 2 * 1024 * 1024;
inline constexpr uint64_t kSegmentBytes = uint64_t{1} << 30;  // no block crosses a multiple of it
inline constexpr uint64_t kMinArenaBytes = 4 * 1024 * 1024;
inline constexpr uint64_t kMaxArenaBytes = uint64_t{1} << 38;  // 35 bits of 8-byte steps in the index
inline constexpr uint64_t kMaxValueBytes = kSegmentBytes - (uint64_t{1} << 20);
inline constexpr uint64_t kMaxKeyBytes = uint64_t{1} << 29;

inline constexpr uint64_t RoundUp(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace forkstore
