#include "image/pace.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

#include "image/image_writer.h"
#include "testing/image.h"
#include "testing/random_arena.h"

namespace forkstore {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMiB = uint64_t{1} << 20;

// A writer on a clock of its own. Sleeps take longer than they were asked for, as real ones do.
struct Writer {
  explicit Writer(const PaceLimits& limits, uint64_t start = 5 * kSecond) : pace(limits), now(start) {}

  void Write(uint64_t bytes, uint64_t takes_ns, uint64_t oversleeps_ns = 0) {
    const uint64_t began = now;
    now += takes_ns;
    pace.Wrote(bytes, began, now);
    longest_sleep = 0;
    sleeps = 0;
    while (const uint64_t sleep = pace.SleepNs(now)) {
      longest_sleep = std::max(longest_sleep, sleep);
      now += sleep + oversleeps_ns;
      ++sleeps;
    }
  }

  Pace pace;
  uint64_t now;
  uint64_t longest_sleep = 0;
  uint64_t sleeps = 0;
};

TEST(Pace, WithoutLimitsThereIsNoRest) {
  Writer writer(PaceLimits{});
  for (uint64_t takes : {uint64_t{0}, uint64_t{1}, kSecond, 100 * kSecond}) {
    writer.Write(kMiB, takes);
    EXPECT_EQ(writer.sleeps, 0u);
  }
}

TEST(Pace, TheLimitIsKeptOverAnyPeriod) {
  std::mt19937_64 random(1);
  for (const uint64_t rate : {kMiB, 3 * kMiB + 1, 100 * kMiB, 4096 * kMiB, uint64_t{9007199254740991}}) {
    struct Piece {
      uint64_t began, bytes;
    };
    std::vector<Piece> pieces;
    Writer writer({rate, false});
    const uint64_t start = writer.now;
    uint64_t sum = 0;
    for (int i = 0; i < 400; ++i) {
      const uint64_t bytes = 4096 * (1 + random() % 256);
      pieces.push_back({writer.now, bytes});
      sum += bytes;
      // Now and then the disk stalls for a second.
      writer.Write(bytes, random() % 50 == 0 ? kSecond : random() % 3'000'000, random() % 100'000);
      // Exact from the start on: what was written has taken as long as it may.
      EXPECT_GE(static_cast<double>(writer.now - start) / kSecond * static_cast<double>(rate) * (1 + 1e-9),
                static_cast<double>(sum));
      EXPECT_LE(writer.longest_sleep, Pace::kSliceNs);
    }
    // From any piece on: the limit, and what a slice makes up for.
    for (size_t from = 0; from < pieces.size(); from += 7) {
      double bytes = 0;
      for (size_t to = from; to < pieces.size(); ++to) {
        const auto seconds =
            static_cast<double>(pieces[to].began - pieces[from].began + Pace::kSliceNs) / kSecond;
        EXPECT_LE(bytes, seconds * static_cast<double>(rate) * (1 + 1e-9));
        bytes += static_cast<double>(pieces[to].bytes);
      }
    }
  }
}

TEST(Pace, AQuickDiskReachesTheLimitThoughSleepsAreLong) {
  for (const uint64_t rate : {kMiB, 64 * kMiB, 512 * kMiB}) {
    Writer writer({rate, false});
    const uint64_t start = writer.now;
    for (int i = 0; i < 1000; ++i) writer.Write(kMiB, 100'000, 60'000);
    const double expected = 1000.0 * kMiB / static_cast<double>(rate);
    EXPECT_NEAR(static_cast<double>(writer.now - start) / kSecond, expected, 0.01);
  }
}

TEST(Pace, ToLeaveRoomItRestsAsLongAsAPieceTookButNotForLong) {
  for (const uint64_t takes : {uint64_t{0}, uint64_t{1}, uint64_t{2'000'000}, 7 * kSecond}) {
    Writer writer({0, true});
    const uint64_t start = writer.now;
    writer.Write(kMiB, takes);
    EXPECT_EQ(writer.now - start, takes + std::min(takes, Pace::kMostRestNs));
    EXPECT_EQ(writer.sleeps, takes == 0 ? 0u : 1u);
  }
}

TEST(Pace, TheLongerOfBothCounts) {
  Writer slow({kMiB, true});
  slow.Write(kMiB, 1'000'000);
  EXPECT_EQ(slow.now, 6 * kSecond);
  Writer quick({1024 * kMiB, true});
  quick.Write(kMiB, kSecond);
  EXPECT_EQ(quick.now, 6 * kSecond + Pace::kMostRestNs);
}

// The writer of images: reports go on while it rests, and it stops in the middle of a rest.
TEST(Pace, ImagesAreWrittenByIt) {
  const RandomArena arena(2, 16, 1);
  const ImageSource source = arena.Source();
  std::unique_ptr<ImageWriterSpace> space;
  ASSERT_TRUE(ImageWriterSpace::Create(source, &space).ok());
  struct Seen {
    uint64_t bytes = 0;
    bool again = false;
  } seen;
  const auto stop_in_rest = [](void* context, uint64_t bytes) {
    auto* to = static_cast<Seen*>(context);
    to->again = bytes == to->bytes && bytes > kMiB;
    to->bytes = bytes;
    return !to->again;
  };
  const int fd = static_cast<int>(memfd_create("image", MFD_CLOEXEC));
  ASSERT_GE(fd, 0);
  EXPECT_EQ(WriteImage(source, fd, space.get(), stop_in_rest, &seen, {kMiB, false}).error, ECANCELED);
  EXPECT_TRUE(seen.again);
  close(fd);
}

TEST(Pace, ToLeaveRoomImagesAreWrittenInSmallPieces) {
  const RandomArena arena(3, 100, 1);
  const ImageSource source = arena.Source();
  std::unique_ptr<ImageWriterSpace> space;
  ASSERT_TRUE(ImageWriterSpace::Create(source, &space).ok());
  struct Seen {
    uint64_t bytes = 0;
    uint64_t largest = 0;
  } seen;
  const auto record = [](void* context, uint64_t bytes) {
    auto* to = static_cast<Seen*>(context);
    to->largest = std::max(to->largest, bytes - to->bytes);
    to->bytes = bytes;
    return true;
  };
  const int fd = static_cast<int>(memfd_create("image", MFD_CLOEXEC));
  ASSERT_GE(fd, 0);
  const ImageWriteResult result = WriteImage(source, fd, space.get(), record, &seen, {0, true});
  ASSERT_EQ(result.error, 0) << result.call;
  EXPECT_EQ(seen.largest, Pace::kSmallPieceBytes);
  std::vector<uint8_t> written(result.file_bytes);
  ASSERT_EQ(pread(fd, written.data(), written.size(), 0), static_cast<ssize_t>(written.size()));
  close(fd);
  EXPECT_TRUE(written == ReferenceImage(source));
}

}  // namespace
}  // namespace forkstore
