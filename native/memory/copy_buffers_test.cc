#include "memory/copy_buffers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace forkstore {
namespace {

using Buffer = CopyBuffers::Buffer;
constexpr uint64_t kMiB = uint64_t{1} << 20;

class CopyBuffersTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(buffers_.Create(128 * kMiB, kMiB).ok()); }
  CopyBuffers buffers_;
};

TEST_F(CopyBuffersTest, GivesOutAsManyAsItMay) {
  for (const uint64_t most : {uint64_t{5}, uint64_t{1}, uint64_t{100}}) {
    buffers_.Start(most * kPageBytes, 1000);
    EXPECT_EQ(buffers_.most_bytes(), most * kPageBytes);
    std::set<Buffer> taken;
    for (uint64_t i = 0; i < most; ++i) {
      const Buffer buffer = buffers_.Take();
      ASSERT_NE(buffer, CopyBuffers::kNoBuffer);
      memset(buffers_.At(buffer), 1, kPageBytes);
      taken.insert(buffer);
    }
    EXPECT_EQ(taken.size(), most);
    EXPECT_EQ(buffers_.Take(), CopyBuffers::kNoBuffer);
    EXPECT_EQ(buffers_.peak_bytes(), most * kPageBytes);
    // Two lists.
    const Buffer first = *taken.begin();
    Buffer last = first;
    for (const Buffer buffer : taken) {
      if (buffer == first) continue;
      buffers_.next(last) = buffer;
      last = buffer;
    }
    buffers_.GiveBack(first, last);
    for (uint64_t i = 0; i < most; ++i) EXPECT_EQ(taken.count(buffers_.Take()), 1u);
    EXPECT_EQ(buffers_.Take(), CopyBuffers::kNoBuffer);
    EXPECT_EQ(buffers_.peak_bytes(), most * kPageBytes);
  }
}

TEST_F(CopyBuffersTest, NeverMoreThanItHasAddressesFor) {
  buffers_.Start(uint64_t{1} << 40, uint64_t{1} << 40);
  EXPECT_EQ(buffers_.most_bytes(), 128 * kMiB);
  buffers_.Start(uint64_t{1} << 40, 9);
  EXPECT_EQ(buffers_.most_bytes(), 9 * kPageBytes);
}

TEST_F(CopyBuffersTest, PreparesAheadOfWhatIsTaken) {
  EXPECT_FALSE(buffers_.WantsPreparing());
  EXPECT_FALSE(buffers_.PrepareSome());
  buffers_.Start(64 * kMiB, 1 << 20);
  EXPECT_TRUE(buffers_.WantsPreparing());
  int steps = 0;
  while (buffers_.PrepareSome()) ++steps;
  EXPECT_GT(steps, 0);
  EXPECT_FALSE(buffers_.WantsPreparing());
  const uint64_t prepared = buffers_.prepared_bytes();
  EXPECT_GE(prepared, 2 * kMiB);
  const uint64_t half = prepared / 2 / kPageBytes;
  for (uint64_t i = 0; i < half; ++i) buffers_.Take();
  EXPECT_TRUE(buffers_.WantsPreparing());
  while (buffers_.PrepareSome()) {
  }
  EXPECT_GE(buffers_.prepared_bytes(), prepared + half * kPageBytes - 2 * kMiB);
}

TEST_F(CopyBuffersTest, ReleasesMemoryAndIsReadyAgain) {
  buffers_.Start(64 * kMiB, 1 << 20);
  while (buffers_.PrepareSome()) {
  }
  for (int i = 0; i < 1000; ++i) memset(buffers_.At(buffers_.Take()), 1, kPageBytes);
  buffers_.Release(kMiB);
  EXPECT_EQ(buffers_.prepared_bytes(), kMiB);
  EXPECT_FALSE(buffers_.WantsPreparing());
  EXPECT_EQ(buffers_.At(0)[0], 1);  // kept
  EXPECT_EQ(buffers_.At(static_cast<Buffer>(kMiB / kPageBytes))[0], 0);
  buffers_.Start(8 * kPageBytes, 8);
  EXPECT_EQ(buffers_.peak_bytes(), 0u);
  EXPECT_NE(buffers_.Take(), CopyBuffers::kNoBuffer);
}

TEST(CopyBuffers, WithoutSoManyAddressesItTakesFewer) {
  CopyBuffers buffers;
  EXPECT_FALSE(buffers.is_created());
  // 256 GiB of addresses there are.
  ASSERT_TRUE(buffers.Create(uint64_t{1} << 45, kMiB).ok());
  EXPECT_EQ(buffers.capacity_bytes(), kMaxArenaBytes);
}

}  // namespace
}  // namespace forkstore
