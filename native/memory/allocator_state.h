// The allocator's own state; for allocator.cc and allocator_restore.cc, and for nobody else.
//
// A small unit of b blocks has one bit for each block (1 = free), kept in order, so that a fresh unit is
// handed out from its first byte to its last and a scan over what was stored together reads forward.
//
//   table     u32 a unit         what the unit is cut into; in the image too
//   states    4 bytes a unit     blocks free, and the word below which no bit is set
//   bitmaps   512 bytes a unit   touched as far as the unit has blocks
//   open      a UnitSet a class  its units with a free block; the lowest is allocated from
//   runs      a UnitMap          free and used units
//
// Invariant: a class has at most one unit without a live block, and then no other with a free one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "memory/allocator.h"
#include "memory/scratch.h"
#include "memory/unit_map.h"
#include "memory/unit_set.h"
#include "memory/unit_table.h"

namespace forkstore {

struct Allocator::State {
  static constexpr uint64_t kBitmapWords = kUnitBytes / 16 / 64;
  static constexpr uint32_t kClassLimit = 96;  // room for SizeClassCount()

  struct Unit {
    uint16_t free_blocks;  // small: blocks free; large, while loading: 1 until it is claimed
    uint16_t hint;         // small: no word of the bitmap below this one has a bit
  };

  struct SizeClass {
    uint32_t bytes = 0;
    uint32_t blocks = 0;
    uint32_t sparse_from = 0;          // free blocks of a unit that make it sparse: half of all or more
    uint64_t sparse = 0;               // units that are
    uint32_t reciprocal = 0;           // 2^32 / bytes, rounded up: exact for distances within a unit
    uint64_t lowest = UnitSet::kNone;  // of `open`
    UnitSet open;

    uint32_t BlockOf(uint64_t distance) const { return static_cast<uint32_t>(distance * reciprocal >> 32); }
  };

  Arena* arena = nullptr;
  Undo* undo = nullptr;
  uint32_t* table = nullptr;
  Unit* states = nullptr;
  uint64_t* bitmaps = nullptr;
  uint64_t live_bytes = 0;
  uint64_t live_blocks = 0;
  uint64_t refused_bytes = 0;
  bool is_for_data = false;  // what is being allocated
  std::array<SizeClass, kClassLimit> classes;
  std::unique_ptr<UnitMap> runs;
  FrozenTable frozen_table;
  ScratchMapping table_memory, state_memory, bitmap_memory, open_memory;

  uint64_t reserved_units() const { return arena->reserved_bytes() / kUnitBytes; }
  // Beyond this no unit is taken.
  uint64_t limit_bytes() const;
  // An open class of blocks of at least `bytes`, when that of its size is not and cannot be; or nullptr.
  SizeClass* RoomierClass(uint32_t size_class, uint64_t bytes);
  uint64_t frontier_units() const { return arena->frontier() / kUnitBytes; }
  uint64_t* BitmapOf(uint64_t unit) { return bitmaps + unit * kBitmapWords; }
  const uint64_t* BitmapOf(uint64_t unit) const { return bitmaps + unit * kBitmapWords; }
  // The only way the table changes after loading.
  void SetEntries(uint64_t first, uint64_t count, uint32_t entry);
  bool IsEmpty(uint64_t unit) const;
  // Beside the one that is allocated from, which may be.
  static uint64_t SparseUnits(const SizeClass& c) { return c.sparse == 0 ? 0 : c.sparse - 1; }

  uint64_t TakeUnits(uint64_t count);
  uint64_t TakeWithinLimit(uint64_t count);
  void GiveUnits(uint64_t first, uint64_t count);
  void LowerFrontier();
  // Of a unit that nothing is live in.
  void CutUnit(uint64_t unit, uint32_t size_class);
  bool OpenFreshUnit(uint32_t size_class);
  void ReleaseSmallUnit(uint64_t unit);
  void OpenUnit(uint64_t unit, SizeClass* c);
  void UnitEmptied(uint64_t unit, SizeClass* c);
  Offset AllocateLarge(uint64_t bytes);
  void CutLarge(uint64_t first, uint64_t count);
  void FreeLarge(Offset block);
  Offset Refuse(uint64_t bytes) {
    refused_bytes = bytes;
    return kNone;
  }
};

}  // namespace forkstore
