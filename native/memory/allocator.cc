// A small unit of b blocks has one bit for each block (1 = free), kept in order, so that a fresh unit is
// handed out from its first byte to its last and a scan over what was stored together reads forward.
//
//   table     u32 a unit    what the unit is cut into; in the image too
//   states    4 bytes a unit    blocks free, and the word below which no bit is set
//   bitmaps   512 bytes a unit    touched as far as the unit has blocks
//   open      a UnitSet for each class    its units with a free block; the lowest is allocated from
//   runs      a UnitMap    free and used units
//
// A unit that becomes empty goes back at once, except where the next allocation would only take it again:
// see UnitEmptied.
#include "memory/allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <bit>

#include "memory/scratch.h"
#include "memory/unit_map.h"
#include "memory/unit_set.h"

namespace forkstore {
namespace {

constexpr uint32_t kFree = 0;
constexpr uint32_t kSmall = 1;
constexpr uint32_t kLargeFirst = 2;
constexpr uint32_t kLargeFurther = 3;

constexpr uint32_t Entry(uint32_t kind, uint64_t rest) {
  return kind | static_cast<uint32_t>(rest) << 2;
}
constexpr uint32_t KindOf(uint32_t entry) {
  return entry & 3;
}
constexpr uint32_t RestOf(uint32_t entry) {
  return entry >> 2;
}

constexpr uint64_t kSegmentUnits = kSegmentBytes / kUnitBytes;
constexpr uint64_t kBitmapWords = kUnitBytes / 16 / 64;
constexpr uint32_t kClassLimit = 96;  // room for SizeClassCount()

struct UnitState {
  uint16_t free_blocks;  // small: blocks free; large, while loading: 1 until it is claimed
  uint16_t hint;         // small: no word of the bitmap below this one has a bit
};

struct Class {
  uint32_t bytes = 0;
  uint32_t blocks = 0;
  uint32_t reciprocal = 0;           // 2^32 / bytes, rounded up: exact for distances within a unit
  uint64_t lowest = UnitSet::kNone;  // of `open`
  UnitSet open;

  uint32_t BlockOf(uint64_t distance) const { return static_cast<uint32_t>(distance * reciprocal >> 32); }
};

// Freeing twice or what never was a block means that the structures above no longer agree with memory.
// To go on would bring that into the next snapshot; to end here leaves the last one good.
[[noreturn]] void Broken(const char* what, Offset block) {
  fprintf(stderr, "forkstore: %s at offset %llu\n", what, static_cast<unsigned long long>(block));
  abort();
}

}  // namespace

struct Allocator::State {
  Arena* arena = nullptr;
  uint32_t* table = nullptr;
  UnitState* states = nullptr;
  uint64_t* bitmaps = nullptr;
  uint64_t live_bytes = 0;
  uint64_t live_blocks = 0;
  std::array<Class, kClassLimit> classes;
  std::unique_ptr<UnitMap> runs;
  ScratchMapping table_memory, state_memory, bitmap_memory, open_memory;

  uint64_t max_units() const { return arena->max_bytes() / kUnitBytes; }
  uint64_t frontier_units() const { return arena->frontier() / kUnitBytes; }
  uint64_t* BitmapOf(uint64_t unit) { return bitmaps + unit * kBitmapWords; }
  const uint64_t* BitmapOf(uint64_t unit) const { return bitmaps + unit * kBitmapWords; }
  bool IsEmpty(uint64_t unit) const;

