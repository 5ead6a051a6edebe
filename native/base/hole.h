// Holes of sparse files, and the CRC-32C of what was read from such a file.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/crc32c.h"

namespace forkstore {

// Bytes [begin, end) of a file that have no blocks on disk: they are 0.
struct Hole {
  uint64_t begin;
  uint64_t end;
};

// Begins behind every file.
inline constexpr Hole kNoHole = {~uint64_t{0}, ~uint64_t{0}};

// Goes on from `crc` over bytes [position, position + bytes) of a file, which are at `memory`. Holes are not
// looked at there: where the kernel has no page of zeros to share, reading them would take memory.
// hole_from(at): the first hole that ends behind `at`, or kNoHole; called with rising positions.
template <typename HoleFrom>
uint32_t Crc32cAroundHoles(const uint8_t* memory, uint64_t position, uint64_t bytes, HoleFrom hole_from,
                           uint32_t crc) {
  const uint64_t end = position + bytes;
  while (position < end) {
    const Hole hole = hole_from(position);
    const uint64_t data = std::clamp(hole.begin, position, end) - position;
    const uint64_t zeros = std::clamp(hole.end, position + data, end) - (position + data);
    crc = Crc32cZeros(zeros, Crc32c(memory, data, crc));
    memory += data + zeros;
    position += data + zeros;
  }
  return crc;
}

}  // namespace forkstore
