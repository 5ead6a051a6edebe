// The snapshots of one store on a real directory, by forks and by copies.
#include "store/store_snapshot.h"

#include <sys/resource.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "testing/pending_snapshot.h"
#include "testing/store_fixture.h"

namespace forkstore {
namespace {

class StoreSnapshotTest : public StoreFixture {
 protected:
  // A snapshot that failed before it began; `dirty`: the pages that were to be saved.
  void ExpectNeverBegun(const PendingSnapshot& failed, uint64_t dirty) {
    ASSERT_TRUE(failed.is_done);
    EXPECT_EQ(failed.snapshot.outcome().status.code(), Code::kSnapshotFailed);
    EXPECT_EQ(failed.snapshot.pause_ms(), 0);
    EXPECT_EQ(store_->snapshot_bytes_written(), 0u);
    EXPECT_FALSE(store_->engine()->page_keeper()->paused());
    EXPECT_FALSE(store_->engine()->arena()->is_saving());
    EXPECT_EQ(store_->engine()->arena()->dirty_pages(), dirty);
  }
};

TEST_F(StoreSnapshotTest, NoSnapshotWithinATransaction) {
  ASSERT_TRUE(store_->Begin().ok());
  EXPECT_FALSE(Ready());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_TRUE(Ready());
  store_->ForgoSnapshot();
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
}

TEST_F(StoreSnapshotTest, ASnapshotTakesThePlaceOfTheLogBeforeIt) {
  ASSERT_TRUE(Set("before", 1).ok());
  ASSERT_TRUE(Ready());
  PendingSnapshot pending;
  store_->StartSnapshot({1, 30000}, &pending.snapshot);
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
  ASSERT_TRUE(Set("meanwhile", 2).ok());
  pending.Wait();
  ASSERT_TRUE(pending.snapshot.outcome().status.ok()) << pending.snapshot.outcome().status.message();
  EXPECT_EQ(pending.snapshot.outcome().generation, 2u);
  EXPECT_GT(pending.snapshot.pause_ms(), 0);
  EXPECT_FALSE(store_->engine()->arena()->is_saving());
  store_->FinishSnapshot(&pending.snapshot);
  EXPECT_EQ(Replayed(), 1u);
  EXPECT_EQ(store_->opened().generation, 2u);
}

TEST_F(StoreSnapshotTest, ThereIsOneSnapshotAtATime) {
  ASSERT_TRUE(Ready());
  PendingSnapshot pending;
  store_->StartSnapshot({1, 30000}, &pending.snapshot);
  bool ready = true;
  EXPECT_EQ(store_->PrepareSnapshot({}, &ready).message(), "a snapshot is under way");
  EXPECT_FALSE(ready);
  pending.Wait();
  // Its outcome is there, but has not been heard of.
  EXPECT_EQ(store_->PrepareSnapshot({}, &ready).code(), Code::kInvalid);
  store_->FinishSnapshot(&pending.snapshot);
  EXPECT_TRUE(Ready());
  store_->ForgoSnapshot();
}

TEST_F(StoreSnapshotTest, EachSnapshotHasItsGenerationAndKeepsAsManyAsItIsTold) {
  const std::vector<uint64_t> left[] = {{1, 2}, {2, 3}, {3, 4}};
  for (const auto& expected : left) {
    ASSERT_TRUE(Ready());
    PendingSnapshot pending;
    store_->StartSnapshot({2, 30000}, &pending.snapshot);
    pending.Wait();
    EXPECT_EQ(pending.snapshot.outcome().generation, expected.back());
    store_->FinishSnapshot(&pending.snapshot);
    EXPECT_EQ(store_->snapshot_bytes_written(), 0u);
    // Nothing has been written since the fork.
    EXPECT_EQ(store_->engine()->arena()->dirty_pages(), 0u);
    std::vector<uint64_t> generations;
    ASSERT_TRUE(store_->opened().directory->ListGenerations(&generations).ok());
    EXPECT_EQ(generations, std::vector<uint64_t>(expected.rbegin(), expected.rend()));
  }
}

TEST_F(StoreSnapshotTest, WhatASnapshotThatFailsHasNotSavedTheNextOneSaves) {
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t dirty = store_->engine()->arena()->dirty_pages();
  EXPECT_GT(dirty, 0u);
  const std::string spoiled = path_ + "/" + Directory::TemporaryName(2);
  ASSERT_TRUE(std::filesystem::create_directory(spoiled));
  ASSERT_TRUE(Ready());
  PendingSnapshot failed;
  store_->StartSnapshot({1, 30000}, &failed.snapshot);
  failed.Wait();
  EXPECT_EQ(failed.snapshot.outcome().status.code(), Code::kSnapshotFailed);
  EXPECT_EQ(store_->engine()->arena()->dirty_pages(), dirty);
  store_->FinishSnapshot(&failed.snapshot);
  std::filesystem::remove(spoiled);
  ASSERT_TRUE(Ready());
  PendingSnapshot pending;
  store_->StartSnapshot({1, 30000}, &pending.snapshot);
  pending.Wait();
  ASSERT_TRUE(pending.snapshot.outcome().status.ok()) << pending.snapshot.outcome().status.message();
  EXPECT_EQ(pending.snapshot.outcome().generation, 3u);
  store_->FinishSnapshot(&pending.snapshot);
  EXPECT_EQ(Replayed(), 0u);
}

// There is no child for want of descriptors; without a log, which would want some too.
TEST_F(StoreSnapshotTest, ASnapshotThatFailsBeforeTheForkIsTakenBack) {
  store_->Close().Release();
  ASSERT_NO_FATAL_FAILURE(Open(false));
  ASSERT_NO_FATAL_FAILURE(MakeMap());
  SnapshotSettings by_fork;
  by_fork.asked = AskedStrategy::kFork;
  by_fork.keep = 1;
  bool ready = false;
  // (UBSan takes a pipe to look at an object whose type it has not met: there will be none below.)
  ASSERT_TRUE(store_->PrepareSnapshot(by_fork, &ready).ok() && ready);
  PendingSnapshot first;
  store_->StartSnapshot(by_fork, &first.snapshot);
  first.Wait();
  ASSERT_TRUE(first.snapshot.outcome().status.ok());
  store_->FinishSnapshot(&first.snapshot);
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t dirty = store_->engine()->arena()->dirty_pages();
  EXPECT_GT(dirty, 0u);
  ASSERT_TRUE(store_->PrepareSnapshot(by_fork, &ready).ok() && ready);
  PendingSnapshot failed;
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  store_->StartSnapshot(by_fork, &failed.snapshot);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_NO_FATAL_FAILURE(ExpectNeverBegun(failed, dirty));
  store_->FinishSnapshot(&failed.snapshot);
  EXPECT_TRUE(Ready());
  store_->ForgoSnapshot();
}

// No page is put together while a child lives; then all are.
TEST_F(StoreSnapshotTest, ThePageKeeperKnowsWhenAChildLives) {
  ASSERT_TRUE(Ready());
  PendingSnapshot pending;
  store_->StartSnapshot({1, 30000}, &pending.snapshot);
  PageKeeper* keeper = store_->engine()->page_keeper();
  keeper->Collapse({0});
  pending.Wait();
  EXPECT_EQ(keeper->pending(), 1u);
  store_->FinishSnapshot(&pending.snapshot);
  while (keeper->pending() != 0) std::this_thread::yield();
}

SnapshotSettings ByCopy() {
  SnapshotSettings settings;
  settings.asked = AskedStrategy::kCopy;
  return settings;
}

TEST_F(StoreSnapshotTest, ASnapshotByCopyTakesThePlaceOfTheLogBeforeIt) {
  ASSERT_TRUE(Set("before", 1).ok());
  bool ready = false;
  ASSERT_TRUE(store_->PrepareSnapshot(ByCopy(), &ready).ok());
  ASSERT_TRUE(ready);
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
  PendingSnapshot pending;
  store_->StartSnapshot(ByCopy(), &pending.snapshot);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Set("meanwhile " + std::to_string(i), i).ok());
  pending.Wait();
  ASSERT_TRUE(pending.snapshot.outcome().status.ok()) << pending.snapshot.outcome().status.message();
  EXPECT_EQ(pending.snapshot.choice().strategy, SnapshotStrategy::kCopy);
  EXPECT_EQ(pending.snapshot.choice().reason, StrategyReason::kAsked);
  EXPECT_GT(pending.snapshot.pause_ms(), 0);
  EXPECT_FALSE(store_->engine()->arena()->is_saving());
  store_->FinishSnapshot(&pending.snapshot);
  EXPECT_EQ(store_->engine()->arena()->frozen().frozen_bytes(), 0u);
  EXPECT_EQ(Replayed(), 1000u);
  EXPECT_EQ(store_->opened().generation, 2u);
}

// As when a store has grown between two turns.
// What a memory limit leaves is read seldom; what the store takes is known.
TEST_F(StoreSnapshotTest, WhatAStoreHasGrownByIsTakenOffWhatAMemoryLimitLeaves) {
  store_->Close().Release();
  for (const bool limited : {false, true}) {
    OpenedStore opened;
    ASSERT_TRUE(Store::Open(path_, SmallStore(false), &opened).ok());
    if (limited) opened.memory_left_bytes = 256 << 10;
    store_ = std::make_unique<Store>(std::move(opened));
    ASSERT_NO_FATAL_FAILURE(MakeMap());
    const auto reason = [&] {
      EXPECT_TRUE(Ready());
      PendingSnapshot pending;
      store_->StartSnapshot({}, &pending.snapshot);
      pending.Wait();
      const StrategyReason why = pending.snapshot.choice().reason;
      store_->FinishSnapshot(&pending.snapshot);
      return why;
    };
    for (int i = 0; i < 4000; ++i) ASSERT_TRUE(Set("key" + std::to_string(i), i).ok());
    ASSERT_GT(store_->engine()->arena()->frontier(), uint64_t{256} << 10);
    EXPECT_EQ(reason(), limited ? StrategyReason::kMemoryLimit : StrategyReason::kForkIsQuick);
    store_->Close().Release();
    std::filesystem::remove_all(path_);
  }
  Open(true);
}

TEST_F(StoreSnapshotTest, APageKeeperThatWasAskedToRestForAForkGoesOnWhenThereIsNone) {
  store_->engine()->page_keeper()->TryPause();
  bool ready = false;
  ASSERT_TRUE(store_->PrepareSnapshot(ByCopy(), &ready).ok());
  EXPECT_TRUE(ready);
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
  store_->ForgoSnapshot();
}

TEST_F(StoreSnapshotTest, ACloseEndsTheSnapshotByCopyThatIsUnderWay) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(Set("a", round).ok());
    bool ready = false;
    ASSERT_TRUE(store_->PrepareSnapshot(ByCopy(), &ready).ok() && ready);
    PendingSnapshot pending;
    store_->StartSnapshot(ByCopy(), &pending.snapshot);
    Seal();
    store_->Close().Release();
    EXPECT_TRUE(pending.is_done);
    Open(true);
    EXPECT_EQ(store_->engine()->map(1)->size(), 1u);
  }
}

