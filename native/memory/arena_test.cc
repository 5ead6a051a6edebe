#include "memory/arena.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/thread.h"

namespace forkstore {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::unique_ptr<Arena> NewArena(uint64_t max_bytes, bool huge_pages = false) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({.max_bytes = max_bytes, .huge_pages = huge_pages}, &arena).ok());
  return arena;
}

// Runs `work` in a forked child and returns what it returns.
template <typename Work>
int InChild(Work work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Mapped(const uint8_t* page) {
  unsigned char resident;
  return mincore(const_cast<uint8_t*>(page), kPageBytes, &resident) == 0;
}

uint64_t ResidentPages(const uint8_t* start, uint64_t bytes) {
  std::vector<unsigned char> pages(bytes / kPageBytes);
  EXPECT_EQ(mincore(const_cast<uint8_t*>(start), bytes, pages.data()), 0);
  return static_cast<uint64_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

TEST(Arena, ReservesFromTheSmallestToTheLargest) {
  for (const uint64_t bytes : {kMinArenaBytes, kMinArenaBytes + 1, uint64_t{64} << 30, kMaxArenaBytes}) {
    auto arena = NewArena(bytes);
    EXPECT_EQ(arena->max_bytes(), RoundUp(bytes, kHugePageBytes));
    EXPECT_EQ(reinterpret_cast<uint64_t>(arena->base()) % kHugePageBytes, 0u);
    EXPECT_EQ(arena->frontier(), 0u);
    EXPECT_EQ(arena->populated(), 0u);
    *arena->Write(arena->max_bytes() - 1, 1) = 9;
    EXPECT_EQ(arena->At(arena->max_bytes() - 8)[7], 9);
    EXPECT_TRUE(arena->IsDirty(arena->max_bytes() / kPageBytes - 1));
  }
}

TEST(Arena, RefusesSizesOutOfRange) {
  std::unique_ptr<Arena> arena;
  for (const uint64_t bytes : {uint64_t{0}, kMinArenaBytes - 1, kMaxArenaBytes + 1, ~uint64_t{0}}) {
    EXPECT_EQ(Arena::Create({.max_bytes = bytes}, &arena).code(), Code::kInvalid);
  }
  EXPECT_EQ(arena, nullptr);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need address space themselves
TEST(Arena, ARefusedReservationIsAnErrorWithItsErrno) {
  EXPECT_EQ(InChild([] {
              const rlimit limit = {uint64_t{4} << 30, uint64_t{4} << 30};
              setrlimit(RLIMIT_AS, &limit);
              std::unique_ptr<Arena> arena;
              const Status status = Arena::Create({.max_bytes = uint64_t{8} << 30}, &arena);
              return status.code() == Code::kIo && status.system_errno() == ENOMEM ? 1 : 0;
            }),
            1);
}

TEST(Arena, WhereFewerAddressesWillDoThereAreAsManyAsCanBeHad) {
  for (const auto resource : {RLIMIT_AS, RLIMIT_DATA}) {
    EXPECT_EQ(InChild([resource] {
                const rlimit limit = {uint64_t{4} << 30, uint64_t{4} << 30};
                setrlimit(resource, &limit);
                ArenaOptions options;
                options.least_bytes = 4 * kMiB;
                std::unique_ptr<Arena> arena;
                if (!Arena::Create(options, &arena).ok()) return 1;
                // Half as much again is left to others.
                if (arena->max_bytes() != 2048 * kMiB || arena->reserved_bytes() != 2048 * kMiB) return 2;
                if (arena->wanted_bytes() != options.max_bytes) return 3;
                *arena->Write(arena->max_bytes() - 1, 1) = 9;
                // What there is to spare for loading goes first.
                arena.reset();
                options.max_bytes = 1024 * kMiB;
                options.reserved_bytes = 4096 * kMiB;
                if (!Arena::Create(options, &arena).ok()) return 4;
                if (arena->max_bytes() != 1024 * kMiB || arena->reserved_bytes() != 2048 * kMiB) return 5;
                if (arena->wanted_bytes() != arena->max_bytes()) return 6;
                arena.reset();
                options.max_bytes = options.least_bytes = 4096 * kMiB;
                return Arena::Create(options, &arena).system_errno() == ENOMEM ? 0 : 7;
              }),
              0);
  }
}
#endif

TEST(Arena, WritesAreMarkedPageByPageAndNoFurther) {
  auto arena = NewArena(4 * kMiB);
  arena->SetFrontier(4 * kMiB);
  arena->Write(kPageBytes - 1, 1);
  EXPECT_TRUE(arena->IsDirty(0));
  EXPECT_FALSE(arena->IsDirty(1));
  arena->Write(5 * kPageBytes - 1, 2);
  arena->Write(10 * kPageBytes, 2 * kPageBytes);
  arena->Mutate<uint64_t>(20 * kPageBytes - 8) = 1;
  EXPECT_EQ(arena->dirty_pages(), 1u + 2 + 2 + 1);
  EXPECT_TRUE(arena->IsDirty(11));
  EXPECT_FALSE(arena->IsDirty(12));
}

TEST(Arena, RandomWritesAndSavesAgreeWithTheOracle) {
  for (const uint64_t seed : {1, 2, 3}) {
    constexpr uint64_t kBytes = 32 * kMiB;
    auto arena = NewArena(kBytes);
    arena->EndSmall();
    std::mt19937_64 random(seed);
    std::vector<bool> dirty(kBytes / kPageBytes), saving(kBytes / kPageBytes);
    bool is_saving = false;
    uint64_t frontier_at_save = 0;
    uint64_t highest = 0;
    for (int step = 0; step < 4000; ++step) {
      switch (random() % 12) {
        case 0: {
          arena->SetFrontier(random() % (kBytes / kUnitBytes + 1) * kUnitBytes);
          highest = std::max(highest, arena->frontier());
          break;
        }
        case 1:
          if (is_saving) {
            const bool durable = random() % 2 == 0;
            arena->EndSave(durable);
            for (size_t i = 0; i < dirty.size(); ++i) {
              if (!durable && saving[i]) dirty[i] = true;
              saving[i] = false;
            }
          } else {
            arena->BeginSave();
            if (random() % 4 == 0) {
              arena->CancelSave();
              break;
            }
            std::swap(dirty, saving);
            frontier_at_save = arena->frontier();
          }
          is_saving = !is_saving;
          break;
        case 2:
          if (is_saving) {
            std::vector<uint32_t> expected, pages{77};
            const uint64_t end = std::min(arena->frontier(), frontier_at_save);
            for (uint64_t huge = 0; huge * kHugePageBytes < end; ++huge) {
              const auto first = dirty.begin() + static_cast<int64_t>(huge * 512);
              if (std::count(first, first + 512, true) > 0) expected.push_back(static_cast<uint32_t>(huge));
            }
            arena->AppendSplitHugePages(&pages);
            ASSERT_EQ(pages[0], 77u);
            pages.erase(pages.begin());
            ASSERT_EQ(pages, expected);
          }
          break;
        default: {
          if (arena->frontier() == 0) break;
          const uint64_t at = random() % arena->frontier();
          const uint64_t longest = arena->frontier() - at;
          const uint64_t bytes = 1 + random() % std::min<uint64_t>(longest, random() % 8 == 0 ? kMiB : 64);
          arena->Write(at, bytes);
          for (uint64_t page = at / kPageBytes; page <= (at + bytes - 1) / kPageBytes; ++page)
            dirty[page] = true;
        }
      }
      if (step % 50 == 0) {
        for (uint64_t page = 0; page < dirty.size(); ++page) ASSERT_EQ(arena->IsDirty(page), dirty[page]);
        ASSERT_EQ(arena->dirty_pages(), static_cast<uint64_t>(std::count(dirty.begin(), dirty.end(), true)));
      }
    }
    EXPECT_GT(highest, 0u);
  }
}

// A snapshot's watcher ends the save while the owner goes on writing: no mark is lost, and none counted
// twice.
TEST(Arena, ASaveEndsOnAnotherThread) {
  constexpr uint64_t kBytes = 16 * kMiB;
  auto arena = NewArena(kBytes);
  arena->EndSmall();
  arena->SetFrontier(kBytes);
  std::mt19937_64 random(5);
  std::vector<bool> expected(kBytes / kPageBytes);
  for (int round = 0; round < 200; ++round) {
    const bool durable = round % 3 == 0;
    arena->BeginSave();
    if (durable) expected.assign(expected.size(), false);
    Thread watcher;
    struct Ending {
      Arena* arena;
      bool durable;
      std::vector<uint32_t> split;
    } ending{arena.get(), durable, {}};
    const auto end = [](void* argument) {
      auto* self = static_cast<Ending*>(argument);
      self->arena->AppendSplitHugePages(&self->split);
      self->arena->EndSave(self->durable);
    };
    ASSERT_TRUE(Thread::Start(end, &ending, "ends-a-save", &watcher).ok());
    for (int i = 0; i < 300; ++i) {
      const uint64_t page = random() % expected.size();
      arena->Mutate<uint64_t>(page * kPageBytes) = page;
      expected[page] = true;
    }
    watcher.Join();
    for (uint64_t page = 0; page < expected.size(); ++page) ASSERT_EQ(arena->IsDirty(page), expected[page]);
    ASSERT_EQ(arena->dirty_pages(),
              static_cast<uint64_t>(std::count(expected.begin(), expected.end(), true)));
  }
}

TEST(Arena, ChildrenSeeItOnlyWhileItIsExposed) {
  auto arena = NewArena(16 * kMiB);
  arena->SetFrontier(4 * kMiB);
  arena->Mutate<uint64_t>(8) = 42;
  arena->Mutate<uint64_t>(6 * kMiB) = 43;
  const uint8_t* base = arena->base();
  EXPECT_EQ(InChild([&] { return Mapped(base) ? 1 : 0; }), 0);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(arena->ExposeToFork().ok());
    EXPECT_EQ(InChild([&] { return static_cast<int>(arena->Read<uint64_t>(8)); }), 42);
    EXPECT_EQ(InChild([&] { return Mapped(base + 4 * kMiB) ? 1 : 0; }), 0) << "beyond the frontier";
    ASSERT_TRUE(arena->HideFromFork().ok());
    EXPECT_EQ(InChild([&] { return Mapped(base) ? 1 : 0; }), 0);
  }
  EXPECT_EQ(arena->Read<uint64_t>(6 * kMiB), 43u);
}

TEST(Arena, AheadGrowsWithTheStoreWithinBounds) {
  auto arena = NewArena(uint64_t{64} << 30);
  EXPECT_EQ(arena->AheadBytes(), 4 * kMiB);
  arena->SetFrontier(100 * kMiB);
  EXPECT_EQ(arena->AheadBytes(), 25 * kMiB / 4);
  arena->SetFrontier(uint64_t{10} << 30);
  EXPECT_EQ(arena->AheadBytes(), 64 * kMiB);
}

TEST(Arena, SurplusGoesBackInBoundedSteps) {
  auto arena = NewArena(64 * kMiB);
  arena->SetFrontier(64 * kMiB);
  memset(arena->Write(0, 64 * kMiB), 1, 64 * kMiB);
  arena->SetPopulated(64 * kMiB);
  EXPECT_EQ(arena->ReleaseSurplus(~uint64_t{0}), 0u) << "all of it is in use";
  arena->SetFrontier(3 * kMiB);
  EXPECT_EQ(arena->ReleaseSurplus(0), 0u);
  EXPECT_EQ(arena->ReleaseSurplus(kHugePageBytes - 1), 0u);
  EXPECT_EQ(arena->ReleaseSurplus(4 * kMiB), 4 * kMiB);
  EXPECT_EQ(arena->populated(), 60 * kMiB);
  uint64_t released = 4 * kMiB;
  while (const uint64_t step = arena->ReleaseSurplus(6 * kMiB + 5)) {
    EXPECT_LE(step, 6 * kMiB);
    released += step;
  }
  EXPECT_EQ(released, 52 * kMiB) << "the frontier and twice what is kept ahead stay";
  EXPECT_EQ(ResidentPages(arena->base(), 64 * kMiB), 12 * kMiB / kPageBytes);
  EXPECT_EQ(arena->Read<uint8_t>(3 * kMiB - 1), 1);
}

// Memory that the owner itself touched, ahead of the PageKeeper, goes back too.
TEST(Arena, SurplusCountsWhatNobodyPopulated) {
  auto arena = NewArena(64 * kMiB);
  arena->SetFrontier(40 * kMiB);
  memset(arena->Write(0, 40 * kMiB), 1, 40 * kMiB);
  arena->SetFrontier(2 * kMiB);
  EXPECT_EQ(arena->ReleaseSurplus(~uint64_t{0}), 30 * kMiB);
  EXPECT_EQ(arena->ReleaseSurplus(~uint64_t{0}), 0u);
  EXPECT_EQ(ResidentPages(arena->base(), 64 * kMiB), 10 * kMiB / kPageBytes);
}

}  // namespace
}  // namespace forkstore
