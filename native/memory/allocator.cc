#include "memory/allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <bit>

#include "memory/allocator_state.h"
#include "memory/undo.h"

namespace forkstore {
namespace {

// Freeing twice or what never was a block means that the structures above no longer agree with memory.
// To go on would bring that into the next snapshot; to end here leaves the last one good.
[[noreturn]] void Broken(const char* what, Offset block) {
  fprintf(stderr, "forkstore: %s at offset %llu\n", what, static_cast<unsigned long long>(block));
  abort();
}

// What data leaves to the structures that find it: one unit in 64, within bounds.
constexpr uint64_t kLeastReservedUnits = 2;
constexpr uint64_t kMostReservedUnits = 64;

}  // namespace

Allocator::~Allocator() = default;

Status Allocator::Create(Arena* arena, std::unique_ptr<Allocator>* allocator) {
  std::unique_ptr<Allocator> made(new Allocator());
  made->state_ = std::make_unique<State>();
  State& s = *made->state_;
  s.arena = arena;
  const uint64_t units = s.reserved_units();
  const uint64_t set_words = UnitSet::WordsFor(units);
  const uint64_t set_bytes = RoundUp(set_words * 8, kPageBytes);
  const auto hidden = ScratchMapping::Children::kHidden;
  Status status = s.table_memory.Create(units * sizeof(uint32_t), ScratchMapping::Children::kInherited);
  if (status.ok()) status = s.state_memory.Create(units * sizeof(State::Unit), hidden);
  if (status.ok()) status = s.bitmap_memory.Create(units * State::kBitmapWords * 8, hidden);
  if (status.ok()) status = s.open_memory.Create(SizeClassCount() * set_bytes, hidden);
  if (!status.ok()) return status;
  s.table = s.table_memory.As<uint32_t>();
  s.states = s.state_memory.As<State::Unit>();
  s.bitmaps = s.bitmap_memory.As<uint64_t>();
  for (uint32_t i = 0; i < SizeClassCount(); ++i) {
    State::SizeClass& c = s.classes[i];
    c.bytes = SizeClassBytes(i);
    c.blocks = SizeClassBlocks(i);
    c.sparse_from = (c.blocks + 1) / 2;
    c.reciprocal = static_cast<uint32_t>(((uint64_t{1} << 32) + c.bytes - 1) / c.bytes);
    c.open = UnitSet(s.open_memory.As<uint64_t>() + i * set_bytes / 8, units);
  }
  s.runs = std::make_unique<UnitMap>(units);
  s.runs->Claim(0, 1);  // so that offset 0 means none
  arena->SetFrontier(kUnitBytes);
  *allocator = std::move(made);
  return Status::Ok();
}

void Allocator::State::SetEntries(uint64_t first, uint64_t count, uint32_t entry) {
  frozen_table.BeforeChange(first, count);
  std::fill(table + first, table + first + count, entry);
}

bool Allocator::State::IsEmpty(uint64_t unit) const {
  return UnitKind(table[unit]) == kUnitSmall &&
         states[unit].free_blocks == classes[UnitRest(table[unit])].blocks;
}

uint64_t Allocator::State::limit_bytes() const {
  if (!is_for_data) return arena->max_bytes();
  const uint64_t units = arena->max_bytes() / kUnitBytes;
  return (units - std::clamp(units / 64, kLeastReservedUnits, kMostReservedUnits)) * kUnitBytes;
}

Allocator::State::SizeClass* Allocator::State::RoomierClass(uint32_t size_class, uint64_t bytes) {
  for (uint32_t i = size_class + 1; i < SizeClassCount(); ++i) {
    if (classes[i].bytes > bytes * (is_for_data ? kMostWasteForData : kMostWaste)) break;
    if (classes[i].lowest != UnitSet::kNone) return &classes[i];
  }
  return nullptr;
}

// The lowest run there is: where it goes beyond the limit, all others do.
uint64_t Allocator::State::TakeWithinLimit(uint64_t count) {
  const uint64_t first = runs->Take(count);
  if (first == UnitMap::kNoRun || (first + count) * kUnitBytes <= limit_bytes()) return first;
  runs->Give(first, count);
  return UnitMap::kNoRun;
}

uint64_t Allocator::State::TakeUnits(uint64_t count) {
  uint64_t first = TakeWithinLimit(count);
  if (first == UnitMap::kNoRun) {
    // Nothing may be refused for the sake of units that wait empty.
    for (const SizeClass& c : classes) {
      if (c.lowest != UnitSet::kNone && IsEmpty(c.lowest)) ReleaseSmallUnit(c.lowest);
    }
    first = TakeWithinLimit(count);
  }
  if (first != UnitMap::kNoRun && first + count > frontier_units()) {
    arena->SetFrontier((first + count) * kUnitBytes);
  }
  return first;
}

void Allocator::State::GiveUnits(uint64_t first, uint64_t count) {
  SetEntries(first, count, kUnitFree);
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
    SizeClass& c = classes[UnitRest(table[top])];
    c.open.Erase(top);
    c.lowest = c.open.First();
    --c.sparse;
    SetEntries(top, 1, kUnitFree);
    runs->Give(top, 1);
  }
}

