#include "memory/undo.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace forkstore {
namespace {

using Bytes = std::vector<uint8_t>;
using Blocks = std::map<Offset, Bytes>;

class Fixture {
 public:
  explicit Fixture(uint64_t max_bytes = uint64_t{1} << 30) {
    ArenaOptions options;
    options.max_bytes = max_bytes;
    options.huge_pages = false;
    EXPECT_TRUE(Arena::Create(options, &arena).ok());
    EXPECT_TRUE(Allocator::Create(arena.get(), &allocator).ok());
    undo = std::make_unique<Undo>(arena.get(), allocator.get());
  }

  Offset New(const Bytes& bytes) {
    const Offset block = allocator->Allocate(bytes.size());
    if (block != kNone) Put(block, bytes);
    return block;
  }
  void Put(Offset offset, const Bytes& bytes) {
    std::memcpy(arena->Write(offset, bytes.size()), bytes.data(), bytes.size());
  }
  Bytes Get(Offset offset, uint64_t bytes) const {
    return Bytes(arena->At(offset), arena->At(offset) + bytes);
  }
  uint64_t live_blocks() const { return allocator->stats().live_blocks; }
  uint64_t live_bytes() const { return allocator->stats().live_bytes; }

  std::unique_ptr<Arena> arena;
  std::unique_ptr<Allocator> allocator;
  std::unique_ptr<Undo> undo;
};

Bytes RandomBytes(std::mt19937_64* random, uint64_t bytes) {
  Bytes made(bytes);
  for (uint8_t& byte : made) byte = static_cast<uint8_t>((*random)());
  return made;
}

void RunProgram(uint32_t seed) {
  std::mt19937_64 random(seed);
  Fixture f;
  struct Scope {
    Undo::Position position;
    Blocks blocks;
    uint64_t live_blocks;
    uint64_t live_bytes;
  };
  Blocks blocks;
  std::vector<Scope> scopes;
  const auto some_block = [&] {
    return std::next(blocks.begin(), static_cast<ptrdiff_t>(random() % blocks.size()));
  };
  const auto some_size = [&]() -> uint64_t {
    return random() % 50 == 0 ? 1 + random() % 200'000 : 1 + random() % 300;
  };
  for (uint32_t step = 0; step < 6000; step++) {
    const uint64_t dice = random() % 100;
    if (dice < 30) {
      const Bytes bytes = RandomBytes(&random, some_size());
      const Offset block = f.New(bytes);
      ASSERT_NE(block, kNone);
      ASSERT_TRUE(blocks.emplace(block, bytes).second) << "a live block was handed out again";
    } else if (dice < 60 && !blocks.empty()) {
      const auto& [block, bytes] = *some_block();
      const uint64_t first = random() % bytes.size();
      const Bytes piece = RandomBytes(&random, 1 + random() % std::min<uint64_t>(bytes.size() - first, 64));
      f.Put(block + first, piece);
      std::copy(piece.begin(), piece.end(), blocks[block].begin() + static_cast<ptrdiff_t>(first));
    } else if (dice < 80 && !blocks.empty()) {
      const Offset block = some_block()->first;
      f.allocator->Free(block);
      blocks.erase(block);
    } else if (dice < 82 && !scopes.empty()) {
      f.undo->SpillFreed(1 + random() % 5000);
    } else if (dice < 83 && !f.undo->spilled()) {
      // What outlives every rollback.
      Undo::Suspended suspended(f.undo.get());
      const Bytes bytes = RandomBytes(&random, some_size());
      const Offset block = f.New(bytes);
      ASSERT_NE(block, kNone);
      ASSERT_TRUE(blocks.emplace(block, bytes).second) << "a live block was handed out again";
      for (Scope& scope : scopes) {
        ASSERT_TRUE(scope.blocks.emplace(block, bytes).second) << "a block that may come back was handed out";
        scope.live_blocks++;
        scope.live_bytes += f.allocator->Capacity(block);
      }
    } else if (dice < 89 && scopes.size() < 5) {
      Scope scope{f.undo->Begin(), blocks, f.live_blocks(), f.live_bytes()};
      scopes.push_back(std::move(scope));
    } else if (dice < 93 && !scopes.empty()) {
      f.undo->Commit();
      scopes.pop_back();
      if (scopes.empty()) {
        ASSERT_EQ(f.live_blocks(), blocks.size());
      }
    } else if (dice < 97 && !scopes.empty()) {
      Scope& scope = scopes.back();
      f.undo->Rollback(scope.position);
      blocks = std::move(scope.blocks);
      ASSERT_EQ(f.live_blocks(), scope.live_blocks);
      ASSERT_EQ(f.live_bytes(), scope.live_bytes);
      scopes.pop_back();
      for (const auto& [block, bytes] : blocks) ASSERT_EQ(f.Get(block, bytes.size()), bytes);
    }
    ASSERT_EQ(f.undo->active(), !scopes.empty());
    if (scopes.empty()) {
      ASSERT_EQ(f.undo->recorded_bytes(), 0u);
    }
  }
  while (!scopes.empty()) {
    f.undo->Commit();
    scopes.pop_back();
  }
  ASSERT_EQ(f.live_blocks(), blocks.size());
  for (const auto& [block, bytes] : blocks) {
    ASSERT_EQ(f.Get(block, bytes.size()), bytes);
    f.allocator->Free(block);
  }
  ASSERT_EQ(f.live_blocks(), 0u);
  ASSERT_EQ(f.undo->recorded_bytes(), 0u);
}

TEST(Undo, RandomPrograms) {
  for (uint32_t seed = 0; seed < 60; seed++) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(RunProgram(seed));
  }
}

