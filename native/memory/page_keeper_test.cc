#include "memory/page_keeper.h"

#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <random>

#include "memory/page_work.h"

namespace forkstore {
namespace {

void SleepMs(long ms) {
  timespec time = {ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 60000; ++i) {
    if (condition()) return true;
    SleepMs(1);
  }
  return false;
}

// 4 KiB pages of the range that have memory.
uint64_t ResidentPages(const uint8_t* start, uint64_t bytes) {
  std::vector<unsigned char> pages(bytes / kPageBytes);
  EXPECT_EQ(mincore(const_cast<uint8_t*>(start), bytes, pages.data()), 0);
  return static_cast<uint64_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

std::unique_ptr<Arena> NewArena(uint64_t max_bytes) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({.max_bytes = max_bytes}, &arena).ok());
  return arena;
}

TEST(PageWork, EachWayOfPopulatingGivesEveryPageMemoryAndKeepsContents) {
  for (const bool by_kernel : {true, false}) {
    for (const bool huge : {true, false}) {
      std::unique_ptr<Arena> arena;
      ASSERT_TRUE(Arena::Create({.max_bytes = 8 << 20, .huge_pages = huge}, &arena).ok());
      arena->base()[123] = 45;
      if (by_kernel) {
        const PopulateResult result = PopulateByKernel(arena->base(), 4 << 20);
        if (result == PopulateResult::kUnsupported) continue;
        ASSERT_EQ(result, PopulateResult::kDone);
      } else {
        PopulateByTouch(arena->base(), 4 << 20);
      }
      EXPECT_EQ(ResidentPages(arena->base(), 4 << 20), 1024u);
      EXPECT_EQ(ResidentPages(arena->base() + (4 << 20), 4 << 20), 0u);
      EXPECT_EQ(arena->base()[123], 45);
      EXPECT_EQ(arena->base()[124], 0);
    }
  }
}

// Every huge page of the range is split; returns how many of `pages` the kernel has put together again.
uint64_t CollapseOnly(Arena* arena, uint64_t bytes, std::initializer_list<uint64_t> pages) {
  for (uint64_t at = 0; at < bytes; at += kHugePageBytes) {
    EXPECT_EQ(madvise(arena->base() + at, kPageBytes, MADV_DONTNEED), 0);
  }
  PopulateByTouch(arena->base(), bytes);
  uint64_t collapsed = 0;
  for (const uint64_t page : pages) collapsed += CollapseHugePage(arena->base() + page * kHugePageBytes);
  return collapsed;
}

TEST(PageWork, CountsWhatLiesInHugePages) {
  constexpr uint64_t kBytes = 160 * kHugePageBytes;
  auto arena = NewArena(kBytes);
  PopulateByTouch(arena->base(), kBytes);
  uint64_t huge;
  if (!CountHugeBytes(arena->base(), kBytes, &huge)) {
    utsname system;
    ASSERT_EQ(uname(&system), 0);
    EXPECT_LT(strverscmp(system.release, "6.7"), 0) << "a kernel that can tell";
    return;
  }
  const uint64_t some = CollapseOnly(arena.get(), kBytes, {1, 5, 6, 7, 9});
  ASSERT_TRUE(CountHugeBytes(arena->base(), kBytes, &huge));
  EXPECT_EQ(huge, some * kHugePageBytes);
  // More ranges than one call of the kernel tells.
  uint64_t every_second = CollapseOnly(arena.get(), kBytes, {});
  for (uint64_t page = 0; page < 160; page += 2) {
    every_second += CollapseHugePage(arena->base() + page * kHugePageBytes);
  }
  ASSERT_TRUE(CountHugeBytes(arena->base(), kBytes, &huge));
  EXPECT_EQ(huge, every_second * kHugePageBytes);
  EXPECT_FALSE(CountHugeBytes(nullptr, ~uint64_t{0} - kHugePageBytes, &huge));
}

TEST(PageKeeper, CountsHugePagesAsTheStoreGrowsAndWhenAsked) {
  constexpr uint64_t kBytes = 32 << 20;
  auto arena = NewArena(64 << 20);
  PageKeeper keeper(arena.get());
  EXPECT_EQ(keeper.huge_bytes(), 0u) << "a small store";
  keeper.CountHuge();
  EXPECT_FALSE(keeper.has_thread());
  arena->SetFrontier(kBytes);
  PopulateByTouch(arena->base(), kBytes);
  uint64_t huge;
  const bool known = CountHugeBytes(arena->base(), kBytes, &huge);
  keeper.Wake();
  ASSERT_TRUE(Eventually([&] { return !arena->is_small() && keeper.pending() == 0; }));
  if (!known) {
    keeper.CountHuge();
    SleepMs(20);
    EXPECT_EQ(keeper.huge_bytes(), PageKeeper::kNotKnown);
    return;
  }
  ASSERT_TRUE(Eventually([&] { return keeper.huge_bytes() != PageKeeper::kNotKnown; }));
  for (const auto& pages :
       {std::initializer_list<uint64_t>{1, 2, 3, 15}, {4}, {}, {0, 8, 9, 10, 11, 12, 13}}) {
    const uint64_t collapsed = CollapseOnly(arena.get(), kBytes, pages);
    keeper.CountHuge();
    EXPECT_TRUE(Eventually([&] { return keeper.huge_bytes() == collapsed * kHugePageBytes; }));
  }
  // Grown by a quarter, and no less.
  const uint64_t before = keeper.huge_bytes();
  CollapseOnly(arena.get(), kBytes, {});
  arena->SetFrontier(kBytes + kBytes / 8);
  keeper.Wake();
  SleepMs(20);
  EXPECT_EQ(keeper.huge_bytes(), before);
  arena->SetFrontier(2 * kBytes);
  keeper.Wake();
  EXPECT_TRUE(Eventually([&] {
    const uint64_t now = keeper.huge_bytes();
    // (Where the kernel has no huge page to give, both are 0.)
    return (now != before || before == 0) && CountHugeBytes(arena->base(), 2 * kBytes, &huge) && now == huge;
  }));
  CollapseOnly(arena.get(), kBytes, {0, 1});
  arena->SetFrontier(kBytes);
  keeper.Wake();
  EXPECT_TRUE(Eventually(
      [&] { return CountHugeBytes(arena->base(), kBytes, &huge) && keeper.huge_bytes() == huge; }));
}

TEST(PageKeeper, ASmallStoreHasNoThreadAndNothingAhead) {
  auto arena = NewArena(64 << 20);
  PageKeeper keeper(arena.get());
  arena->SetFrontier(Arena::kSmallBytes - kUnitBytes);
  for (uint64_t at = 0; at < arena->frontier(); at += kPageBytes) arena->Mutate<uint64_t>(at) = at;
  EXPECT_FALSE(arena->WantsPopulating());
  arena->BeginSave();
  arena->Mutate<uint64_t>(0) = 1;
  std::vector<uint32_t> split;
  arena->AppendSplitHugePages(&split);
  arena->EndSave(true);
  keeper.Collapse(split);
  keeper.SetChildLives(false);
  EXPECT_FALSE(keeper.has_thread());
  EXPECT_EQ(arena->populated(), 0u);
  EXPECT_EQ(ResidentPages(arena->base(), arena->max_bytes()), arena->frontier() / kPageBytes);

  arena->SetFrontier(Arena::kSmallBytes);
  ASSERT_TRUE(arena->WantsPopulating());
  keeper.Wake();
  EXPECT_TRUE(keeper.has_thread());
  ASSERT_TRUE(Eventually([&] { return !arena->WantsPopulating() && keeper.pending() == 0; }));
  EXPECT_FALSE(arena->is_small());
}

TEST(PageKeeper, PopulatesAheadOfTheFrontierAndNotBeyond) {
  auto arena = NewArena(64 << 20);
  PageKeeper keeper(arena.get());
  arena->SetFrontier(3 * kHugePageBytes);
  keeper.Wake();
  const uint64_t target = RoundUp(arena->frontier() + arena->AheadBytes(), kHugePageBytes);
  ASSERT_TRUE(Eventually([&] { return arena->populated() == target; }));
  SleepMs(20);
  EXPECT_EQ(arena->populated(), target);
  EXPECT_FALSE(arena->WantsPopulating());
  EXPECT_EQ(ResidentPages(arena->base(), target), (target - arena->frontier()) / kPageBytes);
  EXPECT_EQ(ResidentPages(arena->base() + target, arena->max_bytes() - target), 0u);
}

// Else each write near the end would wake the thread, for nothing.
TEST(PageKeeper, IsNotWantedAtTheEndOfTheAddresses) {
  auto arena = NewArena(16 << 20);
  arena->EndSmall();
  for (uint64_t frontier = Arena::kSmallBytes; frontier <= arena->max_bytes(); frontier += kUnitBytes) {
    arena->SetFrontier(frontier);
    arena->SetPopulated(0);
    EXPECT_EQ(arena->WantsPopulating(), frontier < arena->max_bytes());
    arena->SetPopulated(arena->PopulateTarget());
    EXPECT_FALSE(arena->WantsPopulating()) << frontier;
    arena->SetPopulated(arena->max_bytes());
    EXPECT_FALSE(arena->WantsPopulating()) << frontier;
  }
  // A store that lies beyond what it may grow to.
  arena->SetMaxBytes(8 << 20);
  arena->SetPopulated(4 << 20);
  EXPECT_FALSE(arena->WantsPopulating());
}

TEST(PageKeeper, WhatTheKernelRefusesIsTriedAgainOnlyWhenTheFrontierHasMovedOn) {
  constexpr uint64_t kRoom = 8 << 20;
  auto arena = NewArena(64 << 20);
  // A file of no bytes behind the addresses: no page of it can be had.
  const int nothing = memfd_create("nothing", MFD_CLOEXEC);
  ASSERT_GE(nothing, 0);
  ASSERT_NE(mmap(arena->base() + kRoom, arena->max_bytes() - kRoom, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, nothing, 0),
            MAP_FAILED);
  close(nothing);
  if (PopulateByKernel(arena->base() + kRoom, kPageBytes) == PopulateResult::kUnsupported) return;

  PageKeeper keeper(arena.get());
  arena->SetFrontier(6 << 20);
  keeper.Wake();
  ASSERT_TRUE(Eventually([&] { return arena->populate_refused() == kRoom; }));
  EXPECT_EQ(arena->populated(), kRoom);
  EXPECT_FALSE(arena->WantsPopulating()) << "no write shall wake the thread for what it has been refused";
  arena->SetFrontier(kRoom + kUnitBytes);
  EXPECT_TRUE(arena->WantsPopulating());
  keeper.Wake();
  ASSERT_TRUE(Eventually([&] { return arena->populate_refused() == kRoom + kUnitBytes; }));
  EXPECT_FALSE(arena->WantsPopulating());
}

TEST(PageKeeper, CollapsesNothingWhileAChildLives) {
  auto arena = NewArena(64 << 20);
  arena->SetFrontier(32 << 20);
  PageKeeper keeper(arena.get());
  ASSERT_TRUE(Eventually([&] { return keeper.TryPause(); }));
  keeper.SetChildLives(true);
  keeper.Resume();
  // Each page waits once, however many snapshots list it.
  for (int snapshot = 0; snapshot < 5; ++snapshot) keeper.Collapse({1, 2, 3, 5});
  keeper.Collapse({4});
  keeper.Wake();
  // With the first 2 MiB, which come once the store is not small any more.
  ASSERT_TRUE(Eventually([&] { return keeper.pending() == 6; }));
  SleepMs(20);
  EXPECT_EQ(keeper.pending(), 6u);
  EXPECT_GT(arena->populated(), arena->frontier()) << "populating goes on";
  keeper.SetChildLives(false);
  EXPECT_TRUE(Eventually([&] { return keeper.pending() == 0; }));
}

TEST(PageKeeper, StopsAtTheEndOfTheArena) {
  auto arena = NewArena(8 << 20);
  auto keeper = std::make_unique<PageKeeper>(arena.get());
  arena->SetFrontier(arena->max_bytes() - kUnitBytes);
  keeper->Wake();
  ASSERT_TRUE(Eventually([&] { return arena->populated() == arena->max_bytes(); }));
  arena->SetFrontier(arena->max_bytes());
  keeper->Wake();
  SleepMs(10);
  EXPECT_EQ(arena->populated(), arena->max_bytes());
}

// Behind the frontier pages may be shared with a child: touching them would copy them.
TEST(PageKeeper, LeavesWhatLiesBelowTheFrontierAlone) {
  auto arena = NewArena(64 << 20);
  arena->SetFrontier(16 << 20);
  auto keeper = std::make_unique<PageKeeper>(arena.get());
  keeper->Wake();
  ASSERT_TRUE(Eventually([&] { return arena->populated() >= (16 << 20) + arena->AheadBytes(); }));
  EXPECT_EQ(ResidentPages(arena->base(), 16 << 20), 0u);
}

TEST(PageKeeper, RestsBetweenTryPauseAndResume) {
  auto arena = NewArena(64 << 20);
  auto keeper = std::make_unique<PageKeeper>(arena.get());
  for (uint64_t frontier = kHugePageBytes; frontier <= arena->max_bytes() / 2; frontier += kHugePageBytes) {
    ASSERT_TRUE(Eventually([&] { return keeper->TryPause(); }));
    const uint64_t before = arena->populated();
    arena->SetFrontier(frontier);
    keeper->Wake();
    keeper->Collapse({0});
    SleepMs(2);
    EXPECT_TRUE(keeper->TryPause()) << "pausing twice is pausing";
    EXPECT_EQ(arena->populated(), before);
    EXPECT_GE(keeper->pending(), 1u);
    keeper->Resume();
    ASSERT_TRUE(Eventually([&] { return arena->populated() >= frontier + arena->AheadBytes(); }));
    ASSERT_TRUE(Eventually([&] { return keeper->pending() == 0; }));
  }
}

TEST(PageKeeper, MayBeDestroyedPausedOrWithWorkLeft) {
  for (int round = 0; round < 50; ++round) {
    auto arena = NewArena(64 << 20);
    arena->SetFrontier(32 << 20);
    auto keeper = std::make_unique<PageKeeper>(arena.get());
    if (round % 2 == 0) keeper->TryPause();
    keeper->Collapse({0, 1, 2, 3});
    keeper->Collapse({4});
    if (round % 3 == 0) keeper->Wake();
  }
}

// A stop that falls between two looks of the thread must not be slept through.
TEST(PageKeeper, StopsAtWhateverMoment) {
  auto arena = NewArena(4 << 20);
  arena->SetFrontier(2 << 20);
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    PageKeeper keeper(arena.get());
    keeper.Wake();
    for (uint32_t wait = random() % 20000; wait > 0; --wait) {
      asm volatile("");  // some microseconds, as the thread gets going
    }
  }
}

