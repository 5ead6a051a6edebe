#include "store/snapshot_strategy.h"

#include <gtest/gtest.h>

namespace forkstore {
namespace {

using enum SnapshotStrategy;
using enum StrategyReason;
constexpr uint64_t kGiB = uint64_t{1} << 30;

void Expect(const StrategyFacts& facts, SnapshotStrategy strategy, StrategyReason reason) {
  const StrategyChoice choice = ChooseStrategy(facts);
  EXPECT_EQ(static_cast<int>(choice.strategy), static_cast<int>(strategy));
  EXPECT_EQ(static_cast<int>(choice.reason), static_cast<int>(reason));
}

TEST(SnapshotStrategy, WhatIsAskedForWhateverIsKnown) {
  StrategyFacts facts;
  facts.mapped_bytes = 100 * kGiB;
  facts.copies_exceeded = facts.thread_waits = facts.no_addresses = true;
  facts.asked = AskedStrategy::kCopy;
  Expect(facts, kCopy, kAsked);
  facts = {};
  facts.fork_refused = true;
  facts.asked = AskedStrategy::kFork;
  Expect(facts, kFork, kAsked);
}

TEST(SnapshotStrategy, ForksWhileThatIsQuick) {
  StrategyFacts facts;
  Expect(facts, kFork, kForkIsQuick);
  facts.mapped_bytes = kGiB;
  Expect(facts, kFork, kForkIsQuick);
  facts.mapped_bytes = 2 * kGiB;
  Expect(facts, kCopy, kForkIsSlow);
  facts.mapped_bytes = 10 * kGiB;
  Expect(facts, kCopy, kForkIsSlow);
}

TEST(SnapshotStrategy, CopiesWhilePagesAreSplit) {
  StrategyFacts facts;
  facts.mapped_bytes = kGiB / 4;
  facts.split_huge_pages = 5;
  Expect(facts, kFork, kForkIsQuick);
  facts.split_huge_pages = 100;
  Expect(facts, kCopy, kPagesAreSplit);
}

TEST(SnapshotStrategy, AfterASlowForkItIsTriedAgainLater) {
  StrategyFacts facts;
  facts.mapped_bytes = facts.fork_mapped_bytes = kGiB / 4;
  facts.fork_ms = 6;
  Expect(facts, kCopy, kForkIsSlow);
  facts.copies_since_fork = 15;
  Expect(facts, kCopy, kForkIsSlow);
  facts.copies_since_fork = 16;
  Expect(facts, kFork, kForkIsQuick);
  // It has grown since.
  facts.copies_since_fork = 0;
  facts.fork_ms = 0.6;
  Expect(facts, kFork, kForkIsQuick);
  facts.mapped_bytes = kGiB / 2;
  Expect(facts, kCopy, kForkIsSlow);
  // Of a small store the fork is mostly that of the process.
  facts.fork_mapped_bytes = kGiB / 1024;
  Expect(facts, kFork, kForkIsQuick);
}

TEST(SnapshotStrategy, CopiesWhereAForkIsRefusedAndTriesOneLater) {
  StrategyFacts facts;
  facts.fork_refused = true;
  facts.copies_exceeded = true;
  facts.copies_since_fork = 15;
  Expect(facts, kCopy, kForkRefused);
  facts.copies_since_fork = 16;
  Expect(facts, kFork, kCopiesExceeded);
  facts.copies_exceeded = false;
  Expect(facts, kFork, kForkIsQuick);
}

TEST(SnapshotStrategy, ForksWhereCopiesCannotBe) {
  StrategyFacts facts;
  facts.mapped_bytes = 10 * kGiB;
  facts.copies_exceeded = true;
  Expect(facts, kFork, kCopiesExceeded);
  facts.no_addresses = true;
  Expect(facts, kFork, kNoAddresses);
  facts.thread_waits = true;
  Expect(facts, kFork, kThreadWaits);
}

TEST(SnapshotStrategy, CopiesWhereALimitCouldNotHoldWhatAForkCopies) {
  StrategyFacts facts;
  facts.mapped_bytes = kGiB / 2;
  facts.memory_left_bytes = kGiB / 16;
  Expect(facts, kFork, kForkIsQuick);
  facts.memory_left_bytes -= 1;
  Expect(facts, kCopy, kMemoryLimit);
  facts.memory_left_bytes = kGiB / 4;
  facts.fork_copied_bytes = kGiB / 7;
  Expect(facts, kCopy, kMemoryLimit);
  // Copies have been tried, and were too many: else there would be no snapshot any more.
  facts.copies_exceeded = true;
  Expect(facts, kFork, kCopiesExceeded);
  facts.copies_exceeded = false;
  // More than everything cannot be copied.
  facts.fork_copied_bytes = 3 * kGiB;
  facts.memory_left_bytes = kGiB / 2;
  Expect(facts, kFork, kForkIsQuick);
}

TEST(SnapshotStrategy, CopiesMayTakeAQuarterOfTheStore) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EXPECT_EQ(DefaultCopiedBytes(0, ~uint64_t{0}), 64 * kMiB);
  EXPECT_EQ(DefaultCopiedBytes(kGiB, ~uint64_t{0}), 256 * kMiB);
  EXPECT_EQ(DefaultCopiedBytes(kGiB, 100 * kMiB), 50 * kMiB);
  EXPECT_EQ(DefaultCopiedBytes(kGiB, 0), 16 * kMiB);
}

}  // namespace
}  // namespace forkstore