TEST(Undo, WritesBesideTheAnnouncedRangeStay) {
  Fixture f;
  const Offset block = f.New(Bytes(16, 1));
  const Undo::Position position = f.undo->Begin();
  f.Put(block + 3, Bytes(5, 2));
  {
    Undo::Suspended suspended(f.undo.get());
    f.Put(block, Bytes(3, 7));
    f.Put(block + 8, Bytes(8, 7));
  }
  f.undo->Rollback(position);
  EXPECT_EQ(f.Get(block, 16), (Bytes{7, 7, 7, 1, 1, 1, 1, 1, 7, 7, 7, 7, 7, 7, 7, 7}));
}

TEST(Undo, SuspendedNestsAndGoesOnWhereThereIsNothing) {
  Fixture f;
  const Offset block = f.New(Bytes(16, 1));
  { Undo::Suspended outside(f.undo.get()); }
  EXPECT_EQ(f.arena->undo(), nullptr);
  { Undo::Suspended none(nullptr); }
  const Undo::Position position = f.undo->Begin();
  EXPECT_EQ(f.arena->undo(), f.undo.get());
  {
    Undo::Suspended first(f.arena->undo());
    EXPECT_EQ(f.arena->undo(), nullptr);
    { Undo::Suspended second(f.arena->undo()); }
    { Undo::Suspended third(f.undo.get()); }
    EXPECT_EQ(f.arena->undo(), nullptr);
  }
  EXPECT_EQ(f.arena->undo(), f.undo.get());
  f.Put(block, Bytes(16, 2));
  f.undo->Rollback(position);
  EXPECT_EQ(f.Get(block, 16), Bytes(16, 1));
  EXPECT_EQ(f.arena->undo(), nullptr);
}

// A block of an outer scope is not new to the inner one.
TEST(Undo, TheNewestBlockOfAnOuterScopeIsRestored) {
  Fixture f;
  f.undo->Begin();
  const Offset block = f.New(Bytes(16, 1));
  const Undo::Position inner = f.undo->Begin();
  f.Put(block, Bytes(16, 2));
  f.undo->Rollback(inner);
  EXPECT_EQ(f.Get(block, 16), Bytes(16, 1));
  f.Put(block, Bytes(16, 3));
  f.undo->Commit();
  EXPECT_EQ(f.Get(block, 16), Bytes(16, 3));
}

TEST(Undo, WritesToTheNewestBlockCostNothing) {
  Fixture f;
  f.undo->Begin();
  const Offset block = f.New(Bytes(4096, 1));
  f.Put(block + 4000, Bytes(96, 2));
  EXPECT_LT(f.undo->recorded_bytes(), 64u);
  f.undo->Commit();
}