TEST_F(StoreSnapshotTest, ACloseEndsTheSnapshotThatIsUnderWay) {
  ASSERT_TRUE(Set("a", 1).ok());
  for (int round = 0; round < 8; ++round) {
    ASSERT_TRUE(Ready());
    PendingSnapshot pending;
    store_->StartSnapshot({2, 30000}, &pending.snapshot);
    StoreRemains remains = store_->Close();
    EXPECT_EQ(store_->snapshot_bytes_written(), 0u);
    remains.Release();
    EXPECT_TRUE(pending.is_done);
    ASSERT_NO_FATAL_FAILURE(Open(true));
    EXPECT_EQ(store_->engine()->map(1)->size(), 1u);
  }
}

// Here there is no child, and on_done is called at once.
TEST_F(StoreSnapshotTest, ASnapshotThatCannotStartLeavesEverythingAsItWas) {
  store_->Close().Release();
  OpenedStore opened;
  ASSERT_TRUE(Store::Open(path_, SmallStore(), &opened).ok());
  ASSERT_TRUE(opened.log->Start(nullptr, nullptr).ok());
  opened.next_generation = kMaxGeneration + 1;
  store_ = std::make_unique<Store>(std::move(opened));
  ASSERT_NO_FATAL_FAILURE(MakeMap());
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t dirty = store_->engine()->arena()->dirty_pages();
  EXPECT_GT(dirty, 0u);
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_TRUE(Ready());
    PendingSnapshot pending;
    store_->StartSnapshot({1, 30000}, &pending.snapshot);
    ASSERT_NO_FATAL_FAILURE(ExpectNeverBegun(pending, dirty));
    store_->FinishSnapshot(&pending.snapshot);
  }
  EXPECT_EQ(store_->opened().next_generation, kMaxGeneration + 1);
  EXPECT_EQ(store_->log()->state(), LogState::kHealthy);
  EXPECT_TRUE(Set("b", 2).ok());
  // The log goes on from the image that there is.
  EXPECT_EQ(Replayed(), 3u);
  EXPECT_EQ(store_->engine()->map(1)->size(), 2u);
}

}  // namespace
}  // namespace forkstore
