#include "memory/unit_map.h"

#include <algorithm>
#include <bit>

namespace forkstore {
namespace {

constexpr uint64_t kAllUsed = ~uint64_t{0};

// `count` ones from bit `first` on. REQUIRES: 0 < count, first + count <= 64.
uint64_t Ones(uint64_t first, uint64_t count) {
  return (kAllUsed >> (64 - count)) << first;
}

}  // namespace

UnitMap::UnitMap(uint64_t units)
    : segments_((units + kSegmentUnits - 1) / kSegmentUnits), best_(segments_.size()), units_(units) {
  for (uint64_t i = 0; i < best_.size(); ++i) {
    best_[i] = static_cast<uint16_t>(std::min(kSegmentUnits, units - i * kSegmentUnits));
  }
}

UnitMap::Segment* UnitMap::Touch(uint64_t segment) {
  if (segments_[segment] != nullptr) return segments_[segment].get();
  auto made = std::make_unique<Segment>();
  // What lies beyond the end of the arena is in use for ever.
  const uint64_t units = std::min(kSegmentUnits, units_ - segment * kSegmentUnits);
  for (uint64_t word = 0; word < kWords; ++word) {
    const uint64_t before = word * 64;
    if (units <= before) {
      made->used[word] = kAllUsed;
    } else {
      made->used[word] = units - before >= 64 ? 0 : kAllUsed << (units - before);
    }
    made->runs[kWords + word] = RunOfWord(made->used[word]);
  }
  for (uint64_t node = kWords - 1; node > 0; --node) {
    Join(made.get(), node, kSegmentUnits / std::bit_floor(node) / 2);
  }
  segments_[segment] = std::move(made);
  return segments_[segment].get();
}

UnitMap::Run UnitMap::RunOfWord(uint64_t used) {
  if (used == 0) return {64, 64, 64};
  uint64_t free = ~used;
  uint16_t best = 0;
  for (; free != 0; free &= free >> 1) ++best;  // each round shortens every run of ones by one
  return {static_cast<uint16_t>(std::countr_zero(used)), static_cast<uint16_t>(std::countl_zero(used)), best};
}

void UnitMap::Join(Segment* segment, uint64_t node, uint64_t half_units) {
  const Run left = segment->runs[2 * node];
  const Run right = segment->runs[2 * node + 1];
  Run& run = segment->runs[node];
  run.prefix = left.prefix < half_units ? left.prefix : static_cast<uint16_t>(half_units + right.prefix);
  run.suffix = right.suffix < half_units ? right.suffix : static_cast<uint16_t>(half_units + left.suffix);
  run.best = std::max({left.best, right.best, static_cast<uint16_t>(left.suffix + right.prefix)});
}

uint64_t UnitMap::Find(const Segment& segment, uint64_t count) {
  uint64_t node = 1;
  uint64_t first = 0;
  uint64_t units = kSegmentUnits;
  while (node < kWords) {
    units /= 2;
    const Run left = segment.runs[2 * node];
    const Run right = segment.runs[2 * node + 1];
    if (left.best >= count) {
      node = 2 * node;
    } else if (uint64_t{left.suffix} + right.prefix >= count) {
      return first + units - left.suffix;
    } else {
      node = 2 * node + 1;
      first += units;
    }
  }
  // Bit i of `starts` stays set while `length` free units begin at i.
  uint64_t starts = ~segment.used[node - kWords];
  for (uint64_t length = 1; length < count;) {
    const uint64_t more = std::min(length, count - length);
    starts &= starts >> more;
    length += more;
  }
  return first + static_cast<uint64_t>(std::countr_zero(starts));
}

uint64_t UnitMap::Take(uint64_t count) {
  for (uint64_t i = 0; i < best_.size(); ++i) {
    if (best_[i] < count) continue;
    const uint64_t first = i * kSegmentUnits + Find(*Touch(i), count);
    Set(first, count, true);
    return first;
  }
  return kNoRun;
}

void UnitMap::Claim(uint64_t first, uint64_t count) {
  Set(first, count, true);
}

void UnitMap::Give(uint64_t first, uint64_t count) {
  Set(first, count, false);
}

void UnitMap::Set(uint64_t first, uint64_t count, bool used) {
  used_ = used ? used_ + count : used_ - count;
  const uint64_t index = first / kSegmentUnits;
  Segment* segment = Touch(index);
  uint64_t unit = first % kSegmentUnits;
  const uint64_t end = unit + count;
  uint64_t low = kWords + unit / 64;
  uint64_t high = kWords + (end - 1) / 64;
  for (uint64_t word = low; word <= high; ++word) {
    const uint64_t here = std::min(end - unit, 64 - unit % 64);
    uint64_t& bits = segment->used[word - kWords];
    bits = used ? bits | Ones(unit % 64, here) : bits & ~Ones(unit % 64, here);
    segment->runs[word] = RunOfWord(bits);
    unit += here;
  }
  for (uint64_t half_units = 64; low > 1; half_units *= 2) {
    low /= 2;
    high /= 2;
    for (uint64_t node = low; node <= high; ++node) Join(segment, node, half_units);
  }
  best_[index] = segment->runs[1].best;
}

bool UnitMap::InUse(uint64_t unit) const {
  const Segment* segment = segments_[unit / kSegmentUnits].get();
  if (segment == nullptr) return false;
  return (segment->used[unit % kSegmentUnits / 64] >> unit % 64 & 1) != 0;
}

uint64_t UnitMap::LowestFree() const {
  for (uint64_t i = 0; i < best_.size(); ++i) {
    if (best_[i] == 0) continue;
    return i * kSegmentUnits + (segments_[i] == nullptr ? 0 : Find(*segments_[i], 1));
  }
  return kNoRun;
}

uint64_t UnitMap::UsedEnd(uint64_t limit) const {
  while (limit > 0) {
    const uint64_t index = (limit - 1) / kSegmentUnits;
    const Segment* segment = segments_[index].get();
    if (segment == nullptr || segment->runs[1].best == kSegmentUnits) {
      limit = index * kSegmentUnits;
      continue;
    }
    const uint64_t word = (limit - 1) % kSegmentUnits / 64;
    const uint64_t below = (limit - 1) % 64 + 1;
    const uint64_t bits = segment->used[word] & Ones(0, below);
    if (bits != 0) return index * kSegmentUnits + word * 64 + std::bit_width(bits);
    limit -= below;
  }
  return 0;
}

}  // namespace forkstore