// Also when each write has a scope of its own within the outer one.
TEST(Undo, AScopeSavesTheSameBytesOnce) {
  for (const bool nested : {false, true}) {
    Fixture f;
    const Offset block = f.New(Bytes(512, 1));
    f.New(Bytes(16, 1));
    const Undo::Position position = f.undo->Begin();
    std::mt19937_64 random(7);
    uint64_t after_some = 0;
    for (uint32_t i = 0; i < 20'000; i++) {
      if (i == 10'000) after_some = f.undo->recorded_bytes();
      if (nested) f.undo->Begin();
      const uint64_t first = random() % 64 * 8;
      f.Put(block + first, Bytes(512 - first, static_cast<uint8_t>(i)));
      if (nested) f.undo->Commit();
    }
    EXPECT_EQ(f.undo->recorded_bytes(), after_some);
    f.undo->Rollback(position);
    EXPECT_EQ(f.Get(block, 512), Bytes(512, 1));
  }
}

// A block that was given to others comes back where it was, with the bytes it had.
TEST(Undo, SpilledBlocksComeBack) {
  Fixture f(kMinArenaBytes);
  std::vector<Offset> blocks;
  for (Offset block = 0; (block = f.allocator->Allocate(1000)) != kNone;) {
    f.Put(block, Bytes(1000, static_cast<uint8_t>(blocks.size())));
    blocks.push_back(block);
  }
  const uint64_t live = f.live_bytes();
  const Undo::Position position = f.undo->Begin();
  for (const Offset block : blocks) f.allocator->Free(block);
  EXPECT_EQ(f.allocator->Allocate(uint64_t{1} << 20), kNone);
  EXPECT_FALSE(f.undo->spilled());
  EXPECT_TRUE(f.undo->SpillFreed(f.live_bytes()));
  EXPECT_FALSE(f.undo->SpillFreed(1));
  const Offset large = f.allocator->Allocate(uint64_t{1} << 20);
  ASSERT_NE(large, kNone);
  f.Put(large, Bytes(uint64_t{1} << 20, 0xAA));
  f.undo->Rollback(position);
  EXPECT_FALSE(f.undo->spilled());
  EXPECT_EQ(f.live_bytes(), live);
  for (size_t i = 0; i < blocks.size(); i++) {
    ASSERT_EQ(f.Get(blocks[i], 1000), Bytes(1000, static_cast<uint8_t>(i)));
  }
}

TEST(Undo, LargeListsAreGivenBack) {
  Fixture f;
  const Offset block = f.New(Bytes(uint64_t{8} << 20, 1));
  for (const bool keep : {true, false}) {
    const Undo::Position position = f.undo->Begin();
    f.Put(block, Bytes(uint64_t{8} << 20, 2));
    std::vector<Offset> blocks;
    for (uint32_t i = 0; i < 200'000; i++) blocks.push_back(f.allocator->Allocate(16));
    for (const Offset small : blocks) f.allocator->Free(small);
    EXPECT_GT(f.undo->recorded_bytes(), uint64_t{8} << 20);
    EXPECT_GE(f.undo->memory_bytes(), f.undo->recorded_bytes());
    if (keep) {
      f.undo->Commit();
    } else {
      f.undo->Rollback(position);
    }
    EXPECT_LE(f.undo->memory_bytes(), uint64_t{3} << 20);
    EXPECT_EQ(f.live_blocks(), 1u);
  }
}

TEST(Undo, AFullArenaIsTakenBack) {
  Fixture f(kMinArenaBytes);
  std::mt19937_64 random(1);
  Blocks blocks;
  for (uint32_t i = 0; i < 2000; i++) {
    const Bytes bytes = RandomBytes(&random, 1 + random() % 500);
    blocks.emplace(f.New(bytes), bytes);
  }
  const AllocatorStats before = f.allocator->stats();
  for (uint32_t round = 0; round < 20; round++) {
    const Undo::Position position = f.undo->Begin();
    for (const auto& [block, bytes] : blocks) {
      if (random() % 2 == 0) f.Put(block, Bytes(bytes.size(), 0xEE));
      if (random() % 2 == 0) f.allocator->Free(block);
    }
    uint64_t spilled = 0;
    do {
      while (true) {
        const uint64_t bytes = 1 + random() % (round % 2 == 0 ? 2000 : 200'000);
        const Offset block = f.allocator->Allocate(bytes);
        if (block == kNone) break;
        f.Put(block, Bytes(bytes, 0xDD));
      }
      spilled += f.undo->spilled();
    } while (f.undo->SpillFreed(uint64_t{16} << 10));
    EXPECT_GT(spilled, 0u);
    f.undo->Rollback(position);
    EXPECT_EQ(f.allocator->stats().live_blocks, before.live_blocks);
    EXPECT_EQ(f.allocator->stats().live_bytes, before.live_bytes);
    for (const auto& [block, bytes] : blocks) ASSERT_EQ(f.Get(block, bytes.size()), bytes);
  }
}

// What is written back has to reach the next image.
TEST(Undo, RollbackMarksPagesDirty) {
  Fixture f;
  const Offset block = f.New(Bytes(16, 1));
  const Undo::Position position = f.undo->Begin();
  f.Put(block, Bytes(16, 2));
  f.arena->BeginSave();
  f.arena->EndSave(true);
  EXPECT_EQ(f.arena->dirty_pages(), 0u);
  f.undo->Rollback(position);
  EXPECT_EQ(f.arena->dirty_pages(), 1u);
}

}  // namespace
}  // namespace forkstore
