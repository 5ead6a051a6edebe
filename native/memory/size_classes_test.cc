#include "memory/size_classes.h"

#include <gtest/gtest.h>

namespace forkstore {
namespace {

TEST(SizeClasses, AscendInMultiplesOfEight) {
  for (uint32_t i = 0; i < SizeClassCount(); ++i) {
    EXPECT_EQ(SizeClassBytes(i) % 8, 0u);
    if (i > 0) {
      EXPECT_GT(SizeClassBytes(i), SizeClassBytes(i - 1));
    }
    EXPECT_EQ(SizeClassBlocks(i), kUnitBytes / SizeClassBytes(i));
    EXPECT_GE(SizeClassBlocks(i), 2u);
  }
  EXPECT_EQ(SizeClassBytes(0), 16u);
  EXPECT_EQ(SizeClassBytes(SizeClassCount() - 1), kMaxSmallBytes);
}

// The slow and obvious search is the oracle.
TEST(SizeClasses, LookupFindsTheSmallestThatFits) {
  for (uint64_t bytes = 1; bytes <= kMaxSmallBytes; ++bytes) {
    uint32_t expected = 0;
    while (SizeClassBytes(expected) < bytes) ++expected;
    ASSERT_EQ(SizeClassFor(bytes), expected) << bytes;
  }
}

TEST(SizeClasses, WasteIsBounded) {
  for (uint64_t bytes = 16; bytes <= kMaxSmallBytes; ++bytes) {
    const uint64_t lost = SizeClassBytes(SizeClassFor(bytes)) - bytes;
    ASSERT_LT(lost, bytes <= 256 ? 8 : bytes / 8 + 1) << bytes;
  }
}

// Class numbers are in the unit tables of images: these must never change.
TEST(SizeClasses, NumbersAreThoseOfTheFormat) {
  EXPECT_EQ(SizeClassCount(), 88u);
  EXPECT_EQ(SizeClassBytes(14), 128u);
  EXPECT_EQ(SizeClassBytes(30), 256u);
  EXPECT_EQ(SizeClassBytes(38), 512u);
  EXPECT_EQ(SizeClassBytes(39), 520u);
  EXPECT_EQ(SizeClassBytes(40), 576u);
  EXPECT_EQ(SizeClassBytes(47), 1024u);
  EXPECT_EQ(SizeClassBytes(87), 32768u);
}

TEST(SizeClasses, SizesTheStructuresTakeExistExactly) {
  for (uint32_t bytes : {16u, 64u, 128u, 256u, 512u, 520u, 1024u, 2048u, 4096u}) {
    EXPECT_EQ(SizeClassBytes(SizeClassFor(bytes)), bytes);
  }
}

}  // namespace
}  // namespace forkstore
