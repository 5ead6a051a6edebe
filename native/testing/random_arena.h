// Tests only: an arena of random contents, as a store's image is written from.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "image/image_format.h"
#include "memory/arena.h"
#include "memory/frozen_table.h"

namespace forkstore {

// An arena with random bytes in the units that a random table says are used.
struct RandomArena {
  std::unique_ptr<Arena> arena;
  std::vector<uint32_t> table;
  FrozenTable frozen_table;

  RandomArena(uint64_t seed, uint64_t units, double used, uint64_t max_bytes = uint64_t{64} << 20,
              bool huge_pages = true) {
    std::mt19937_64 random(seed);
    EXPECT_TRUE(Arena::Create({max_bytes, huge_pages}, &arena).ok());
    table.reserve(RoundUp(units, kPageBytes / sizeof(uint32_t)));  // a frozen table is read by pages
    for (uint64_t unit = 0; unit < units; ++unit) {
      const bool is_used = std::uniform_real_distribution<>(0, 1)(random) < used;
      table.push_back(is_used ? 1 + 4 * static_cast<uint32_t>(random() % 20) : 0);
      if (is_used) Fill(unit, random());
    }
    arena->SetFrontier(units * kUnitBytes);
  }

  void Fill(uint64_t unit, uint64_t seed) {
    std::mt19937_64 random(seed);
    uint8_t* bytes = arena->Write(unit * kUnitBytes, kUnitBytes);
    for (uint64_t i = 0; i < kUnitBytes; i += 8) {
      const uint64_t word = random();
      memcpy(bytes + i, &word, 8);
    }
  }

  ImageSource Source(uint64_t generation = 1) const {
    ImageSource source{};
    source.arena_base = arena->base();
    source.table = table.data();
    source.units = table.size();
    source.store_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    source.generation = generation;
    source.created_ms = 1.7e12;
    source.entries = 77;
    source.writes = 88;
    return source;
  }

  // Before the first freeze.
  void MakeFreezable() {
    if (arena->frozen().is_created()) return;
    EXPECT_TRUE(arena->frozen().Create(arena->base(), arena->reserved_bytes(), uint64_t{64} << 20).ok());
    EXPECT_TRUE(frozen_table.Create(table.data(), table.size()).ok());
  }
  // As an allocator does.
  void ChangeTable(uint64_t unit, uint32_t entry) {
    if (frozen_table.is_created()) frozen_table.BeforeChange(unit, 1);
    table[unit] = entry;
  }

  // What is used in `other` is the same here.
  bool SameAs(const Arena& other) const {
    for (uint64_t unit = 0; unit < table.size(); ++unit) {
      if (UnitHasData(table[unit]) &&
          memcmp(arena->At(unit * kUnitBytes), other.At(unit * kUnitBytes), kUnitBytes) != 0) {
        return false;
      }
    }
    return true;
  }
};

}  // namespace forkstore