  uint64_t TakeUnits(uint64_t count);
  void GiveUnits(uint64_t first, uint64_t count);
  void LowerFrontier();
  void CutUnit(uint64_t unit, uint32_t size_class);
  void ReleaseSmallUnit(uint64_t unit);
  void OpenUnit(uint64_t unit, Class* c);
  void UnitEmptied(uint64_t unit, Class* c);
  Offset AllocateLarge(uint64_t bytes);
  void FreeLarge(Offset block);
};

Allocator::~Allocator() = default;

Status Allocator::Create(Arena* arena, std::unique_ptr<Allocator>* allocator) {
  std::unique_ptr<Allocator> made(new Allocator());
  made->state_ = std::make_unique<State>();
  State& s = *made->state_;
  s.arena = arena;
  const uint64_t units = s.max_units();
  const uint64_t set_words = UnitSet::WordsFor(units);
  const uint64_t set_bytes = RoundUp(set_words * 8, kPageBytes);
  const auto hidden = ScratchMapping::Children::kHidden;
  Status status = s.table_memory.Create(units * sizeof(uint32_t), ScratchMapping::Children::kInherited);
  if (status.ok()) status = s.state_memory.Create(units * sizeof(UnitState), hidden);
  if (status.ok()) status = s.bitmap_memory.Create(units * kBitmapWords * 8, hidden);
  if (status.ok()) status = s.open_memory.Create(SizeClassCount() * set_bytes, hidden);
  if (!status.ok()) return status;
  s.table = s.table_memory.As<uint32_t>();
  s.states = s.state_memory.As<UnitState>();
  s.bitmaps = s.bitmap_memory.As<uint64_t>();
  for (uint32_t i = 0; i < SizeClassCount(); ++i) {
    Class& c = s.classes[i];
    c.bytes = SizeClassBytes(i);
    c.blocks = SizeClassBlocks(i);
    c.reciprocal = static_cast<uint32_t>(((uint64_t{1} << 32) + c.bytes - 1) / c.bytes);
    c.open = UnitSet(s.open_memory.As<uint64_t>() + i * set_bytes / 8, units);
  }
  s.runs = std::make_unique<UnitMap>(units);
  s.runs->Claim(0, 1);  // so that offset 0 means none
  arena->SetFrontier(kUnitBytes);
  *allocator = std::move(made);
  return Status::Ok();
}

bool Allocator::State::IsEmpty(uint64_t unit) const {
  return KindOf(table[unit]) == kSmall && states[unit].free_blocks == classes[RestOf(table[unit])].blocks;
}

uint64_t Allocator::State::TakeUnits(uint64_t count) {
  const uint64_t first = runs->Take(count);
  if (first != UnitMap::kNoRun && first + count > frontier_units()) {
    arena->SetFrontier((first + count) * kUnitBytes);
  }
  return first;
}

void Allocator::State::GiveUnits(uint64_t first, uint64_t count) {
  std::fill(table + first, table + first + count, kFree);
  runs->Give(first, count);
  // The second: an empty unit that was kept at the top goes as soon as there is room below.
  if (first + count == frontier_units() || IsEmpty(frontier_units() - 1)) LowerFrontier();
}

// At most one round for each class: it has no more than one empty unit.
void Allocator::State::LowerFrontier() {
  for (;;) {
    const uint64_t end = runs->UsedEnd(frontier_units());
    arena->SetFrontier(end * kUnitBytes);
    const uint64_t top = end - 1;
    if (!IsEmpty(top)) return;
    Class& c = classes[RestOf(table[top])];
    c.open.Erase(top);
    c.lowest = c.open.First();
    table[top] = kFree;
    runs->Give(top, 1);
  }
}

void Allocator::State::CutUnit(uint64_t unit, uint32_t size_class) {
  Class& c = classes[size_class];
  table[unit] = Entry(kSmall, size_class);
  states[unit] = {static_cast<uint16_t>(c.blocks), 0};
  uint64_t* bitmap = BitmapOf(unit);
  const uint32_t whole_words = c.blocks / 64;
  memset(bitmap, 0xFF, whole_words * 8);
  if (c.blocks % 64 != 0) bitmap[whole_words] = (uint64_t{1} << c.blocks % 64) - 1;
}

void Allocator::State::ReleaseSmallUnit(uint64_t unit) {
  Class& c = classes[RestOf(table[unit])];
  c.open.Erase(unit);
  c.lowest = c.open.First();
  GiveUnits(unit, 1);
}

// A full unit has got a free block. An empty unit of the class is no longer needed.
void Allocator::State::OpenUnit(uint64_t unit, Class* c) {
  const uint64_t lowest_before = c->lowest;
  c->open.Insert(unit);
  if (unit < lowest_before) c->lowest = unit;
  if (lowest_before != UnitSet::kNone && IsEmpty(lowest_before)) ReleaseSmallUnit(lowest_before);
}

// A unit is kept only when it is the one that the class's next allocation would take again: so a block
// that is freed and allocated in turn does not cut a unit each time, and the frontier can come down.
void Allocator::State::UnitEmptied(uint64_t unit, Class* c) {
  if (c->lowest == unit) {
    c->open.Erase(unit);
    const bool only_one = c->open.First() == UnitSet::kNone;
    c->open.Insert(unit);
    if (only_one && runs->LowestFree() > unit) return;
  }
  ReleaseSmallUnit(unit);
}

Offset Allocator::State::AllocateLarge(uint64_t bytes) {
  const uint64_t count = (bytes + kUnitBytes - 1) / kUnitBytes;
  const uint64_t first = TakeUnits(count);
  if (first == UnitMap::kNoRun) return kNone;
  table[first] = Entry(kLargeFirst, count);
  std::fill(table + first + 1, table + first + count, kLargeFurther);
  live_bytes += count * kUnitBytes;
  ++live_blocks;
  return first * kUnitBytes;
}

void Allocator::State::FreeLarge(Offset block) {
  const uint64_t first = block / kUnitBytes;
  if (KindOf(table[first]) != kLargeFirst || block % kUnitBytes != 0) Broken("no block to free", block);
  const uint64_t count = RestOf(table[first]);
  live_bytes -= count * kUnitBytes;
  --live_blocks;
  GiveUnits(first, count);
}

Offset Allocator::Allocate(uint64_t bytes) {
  State& s = *state_;
  if (bytes - 1 >= kMaxSmallBytes) {
    return bytes == 0 || bytes > kSegmentBytes ? kNone : s.AllocateLarge(bytes);
  }
  const uint32_t size_class = SizeClassFor(bytes);
  Class& c = s.classes[size_class];
  if (c.lowest == UnitSet::kNone) [[unlikely]] {
    const uint64_t fresh = s.TakeUnits(1);
    if (fresh == UnitMap::kNoRun) return kNone;
    s.CutUnit(fresh, size_class);
    c.open.Insert(fresh);
    c.lowest = fresh;
  }
  const uint64_t unit = c.lowest;
  UnitState& state = s.states[unit];
  uint64_t* bitmap = s.BitmapOf(unit);
  uint32_t word = state.hint;
  while (bitmap[word] == 0) ++word;
  state.hint = static_cast<uint16_t>(word);
  const uint32_t block = word * 64 + static_cast<uint32_t>(std::countr_zero(bitmap[word]));
  bitmap[word] &= bitmap[word] - 1;
  if (--state.free_blocks == 0) [[unlikely]] {
    c.open.Erase(unit);
    c.lowest = c.open.First();
  }
  s.live_bytes += c.bytes;
  ++s.live_blocks;
  return unit * kUnitBytes + uint64_t{block} * c.bytes;
}

void Allocator::Free(Offset block) {
  State& s = *state_;
  const uint64_t unit = block / kUnitBytes;
  const uint32_t entry = s.table[unit];
  if (KindOf(entry) != kSmall) [[unlikely]]
    return s.FreeLarge(block);
  Class& c = s.classes[RestOf(entry)];
  const uint32_t index = c.BlockOf(block % kUnitBytes);
  const uint32_t word = index / 64;
  const uint64_t bit = uint64_t{1} << index % 64;
  uint64_t& bits = s.BitmapOf(unit)[word];
  if ((bits & bit) != 0) [[unlikely]]
    Broken("block freed twice", block);
  bits |= bit;
  s.live_bytes -= c.bytes;
  --s.live_blocks;
  UnitState& state = s.states[unit];
  if (word < state.hint) state.hint = static_cast<uint16_t>(word);
  ++state.free_blocks;
  if (state.free_blocks == 1) [[unlikely]] {
    s.OpenUnit(unit, &c);
  } else if (state.free_blocks == c.blocks) [[unlikely]] {
    s.UnitEmptied(unit, &c);
  }
}

uint64_t Allocator::Capacity(Offset block) const {
  const uint32_t entry = state_->table[block / kUnitBytes];
  return KindOf(entry) == kSmall ? state_->classes[RestOf(entry)].bytes : RestOf(entry) * kUnitBytes;
}

uint64_t Allocator::BytesToBlockEnd(Offset offset) const {
  const State& s = *state_;
  if (offset >= s.arena->frontier()) return 0;
  uint64_t unit = offset / kUnitBytes;
  while (KindOf(s.table[unit]) == kLargeFurther) --unit;
  const uint32_t entry = s.table[unit];
  const uint64_t distance = offset - unit * kUnitBytes;
  if (KindOf(entry) == kLargeFirst) return RestOf(entry) * kUnitBytes - distance;
  if (KindOf(entry) == kFree) return 0;
  const Class& c = s.classes[RestOf(entry)];
  const uint32_t index = c.BlockOf(distance);
  return index < c.blocks ? uint64_t{index + 1} * c.bytes - distance : 0;
}

AllocatorStats Allocator::stats() const {
  AllocatorStats stats;
  stats.live_bytes = state_->live_bytes;
  stats.live_blocks = state_->live_blocks;
  stats.mapped_bytes = state_->arena->frontier();
  stats.free_bytes = stats.mapped_bytes - stats.live_bytes;
  return stats;
}

const uint32_t* Allocator::table() const {
  return state_->table;
}

uint64_t Allocator::units() const {
  return state_->frontier_units();
}

Status Allocator::Restore(const uint32_t* table, uint64_t units) {
  State& s = *state_;
  const auto refuse = [](uint64_t unit, const char* why) {
    return Status(Code::kCorrupt, "unit table, unit " + std::to_string(unit) + ": " + why);
  };
  if (units > s.max_units()) return Status(Code::kFull, "the image is larger than the arena");
  if (units > 0 && table[0] != kFree) return refuse(0, "in use, but the first unit never is");
  // Nothing is taken over before all of it has been checked.
  for (uint64_t unit = 0; unit < units; ++unit) {
    const uint32_t rest = RestOf(table[unit]);
    switch (KindOf(table[unit])) {
      case kFree:
        if (rest != 0) return refuse(unit, "a free unit with a size");
        break;
      case kSmall:
        if (rest >= SizeClassCount()) return refuse(unit, "no such size class");
        break;
      case kLargeFirst:
        if (rest == 0 || rest > units - unit) return refuse(unit, "a block of impossible length");
        if (unit % kSegmentUnits + rest > kSegmentUnits) return refuse(unit, "a block crosses a segment");
        for (const uint64_t end = unit + rest; unit + 1 < end; ++unit) {
          if (table[unit + 1] != kLargeFurther) return refuse(unit + 1, "a block is cut short");
        }
        break;
      default:
        return refuse(unit, "a part of no block");
    }
  }

  if (units > s.frontier_units()) s.arena->SetFrontier(units * kUnitBytes);
  for (uint64_t unit = 0; unit < units; ++unit) {
    const uint32_t rest = RestOf(table[unit]);
    switch (KindOf(table[unit])) {
      case kSmall:
        s.runs->Claim(unit, 1);
        s.CutUnit(unit, rest);
        break;
      case kLargeFirst:
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

uint64_t Allocator::CapacityIfBlock(Offset block) const {
  const State& s = *state_;
  if (block >= s.arena->frontier()) return 0;
  const uint32_t entry = s.table[block / kUnitBytes];
  const uint64_t distance = block % kUnitBytes;
  if (KindOf(entry) == kSmall) {
    const Class& c = s.classes[RestOf(entry)];
    const uint32_t index = c.BlockOf(distance);
    return index < c.blocks && uint64_t{index} * c.bytes == distance ? c.bytes : 0;
  }
  return KindOf(entry) == kLargeFirst && distance == 0 ? RestOf(entry) * kUnitBytes : 0;
}

bool Allocator::MarkLive(Offset block, uint64_t bytes) {
  State& s = *state_;
  const uint64_t capacity = CapacityIfBlock(block);
  if (capacity == 0 || capacity < bytes) return false;
  const uint64_t unit = block / kUnitBytes;
  UnitState& state = s.states[unit];
  if (KindOf(s.table[unit]) == kSmall) {
    const uint32_t index = s.classes[RestOf(s.table[unit])].BlockOf(block % kUnitBytes);
    uint64_t& bits = s.BitmapOf(unit)[index / 64];
    const uint64_t bit = uint64_t{1} << index % 64;
    if ((bits & bit) == 0) return false;
    bits &= ~bit;
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
    const UnitState& state = s.states[unit];
    next = unit + (KindOf(entry) == kLargeFirst ? RestOf(entry) : 1);
    if (KindOf(entry) == kFree || state.free_blocks == 0) continue;
    if (KindOf(entry) == kSmall && state.free_blocks < s.classes[RestOf(entry)].blocks) {
      s.classes[RestOf(entry)].open.Insert(unit);
      continue;
    }
    std::fill(s.table + unit, s.table + next, kFree);
    s.runs->Give(unit, next - unit);
  }
  for (uint32_t i = 0; i < SizeClassCount(); ++i) s.classes[i].lowest = s.classes[i].open.First();
  s.LowerFrontier();
}

}  // namespace forkstore
