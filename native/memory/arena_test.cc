#include "memory/arena.h"

#include <gtest/gtest.h>

namespace forkstore {
namespace {

TEST(Arena, CreatesAndWrites) {
  std::unique_ptr<Arena> arena;
  ASSERT_TRUE(Arena::Create({}, &arena).ok());
  EXPECT_EQ(reinterpret_cast<uint64_t>(arena->base()) % kHugePageBytes, 0u);
  arena->SetFrontier(kUnitBytes);
  arena->Mutate<uint64_t>(4096) = 7;
  EXPECT_EQ(arena->Read<uint64_t>(4096), 7u);
  EXPECT_EQ(arena->CountDirtyPages(), 1u);
}

}  // namespace
}  // namespace forkstore
