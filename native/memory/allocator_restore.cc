// Loading: the allocator takes over a unit table that it does not trust, and what is live is told to it.
#include <algorithm>

#include "memory/allocator_state.h"

namespace forkstore {
namespace {

constexpr uint64_t kSegmentUnits = kSegmentBytes / kUnitBytes;

}  // namespace

Status Allocator::Restore(const uint32_t* table, uint64_t units) {
  State& s = *state_;
  const auto refuse = [](uint64_t unit, const char* why) {
    return Status(Code::kCorrupt, "unit table, unit " + std::to_string(unit) + ": " + why);
  };
  if (units > s.reserved_units()) return Status(Code::kFull, "the image is larger than the arena");
  if (units > 0 && table[0] != kUnitFree) return refuse(0, "in use, but the first unit never is");
  // Nothing is taken over before all of it has been checked.
  for (uint64_t unit = 0; unit < units; ++unit) {
    const uint32_t rest = UnitRest(table[unit]);
    switch (UnitKind(table[unit])) {
      case kUnitFree:
        if (rest != 0) return refuse(unit, "a free unit with a size");
        break;
      case kUnitSmall:
        if (rest >= SizeClassCount()) return refuse(unit, "no such size class");
        break;
      case kUnitLargeFirst:
        if (rest == 0 || rest > units - unit) return refuse(unit, "a block of impossible length");
        if (unit % kSegmentUnits + rest > kSegmentUnits) return refuse(unit, "a block crosses a segment");
        for (const uint64_t end = unit + rest; unit + 1 < end; ++unit) {
          if (table[unit + 1] != kUnitLargeFurther) return refuse(unit + 1, "a block is cut short");
        }
        break;
      default:
        return refuse(unit, "a part of no block");
    }
  }

  if (units > s.frontier_units()) s.arena->SetFrontier(units * kUnitBytes);
  for (uint64_t unit = 0; unit < units; ++unit) {
    const uint32_t rest = UnitRest(table[unit]);
    switch (UnitKind(table[unit])) {
      case kUnitSmall:
        s.runs->Claim(unit, 1);
        s.CutUnit(unit, rest);
        break;
      case kUnitLargeFirst:
        s.runs->Claim(unit, rest);
        s.states[unit].free_blocks = 1;
        std::copy(table + unit, table + unit + rest, s.table + unit);
        unit += rest - 1;
        break;
      default:
        break;
    }
  }
  return Status::Ok();
}

bool Allocator::MarkLive(Offset block, uint64_t bytes) {
  State& s = *state_;
  const uint64_t capacity = CapacityIfBlock(block);
  if (capacity == 0 || capacity < bytes) return false;
  const uint64_t unit = block / kUnitBytes;
  State::Unit& state = s.states[unit];
  if (UnitKind(s.table[unit]) == kUnitSmall) {
    State::SizeClass& c = s.classes[UnitRest(s.table[unit])];
    const uint32_t index = c.BlockOf(block % kUnitBytes);
    uint64_t& bits = s.BitmapOf(unit)[index / 64];
    const uint64_t bit = uint64_t{1} << index % 64;
    if ((bits & bit) == 0) return false;
    bits &= ~bit;
    c.sparse -= state.free_blocks == c.sparse_from;
  } else if (state.free_blocks == 0) {
    return false;
  }
  --state.free_blocks;
  s.live_bytes += capacity;
  ++s.live_blocks;
  return true;
}

void Allocator::FinishRestore() {
  State& s = *state_;
  for (uint64_t unit = 1, next; unit < s.frontier_units(); unit = next) {
    const uint32_t entry = s.table[unit];
    const State::Unit& state = s.states[unit];
    next = unit + (UnitKind(entry) == kUnitLargeFirst ? UnitRest(entry) : 1);
    if (UnitKind(entry) == kUnitFree || state.free_blocks == 0) continue;
    if (UnitKind(entry) == kUnitSmall && state.free_blocks < s.classes[UnitRest(entry)].blocks) {
      State::SizeClass& size_class = s.classes[UnitRest(entry)];
      size_class.open.Insert(unit);
      size_class.lowest = std::min(size_class.lowest, unit);
      continue;
    }
    if (UnitKind(entry) == kUnitSmall) --s.classes[UnitRest(entry)].sparse;
    std::fill(s.table + unit, s.table + next, kUnitFree);
    s.runs->Give(unit, next - unit);
  }
  s.LowerFrontier();
}

}  // namespace forkstore
