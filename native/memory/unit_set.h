// UnitSet: a set of unit numbers whose lowest member is found at once: a bitmap, over it a bitmap of the
// words that are not zero, and so on up to a single word. The upper levels come first, so that the set of
// a small store is one page.
// Thread safety: one thread.
#pragma once

#include <bit>
#include <cstdint>

namespace forkstore {

class UnitSet {
 public:
  static constexpr uint64_t kNone = ~uint64_t{0};

  // 64-bit words for a set of numbers below `units`.
  static constexpr uint64_t WordsFor(uint64_t units) {
    uint64_t words = 0;
    do {
      units = (units + 63) / 64;
      words += units;
    } while (units > 1);
    return words;
  }

  UnitSet() = default;
  // `words`: WordsFor(units) of them, all zero; they outlive the set.
  UnitSet(uint64_t* words, uint64_t units) {
    uint64_t* end = words + WordsFor(units);
    do {
      units = (units + 63) / 64;
      end -= units;
      levels_[height_++] = end;
    } while (units > 1);
  }

  void Insert(uint64_t unit) {
    for (uint32_t level = 0; level < height_; ++level) {
      uint64_t& word = levels_[level][unit / 64];
      const bool known_above = word != 0;
      word |= uint64_t{1} << unit % 64;
      if (known_above) return;
      unit /= 64;
    }
  }

  void Erase(uint64_t unit) {
    for (uint32_t level = 0; level < height_; ++level) {
      uint64_t& word = levels_[level][unit / 64];
      word &= ~(uint64_t{1} << unit % 64);
      if (word != 0) return;
      unit /= 64;
    }
  }

  // The lowest member, or kNone.
  uint64_t First() const {
    uint64_t unit = 0;
    for (uint32_t level = height_; level-- > 0;) {
      const uint64_t word = levels_[level][unit];
      if (word == 0) return kNone;
      unit = unit * 64 + static_cast<uint64_t>(std::countr_zero(word));
    }
    return unit;
  }

 private:
  static constexpr uint32_t kMaxHeight = 4;  // 64^4 is four times the units of the largest arena
  uint64_t* levels_[kMaxHeight] = {};
  uint32_t height_ = 0;
};

}  // namespace forkstore
