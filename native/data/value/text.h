// What the format asks of UTF-16: a string whose code units all fit in 8 bits is stored as Latin-1.
#pragma once

#include <cstdint>
#include <cstring>

namespace forkstore {

// Whether any of the code units in data[0, bytes) is over 0xFF. `data` need not be aligned.
inline bool HasWideUnit(const uint8_t* data, uint64_t bytes) {
  constexpr uint64_t kHighBytes = 0xFF00FF00FF00FF00;
  uint64_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    if ((word & kHighBytes) != 0) return true;
  }
  for (; i + 2 <= bytes; i += 2) {
    if (data[i + 1] != 0) return true;
  }
  return false;
}

}  // namespace forkstore
