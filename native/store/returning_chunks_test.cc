#include "store/returning_chunks.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "testing/random_arena.h"

namespace forkstore {
namespace {

constexpr uint64_t kUnits = 2500;  // more than two steps of 64 MiB

bool IsMapped(const uint8_t* address) {
  unsigned char resident;
  return mincore(const_cast<uint8_t*>(address), kPageBytes, &resident) == 0 || errno != ENOMEM;
}

// In a child, where pages are private when they were written after the fork: that this side writes them makes no difference.
int ReadAll(const RandomArena& arena) {
  const ImageSource source = arena.Source();
  std::mt19937_64 random(3);
  std::vector<bool> touched(kUnits * kUnitBytes / kPageBytes);
  uint64_t pages = 0;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t page = random() % touched.size();
    pages += !touched[page];
    touched[page] = true;
    const_cast<uint8_t*>(source.arena_base)[page * kPageBytes] ^= 1;
  }
  std::vector<uint8_t> expected(kUnits * kUnitBytes);
  memcpy(expected.data(), source.arena_base, expected.size());

  std::vector<char> buffer(kChunkBytes);
  std::vector<uint8_t> chunk(kChunkBytes);
  ReturningChunks chunks(source, buffer.data(), buffer.size());
  for (uint64_t done = 0; done < expected.size(); done += kChunkBytes) {
    if (chunks.Next() != done / kChunkBytes || !chunks.Read(done / kChunkBytes, chunk.data())) return 1;
    if (memcmp(chunk.data(), expected.data() + done, std::min(kChunkBytes, expected.size() - done)) != 0)
      return 2;
  }
  const uint64_t returned = uint64_t{128} << 20;
  if (IsMapped(source.arena_base) || IsMapped(source.arena_base + returned - kPageBytes)) return 3;
  if (!IsMapped(source.arena_base + returned)) return 4;
  uint64_t copied = 0;
  if (!chunks.CopiedBytes(&copied)) return 5;
  return copied == pages * kPageBytes ? 0 : 6;
}

TEST(ReturningChunks, GivesBackWhatItHasReadAndCountsWhatWasCopied) {
  const RandomArena arena(1, kUnits, 1, uint64_t{256} << 20, false);
  ASSERT_TRUE(arena.arena->ExposeToFork().ok());
  EXPECT_EXIT(_exit(ReadAll(arena)), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace forkstore