void Allocator::State::CutUnit(uint64_t unit, uint32_t size_class) {
  SizeClass& c = classes[size_class];
  SetEntries(unit, 1, UnitEntry(kUnitSmall, size_class));
  states[unit] = {static_cast<uint16_t>(c.blocks), 0};
  ++c.sparse;
  uint64_t* bitmap = BitmapOf(unit);
  const uint32_t whole_words = c.blocks / 64;
  memset(bitmap, 0xFF, whole_words * 8);
  if (c.blocks % 64 != 0) bitmap[whole_words] = (uint64_t{1} << c.blocks % 64) - 1;
}

void Allocator::State::ReleaseSmallUnit(uint64_t unit) {
  SizeClass& c = classes[UnitRest(table[unit])];
  c.open.Erase(unit);
  c.lowest = c.open.First();
  --c.sparse;
  GiveUnits(unit, 1);
}

bool Allocator::State::OpenFreshUnit(uint32_t size_class) {
  SizeClass& c = classes[size_class];
  const uint64_t fresh = TakeUnits(1);
  if (fresh == UnitMap::kNoRun) return false;
  CutUnit(fresh, size_class);
  c.open.Insert(fresh);
  c.lowest = c.open.First();
  return true;
}

// A full unit has got a free block. An empty unit of the class is no longer needed.
void Allocator::State::OpenUnit(uint64_t unit, SizeClass* c) {
  const uint64_t lowest_before = c->lowest;
  c->open.Insert(unit);
  if (unit < lowest_before) c->lowest = unit;
  if (lowest_before != UnitSet::kNone && IsEmpty(lowest_before)) ReleaseSmallUnit(lowest_before);
}

// A unit is kept only when it is the one that the class's next allocation would take again: so a block
// that is freed and allocated in turn does not cut a unit each time, and the frontier can come down.
void Allocator::State::UnitEmptied(uint64_t unit, SizeClass* c) {
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
  if (first == UnitMap::kNoRun) return Refuse(bytes);
  CutLarge(first, count);
  if (undo != nullptr) undo->RecordAllocation(first * kUnitBytes, count * kUnitBytes);
  return first * kUnitBytes;
}

void Allocator::State::CutLarge(uint64_t first, uint64_t count) {
  SetEntries(first, 1, UnitEntry(kUnitLargeFirst, count));
  if (count > 1) SetEntries(first + 1, count - 1, kUnitLargeFurther);
  live_bytes += count * kUnitBytes;
  ++live_blocks;
}

void Allocator::State::FreeLarge(Offset block) {
  const uint64_t first = block / kUnitBytes;
  if (UnitKind(table[first]) != kUnitLargeFirst || block % kUnitBytes != 0) Broken("no block to free", block);
  const uint64_t count = UnitRest(table[first]);
  live_bytes -= count * kUnitBytes;
  --live_blocks;
  GiveUnits(first, count);
}