// Collapsing while the owner writes to the very pages loses nothing; page numbers out of range are
// dropped.
TEST(PageKeeper, CollapsesWithoutChangingContents) {
  constexpr uint64_t kBytes = 16 << 20;
  auto arena = NewArena(32 << 20);
  arena->SetFrontier(kBytes);
  std::mt19937_64 random(7);
  std::vector<uint64_t> expected(kBytes / 8);
  for (uint64_t i = 0; i < expected.size(); ++i) expected[i] = arena->Mutate<uint64_t>(i * 8) = random();

  auto keeper = std::make_unique<PageKeeper>(arena.get());
  keeper->Wake();
  ASSERT_TRUE(Eventually([&] { return !arena->is_small(); }));
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(Eventually([&] { return keeper->TryPause(); }));
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    ASSERT_TRUE(arena->ExposeToFork().ok());
    const pid_t child = fork();
    if (child == 0) {
      char byte;
      close(pipe_ends[1]);
      _exit(read(pipe_ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    ASSERT_TRUE(arena->HideFromFork().ok());
    arena->BeginSave();
    keeper->Resume();
    for (int i = 0; i < 5000; ++i) {
      const uint64_t at = random() % expected.size();
      expected[at] = arena->Mutate<uint64_t>(at * 8) = random();
    }
    std::vector<uint32_t> split;
    arena->AppendSplitHugePages(&split);
    EXPECT_EQ(split.size(), kBytes / kHugePageBytes);
    split.push_back(12);          // beyond the frontier
    split.push_back(0xFFFFFFFF);  // beyond anything
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    arena->EndSave(true);
    keeper->Collapse(split);
    while (keeper->pending() > 0) {
      const uint64_t at = random() % expected.size();
      expected[at] = arena->Mutate<uint64_t>(at * 8) = random();
    }
    for (uint64_t i = 0; i < expected.size(); ++i) ASSERT_EQ(arena->Read<uint64_t>(i * 8), expected[i]);
  }
}

// The owner allocates, writes, shrinks, releases and pauses while the thread works.
TEST(PageKeeper, RandomProgram) {
  auto arena = NewArena(128 << 20);
  auto keeper = std::make_unique<PageKeeper>(arena.get());
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    const uint64_t frontier = arena->frontier();
    switch (random() % 6) {
      case 0:
      case 1: {  // fresh units, written at once
        const uint64_t grown = std::min(arena->max_bytes(), frontier + random() % 32 * kUnitBytes);
        arena->SetFrontier(grown);
        for (uint64_t at = frontier; at < grown; at += kPageBytes) arena->Mutate<uint64_t>(at) = at;
        break;
      }
      case 2:
        arena->SetFrontier(frontier - std::min(frontier, random() % 32 * kUnitBytes));
        break;
      case 3:
        keeper->Wake();
        break;
      case 4:
        if (frontier > 0) keeper->Collapse({static_cast<uint32_t>(random() % frontier / kHugePageBytes)});
        break;
      default:
        if (keeper->TryPause()) arena->ReleaseSurplus(random() % (8 << 20));
        keeper->Resume();
        break;
    }
  }
  for (uint64_t at = 0; at < arena->frontier(); at += kPageBytes) ASSERT_EQ(arena->Read<uint64_t>(at), at);
  EXPECT_TRUE(Eventually([&] { return keeper->pending() == 0; }));
}

}  // namespace
}  // namespace forkstore
