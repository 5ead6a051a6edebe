// The entries of the unit table (docs/format.md, section 4): what a unit is cut into, in the two low bits;
// above them the size class of a small unit, or the number of units of a large block.
#pragma once

#include <cstdint>

namespace forkstore {

inline constexpr uint32_t kUnitFree = 0;
inline constexpr uint32_t kUnitSmall = 1;
inline constexpr uint32_t kUnitLargeFirst = 2;
inline constexpr uint32_t kUnitLargeFurther = 3;

inline constexpr uint32_t UnitEntry(uint32_t kind, uint64_t rest) {
  return kind | static_cast<uint32_t>(rest) << 2;
}
inline constexpr uint32_t UnitKind(uint32_t entry) {
  return entry & 3;
}
inline constexpr uint32_t UnitRest(uint32_t entry) {
  return entry >> 2;
}

}  // namespace forkstore