Offset Allocator::Allocate(uint64_t bytes) {
  State& s = *state_;
  if (bytes - 1 >= kMaxSmallBytes) {
    return bytes == 0 || bytes > kSegmentBytes ? s.Refuse(bytes) : s.AllocateLarge(bytes);
  }
  const uint32_t size_class = SizeClassFor(bytes);
  State::SizeClass* chosen = &s.classes[size_class];
  if (chosen->lowest == UnitSet::kNone && !s.OpenFreshUnit(size_class)) [[unlikely]] {
    chosen = s.RoomierClass(size_class, bytes);
    if (chosen == nullptr) return s.Refuse(bytes);
  }
  State::SizeClass& c = *chosen;
  const uint64_t unit = c.lowest;
  State::Unit& state = s.states[unit];
  uint64_t* bitmap = s.BitmapOf(unit);
  uint32_t word = state.hint;
  while (bitmap[word] == 0) ++word;
  state.hint = static_cast<uint16_t>(word);
  const uint32_t block = word * 64 + static_cast<uint32_t>(std::countr_zero(bitmap[word]));
  bitmap[word] &= bitmap[word] - 1;
  c.sparse -= state.free_blocks == c.sparse_from;
  if (--state.free_blocks == 0) [[unlikely]] {
    c.open.Erase(unit);
    c.lowest = c.open.First();
  }
  s.live_bytes += c.bytes;
  ++s.live_blocks;
  const Offset allocated = unit * kUnitBytes + uint64_t{block} * c.bytes;
  if (s.undo != nullptr) [[unlikely]]
    s.undo->RecordAllocation(allocated, c.bytes);
  return allocated;
}

Offset Allocator::AllocateData(uint64_t bytes) {
  state_->is_for_data = true;
  const Offset block = Allocate(bytes);
  state_->is_for_data = false;
  return block;
}

void Allocator::SetUndo(Undo* undo) {
  state_->undo = undo;
}

void Allocator::Free(Offset block) {
  State& s = *state_;
  if (s.undo != nullptr) [[unlikely]]
    return s.undo->KeepBack(block);
  const uint64_t unit = block / kUnitBytes;
  const uint32_t entry = s.table[unit];
  if (UnitKind(entry) != kUnitSmall) [[unlikely]]
    return s.FreeLarge(block);
  State::SizeClass& c = s.classes[UnitRest(entry)];
  const uint32_t index = c.BlockOf(block % kUnitBytes);
  const uint32_t word = index / 64;
  const uint64_t bit = uint64_t{1} << index % 64;
  uint64_t& bits = s.BitmapOf(unit)[word];
  if ((bits & bit) != 0) [[unlikely]]
    Broken("block freed twice", block);
  bits |= bit;
  s.live_bytes -= c.bytes;
  --s.live_blocks;
  State::Unit& state = s.states[unit];
  if (word < state.hint) state.hint = static_cast<uint16_t>(word);
  ++state.free_blocks;
  c.sparse += state.free_blocks == c.sparse_from;
  if (state.free_blocks == 1) [[unlikely]] {
    s.OpenUnit(unit, &c);
  } else if (state.free_blocks == c.blocks) [[unlikely]] {
    s.UnitEmptied(unit, &c);
  }
}

