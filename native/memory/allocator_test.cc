#include "memory/allocator.h"

#include <gtest/gtest.h>

namespace forkstore {
namespace {

TEST(Allocator, FirstBlockIsTheRoot) {
  std::unique_ptr<Arena> arena;
  ASSERT_TRUE(Arena::Create({}, &arena).ok());
  std::unique_ptr<Allocator> allocator;
  ASSERT_TRUE(Allocator::Create(arena.get(), &allocator).ok());
  EXPECT_EQ(allocator->Allocate(128), kUnitBytes);
  EXPECT_EQ(allocator->Allocate(128), kUnitBytes + 128);
  allocator->Free(kUnitBytes);
  EXPECT_EQ(allocator->Allocate(121), kUnitBytes);
  const Offset large = allocator->Allocate(100000);
  EXPECT_EQ(large, 2 * kUnitBytes);
  EXPECT_EQ(allocator->Capacity(large), 2 * kUnitBytes);
  allocator->Free(large);
  EXPECT_EQ(allocator->units(), 2u);
}

}  // namespace
}  // namespace forkstore
