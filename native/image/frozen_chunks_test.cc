#include "image/frozen_chunks.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "testing/image.h"
#include "testing/random_arena.h"

namespace forkstore {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

bool GoOn(void*, uint64_t) {
  return true;
}

// Of the frozen pages; what was written, or empty with *result.
std::vector<uint8_t> WriteFrozen(const ImageSource& source, ImageChunks* chunks, ImageWriteResult* result) {
  const int fd = static_cast<int>(memfd_create("image", MFD_CLOEXEC));
  EXPECT_GE(fd, 0);
  std::unique_ptr<ImageWriterSpace> space;
  EXPECT_TRUE(ImageWriterSpace::Create(source, &space).ok());
  *result = WriteImage(source, chunks, fd, space.get(), GoOn, nullptr);
  std::vector<uint8_t> written(result->error == 0 ? result->file_bytes : 0);
  EXPECT_EQ(pread(fd, written.data(), written.size(), 0), static_cast<ssize_t>(written.size()));
  close(fd);
  return written;
}

void Freeze(RandomArena* arena, uint64_t most_bytes) {
  if (!arena->arena->frozen().is_created()) {
    ASSERT_TRUE(
        arena->arena->frozen().Create(arena->arena->base(), arena->arena->reserved_bytes(), 64 * kMiB).ok());
  }
  arena->arena->BeginSave();
  arena->arena->Freeze(most_bytes);
}

void End(RandomArena* arena) {
  arena->arena->frozen().End();
  arena->arena->EndSave(true);
  arena->arena->Thaw();
}

void Change(RandomArena* arena, std::mt19937_64* random) {
  const uint64_t all = arena->table.size() * kUnitBytes;
  const uint64_t offset = (*random)() % (all / 8) * 8;
  const uint64_t bytes = std::min(8 + (*random)() % ((*random)() % 64 == 0 ? kMiB : 64), all - offset);
  memset(arena->arena->Write(offset, bytes), static_cast<int>((*random)()), bytes);
}

TEST(FrozenChunks, TheImageIsThatOfTheFreeze) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 40; ++round) {
    RandomArena arena(static_cast<uint64_t>(round), 1 + random() % 200, round % 4 * 0.3 + 0.1);
    const std::vector<uint8_t> expected = ReferenceImage(arena.Source());
    Freeze(&arena, 64 * kMiB);
    const std::vector<uint32_t> table = arena.table;
    FrozenChunks chunks(&arena.arena->frozen(), table);
    for (uint64_t i = random() % 300; i > 0; --i) Change(&arena, &random);
    ImageSource source = arena.Source();
    source.table = table.data();
    ImageWriteResult result;
    EXPECT_TRUE(WriteFrozen(source, &chunks, &result) == expected) << round;
    End(&arena);
  }
}

TEST(FrozenChunks, AChunkWithManyCopiesComesFirst) {
  RandomArena arena(1, 64, 1);
  Freeze(&arena, 64 * kMiB);
  FrozenChunks chunks(&arena.arena->frozen(), arena.table);
  std::vector<uint8_t> to(kChunkBytes);
  EXPECT_EQ(chunks.Next(), 0u);
  for (uint64_t i = 0; i + 1 < FrozenChunks::kManyCopies; ++i) {
    arena.arena->Mutate<uint64_t>(2 * kMiB + i * kPageBytes) = 1;
  }
  EXPECT_EQ(chunks.Next(), 0u);
  arena.arena->Mutate<uint64_t>(3 * kMiB - kPageBytes) = 1;
  EXPECT_EQ(chunks.Next(), 2u);
  ASSERT_TRUE(chunks.Read(2, to.data()));
  EXPECT_EQ(chunks.Next(), 0u);
  ASSERT_TRUE(chunks.Read(0, to.data()));
  EXPECT_EQ(chunks.Next(), 1u);
  ASSERT_TRUE(chunks.Read(1, to.data()));
  EXPECT_EQ(chunks.Next(), 3u);
  End(&arena);
}

// All of it is rewritten while the disk takes a chunk at a time: so much is held at once, and no more.
TEST(FrozenChunks, BuffersFollowTheDiskWhereverIsWritten) {
  RandomArena arena(1, 512, 1);
  Freeze(&arena, 2 * kMiB);
  FrozenChunks chunks(&arena.arena->frozen(), arena.table);
  std::vector<uint8_t> to(kChunkBytes);
  for (uint64_t i = 0; i < 32; ++i) {
    const uint64_t chunk = i * 13 % 32;
    memset(arena.arena->Write(chunk * kMiB, kMiB), 1, kMiB);
    EXPECT_EQ(chunks.Next(), chunk);
    ASSERT_TRUE(chunks.Read(chunk, to.data()));
  }
  EXPECT_LE(arena.arena->frozen().peak_bytes(), kMiB);
  End(&arena);
}

TEST(FrozenChunks, WithoutBuffersThereIsNoImage) {
  RandomArena arena(1, 64, 1);
  Freeze(&arena, 4 * kPageBytes);
  FrozenChunks chunks(&arena.arena->frozen(), arena.table);
  for (uint64_t i = 0; i < 5; ++i) arena.arena->Mutate<uint64_t>(i * kMiB / 2) = 1;
  ImageWriteResult result;
  WriteFrozen(arena.Source(), &chunks, &result);
  EXPECT_TRUE(result.gone);
  EXPECT_EQ(result.error, ENOBUFS);
  End(&arena);
}

// Snapshot after snapshot, while the owner writes all the time: each image is byte for byte what a copy of the
// arena at the freeze gives. FORKSTORE_STORM_SNAPSHOTS: how many.
TEST(FrozenChunks, StormOfSnapshotsUnderRandomWrites) {
  const char* asked = getenv("FORKSTORE_STORM_SNAPSHOTS");
  const int snapshots = asked == nullptr ? 300 : atoi(asked);
  RandomArena arena(5, 10, 0.8);  // small, for many snapshots
  std::mt19937_64 random(6);
  int given_up = 0;
  uint64_t copied = 0;
  for (int i = 0; i < snapshots; ++i) {
    if (random() % 8 == 0) arena.table[random() % arena.table.size()] ^= 1;
    const std::vector<uint8_t> expected = ReferenceImage(arena.Source());
    const std::vector<uint32_t> table = arena.table;
    Freeze(&arena, random() % 16 == 0 ? 8 * kPageBytes : 64 * kMiB);
    ImageSource source = arena.Source();
    source.table = table.data();
    std::atomic<bool> is_over{false};
    std::vector<uint8_t> written;
    ImageWriteResult result;
    std::thread writer([&] {
      FrozenChunks chunks(&arena.arena->frozen(), table);
      written = WriteFrozen(source, &chunks, &result);
      arena.arena->frozen().End();
      arena.arena->frozen().ReleaseBuffers(kMiB);
      is_over.store(true);
    });
    while (!is_over.load()) Change(&arena, &random);
    writer.join();
    given_up += result.gone;
    copied += arena.arena->frozen().peak_bytes();
    if (!result.gone) {
      ASSERT_TRUE(written == expected) << i;
    }
    arena.arena->EndSave(!result.gone);
    arena.arena->Thaw();
  }
  EXPECT_LT(given_up, snapshots);
  EXPECT_GT(copied, 0u);
}

}  // namespace
}  // namespace forkstore