void Allocator::Claim(Offset block, uint64_t capacity) {
  State& s = *state_;
  const uint64_t unit = block / kUnitBytes;
  const bool is_large = capacity > kMaxSmallBytes;
  const uint64_t count = is_large ? capacity / kUnitBytes : 1;
  const uint32_t size_class = is_large ? 0 : SizeClassFor(capacity);
  const bool is_cut = !is_large && s.table[unit] == UnitEntry(kUnitSmall, size_class);
  if (!is_cut) {
    // A class may have kept one of these, empty, for its next block.
    for (uint64_t other = unit; other < unit + count; ++other) {
      if (s.IsEmpty(other)) s.ReleaseSmallUnit(other);
      if (s.table[other] != kUnitFree) Broken("no place for a block", block);
    }
    s.runs->Claim(unit, count);
    if (unit + count > s.frontier_units()) s.arena->SetFrontier((unit + count) * kUnitBytes);
    if (is_large) return s.CutLarge(unit, count);
    s.CutUnit(unit, size_class);
  }
  State::SizeClass& c = s.classes[size_class];
  const uint32_t index = c.BlockOf(block % kUnitBytes);
  uint64_t& bits = s.BitmapOf(unit)[index / 64];
  const uint64_t bit = uint64_t{1} << index % 64;
  if ((bits & bit) == 0) Broken("no place for a block", block);
  bits &= ~bit;
  s.live_bytes += c.bytes;
  ++s.live_blocks;
  c.sparse -= s.states[unit].free_blocks == c.sparse_from;
  if (--s.states[unit].free_blocks == 0) {
    c.open.Erase(unit);
    c.lowest = c.open.First();
  } else if (!is_cut) {
    // Only now: to open it may give an empty unit back, and then all that are empty at the frontier go, too.
    s.OpenUnit(unit, &c);
  }
}

uint64_t Allocator::refused_bytes() const {
  return state_->refused_bytes;
}

void Allocator::ForgetRefusal() {
  state_->refused_bytes = 0;
}

uint64_t Allocator::Capacity(Offset block) const {
  const uint32_t entry = state_->table[block / kUnitBytes];
  return UnitKind(entry) == kUnitSmall ? state_->classes[UnitRest(entry)].bytes
                                       : UnitRest(entry) * kUnitBytes;
}

uint64_t Allocator::BytesToBlockEnd(Offset offset) const {
  const State& s = *state_;
  if (offset >= s.arena->frontier()) return 0;
  uint64_t unit = offset / kUnitBytes;
  while (UnitKind(s.table[unit]) == kUnitLargeFurther) --unit;
  const uint32_t entry = s.table[unit];
  const uint64_t distance = offset - unit * kUnitBytes;
  if (UnitKind(entry) == kUnitLargeFirst) return UnitRest(entry) * kUnitBytes - distance;
  if (UnitKind(entry) == kUnitFree) return 0;
  const State::SizeClass& c = s.classes[UnitRest(entry)];
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

uint64_t Allocator::sparse_units() const {
  uint64_t units = 0;
  for (const State::SizeClass& c : state_->classes) units += State::SparseUnits(c);
  return units;
}

Offset Allocator::AllocateBelow(Offset block, uint64_t top) {
  State& s = *state_;
  const uint64_t unit = block / kUnitBytes;
  if (UnitKind(s.table[unit]) != kUnitSmall) return kNone;
  const uint32_t size_class = UnitRest(s.table[unit]);
  const State::SizeClass& c = s.classes[size_class];
  if (s.states[unit].free_blocks < c.sparse_from && unit < top) return kNone;
  // No unit of the class has room below: a free one that is there does as well.
  if (c.lowest >= unit && (s.runs->LowestFree() > unit || !s.OpenFreshUnit(size_class))) return kNone;
  return Allocate(c.bytes);
}

const uint32_t* Allocator::table() const {
  return state_->table;
}

FrozenTable& Allocator::frozen_table() {
  return state_->frozen_table;
}

uint64_t Allocator::units() const {
  return state_->frontier_units();
}

uint64_t Allocator::used_units() const {
  return state_->runs->used();
}

uint64_t Allocator::CapacityIfBlock(Offset block) const {
  const State& s = *state_;
  if (block >= s.arena->frontier()) return 0;
  const uint32_t entry = s.table[block / kUnitBytes];
  const uint64_t distance = block % kUnitBytes;
  if (UnitKind(entry) == kUnitSmall) {
    const State::SizeClass& c = s.classes[UnitRest(entry)];
    const uint32_t index = c.BlockOf(distance);
    return index < c.blocks && uint64_t{index} * c.bytes == distance ? c.bytes : 0;
  }
  return UnitKind(entry) == kUnitLargeFirst && distance == 0 ? UnitRest(entry) * kUnitBytes : 0;
}

}  // namespace forkstore
