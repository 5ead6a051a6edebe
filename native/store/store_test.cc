// One store on a real directory, with its log's thread and forked snapshots.
#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <thread>

#include "testing/pending_snapshot.h"
#include "testing/store_steps.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

// A store with a map, whose log is as its writer leaves it.
class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Open(true));
    ASSERT_TRUE(Apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m"))).ok());
  }
  void Open(bool log) {
    OpenedStore opened;
    const Status status = Store::Open(path_, SmallStore(log), &opened);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(!log || opened.log->Start(nullptr, nullptr).ok());
    store_ = std::make_unique<Store>(std::move(opened));
  }
  Status Apply(Bytes operation, ApplyResult* result = nullptr) {
    ApplyResult ignored;
    return store_->Apply(operation.data(), operation.size(), result != nullptr ? result : &ignored);
  }
  Status Set(const std::string& key, double value) {
    return Apply(
        MakeOperation(OperationCode::kSet, 1, EngineForTest().Encode(oracle::Number(value)), StringKey(key)));
  }
  Status Delete(const std::string& key, ApplyResult* result = nullptr) {
    return Apply(MakeOperation(OperationCode::kDelete, 1, {}, StringKey(key)), result);
  }
  std::string Contents() { return EngineForTest(store_->engine()).Contents(); }
  // Seals; how many batches there are now.
  uint64_t Seal() {
    store_->log()->EndBatch(false);
    return store_->log()->stats().sealed_sequence;
  }
  // How many operations the log brings, and that they come to what there was.
  uint64_t Replayed() {
    Seal();
    const std::string contents = Contents();
    store_->Close().Release();
    Open(true);
    EXPECT_EQ(Contents() == contents, true);
    return store_->opened().recovered_log.operations;
  }
  bool Ready() {
    bool ready = false;
    EXPECT_TRUE(store_->PrepareSnapshot({}, &ready).ok());
    return ready;
  }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/store";
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, EachOperationThatWasTakenIsInTheLogOnce) {
  ASSERT_TRUE(Set("a", 1).ok());
  ASSERT_TRUE(Set("b", 2).ok());
  ASSERT_TRUE(Delete("a").ok());
  EXPECT_EQ(Replayed(), 4u);  // with the one that made the map
}

TEST_F(StoreTest, WhatIsIdleOrRefusedByTheEngineIsNotInTheLog) {
  const uint64_t sealed = Seal();
  ApplyResult result;
  ASSERT_TRUE(Delete("nothing", &result).ok());
  EXPECT_FALSE(result.changed);
  EXPECT_EQ(Apply(MakeOperation(OperationCode::kDelete, 7, {}, StringKey("a"))).code(), Code::kInvalid);
  EXPECT_EQ(Seal(), sealed);
  EXPECT_EQ(Replayed(), 1u);
}

TEST_F(StoreTest, ANestedRollbackAppendsItsSurvivorsAndNothingElse) {
  StoreEngineForTest engine(store_.get());
  const EngineCounts before = engine->counts();
  ASSERT_TRUE(Set("kept", 1).ok());
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(Set("outer", 2).ok());
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(Apply(MakeOperation(OperationCode::kCreateMap, 2, {}, StringKey("survives"))).ok());
  // A shape, a node and a member.
  const Bytes value = engine.Encode(oracle::Object({{u"field", oracle::Number(1)}}));
  ASSERT_TRUE(Apply(MakeOperation(OperationCode::kSetMember, kRootNode, value, StringKey("gone"))).ok());
  const EngineCounts counts = store_->engine()->counts();
  EXPECT_GT(counts.shapes, before.shapes);
  ASSERT_TRUE(store_->Rollback().ok());
  ASSERT_TRUE(Set("after", 3).ok());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_EQ(store_->engine()->counts(), counts);
  // Two maps, the shapes, numbers that nodes had; "kept", "outer", "after".
  EXPECT_EQ(Replayed(), 6u + counts.shapes - before.shapes);
  EXPECT_EQ(store_->engine()->counts(), counts);
  EXPECT_EQ(store_->engine()->map(1)->size(), 3u);
}

TEST_F(StoreTest, AnOuterRollbackTakesWhatAnInnerCommitLogged) {
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(Set("a", 1).ok());
  ASSERT_TRUE(store_->Commit().ok());
  ASSERT_TRUE(store_->Rollback().ok());
  EXPECT_EQ(Replayed(), 1u);
}

// Without the release the log would hold back all that comes after, until the batch ends.
TEST_F(StoreTest, TheOutermostCommitLetsTheLogHandOnWhatIsLong) {
  const uint64_t before = store_->log()->stats().appended_bytes;
  for (int round = 0; round < 2; ++round) {
    const uint64_t appended = store_->log()->stats().appended_bytes;
    ASSERT_TRUE(store_->Begin().ok());
    ASSERT_TRUE(store_->Begin().ok());
    // Each takes more than 24 bytes, and a fragment has 2048.
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(Set("key " + std::to_string(i), round).ok());
    EXPECT_EQ(store_->log()->stats().appended_bytes, appended);
    ASSERT_TRUE(store_->Commit().ok());
    EXPECT_EQ(store_->log()->stats().appended_bytes, appended);
    ASSERT_TRUE(store_->Commit().ok());
    EXPECT_GE(store_->log()->stats().appended_bytes, appended + 2048);
  }
  EXPECT_EQ(store_->log()->stats().batches, 0u);
  EXPECT_GE(store_->log()->stats().appended_bytes, before + 4096);
  EXPECT_EQ(Replayed(), 201u);
}

TEST_F(StoreTest, ATransactionThatIsNotOpenCannotBeEnded) {
  EXPECT_EQ(store_->Commit().code(), Code::kInvalid);
  EXPECT_EQ(store_->Rollback().code(), Code::kInvalid);
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_EQ(store_->Rollback().code(), Code::kInvalid);
}

TEST_F(StoreTest, ARefusedWriteChangesNothingAndIsNotInTheLog) {
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t sealed = Seal();
  const std::string contents = Contents();
  store_->RefuseWrites(true);
  EXPECT_EQ(Set("a", 2).code(), Code::kLogFailed);
  EXPECT_EQ(Delete("a").code(), Code::kLogFailed);
  Bytes splice = MakeOperation(OperationCode::kSplice, kRootNode, Words({0, 1}));
  ApplyResult result;
  EXPECT_EQ(store_->ApplyHolding(splice.data(), splice.size(), &result).code(), Code::kLogFailed);
  EXPECT_TRUE(Contents() == contents);
  EXPECT_EQ(Seal(), sealed);
  store_->RefuseWrites(false);
  EXPECT_TRUE(Set("a", 2).ok());
  EXPECT_EQ(Replayed(), 3u);
}

TEST_F(StoreTest, NothingIsHeldWithinATransaction) {
  ASSERT_TRUE(store_->Begin().ok());
  Bytes operation = MakeOperation(OperationCode::kSplice, kRootNode, Words({0, 1}));
  ApplyResult result;
  const Status status = store_->ApplyHolding(operation.data(), operation.size(), &result);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(), "nothing can be held within a transaction");
  EXPECT_EQ(result.held, 0u);
}

TEST_F(StoreTest, NeitherWritesNorSnapshotsOnceTheCloseHasBegun) {
  ASSERT_TRUE(Set("a", 1).ok());
  store_->BeginClose();
  store_->BeginClose();
  EXPECT_FALSE(Set("a", 2).ok());
  bool ready = true;
  EXPECT_EQ(store_->PrepareSnapshot({}, &ready).code(), Code::kInvalid);
  EXPECT_FALSE(ready);
  while (store_->log()->state() != LogState::kClosed) std::this_thread::yield();
  EXPECT_EQ(Replayed(), 2u);
}

TEST_F(StoreTest, NoSnapshotWithinATransaction) {
  ASSERT_TRUE(store_->Begin().ok());
  EXPECT_FALSE(Ready());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_TRUE(Ready());
  store_->ForgoSnapshot();
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
}

TEST_F(StoreTest, ASnapshotTakesThePlaceOfTheLogBeforeIt) {
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

TEST_F(StoreTest, ThereIsOneSnapshotAtATime) {
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

TEST_F(StoreTest, EachSnapshotHasItsGenerationAndKeepsAsManyAsItIsTold) {
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

TEST_F(StoreTest, WhatASnapshotThatFailsHasNotSavedTheNextOneSaves) {
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
TEST_F(StoreTest, ASnapshotThatFailsBeforeTheForkIsTakenBack) {
  store_->Close().Release();
  ASSERT_NO_FATAL_FAILURE(Open(false));
  if (store_->engine()->map_count() == 0) {
    ASSERT_TRUE(Apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m"))).ok());
  }
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t dirty = store_->engine()->arena()->dirty_pages();
  EXPECT_GT(dirty, 0u);
  ASSERT_TRUE(Ready());
  PendingSnapshot failed;
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  store_->StartSnapshot({1, 30000}, &failed.snapshot);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(failed.is_done);
  EXPECT_EQ(failed.snapshot.outcome().status.code(), Code::kSnapshotFailed);
  EXPECT_EQ(failed.snapshot.pause_ms(), 0);
  EXPECT_EQ(store_->snapshot_bytes_written(), 0u);
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
  EXPECT_FALSE(store_->engine()->arena()->is_saving());
  EXPECT_EQ(store_->engine()->arena()->dirty_pages(), dirty);
  store_->FinishSnapshot(&failed.snapshot);
  EXPECT_TRUE(Ready());
  store_->ForgoSnapshot();
}

// No page is put together while a child lives; then all are.
TEST_F(StoreTest, ThePageKeeperKnowsWhenAChildLives) {
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

TEST_F(StoreTest, ASnapshotByCopyTakesThePlaceOfTheLogBeforeIt) {
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
TEST_F(StoreTest, APageKeeperThatWasAskedToRestForAForkGoesOnWhenThereIsNone) {
  store_->engine()->page_keeper()->TryPause();
  bool ready = false;
  ASSERT_TRUE(store_->PrepareSnapshot(ByCopy(), &ready).ok());
  EXPECT_TRUE(ready);
  EXPECT_FALSE(store_->engine()->page_keeper()->paused());
  store_->ForgoSnapshot();
}

TEST_F(StoreTest, ACloseEndsTheSnapshotByCopyThatIsUnderWay) {
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

TEST_F(StoreTest, ACloseEndsTheSnapshotThatIsUnderWay) {
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
TEST_F(StoreTest, ASnapshotThatCannotStartLeavesEverythingAsItWas) {
  store_->Close().Release();
  OpenedStore opened;
  ASSERT_TRUE(Store::Open(path_, SmallStore(), &opened).ok());
  ASSERT_TRUE(opened.log->Start(nullptr, nullptr).ok());
  opened.next_generation = kMaxGeneration + 1;
  store_ = std::make_unique<Store>(std::move(opened));
  if (store_->engine()->map_count() == 0) {
    ASSERT_TRUE(Apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m"))).ok());
  }
  ASSERT_TRUE(Set("a", 1).ok());
  const uint64_t dirty = store_->engine()->arena()->dirty_pages();
  EXPECT_GT(dirty, 0u);
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_TRUE(Ready());
    PendingSnapshot pending;
    store_->StartSnapshot({1, 30000}, &pending.snapshot);
    ASSERT_TRUE(pending.is_done);
    EXPECT_EQ(pending.snapshot.outcome().status.code(), Code::kSnapshotFailed);
    EXPECT_EQ(pending.snapshot.pause_ms(), 0);
    EXPECT_EQ(store_->snapshot_bytes_written(), 0u);
    EXPECT_FALSE(store_->engine()->page_keeper()->paused());
    EXPECT_FALSE(store_->engine()->arena()->is_saving());
    EXPECT_EQ(store_->engine()->arena()->dirty_pages(), dirty);
    store_->FinishSnapshot(&pending.snapshot);
  }
  EXPECT_EQ(store_->opened().next_generation, kMaxGeneration + 1);
  EXPECT_EQ(store_->log()->state(), LogState::kHealthy);
  EXPECT_TRUE(Set("b", 2).ok());
  // The log goes on from the image that there is.
  EXPECT_EQ(Replayed(), 3u);
  EXPECT_EQ(store_->engine()->map(1)->size(), 2u);
}

TEST_F(StoreTest, AfterTheCloseNothingIsThere) {
  StoreRemains remains = store_->Close();
  EXPECT_FALSE(remains.empty());
  EXPECT_TRUE(store_->Close().empty());
  EXPECT_EQ(store_->engine(), nullptr);
  EXPECT_EQ(store_->log(), nullptr);
  EXPECT_EQ(store_->Begin().code(), Code::kInvalid);
  EXPECT_EQ(store_->Commit().code(), Code::kInvalid);
  EXPECT_EQ(store_->Rollback().code(), Code::kInvalid);
  bool ready = true;
  EXPECT_EQ(store_->PrepareSnapshot({}, &ready).code(), Code::kInvalid);
  EXPECT_FALSE(ready);
  OpenedStore second;
  EXPECT_EQ(Store::Open(path_, SmallStore(), &second).code(), Code::kLocked);
  EXPECT_EQ(second.directory, nullptr);
  remains.Release();
  EXPECT_TRUE(Store::Open(path_, SmallStore(), &second).ok());
}

TEST_F(StoreTest, WithoutALogTheSameGoesOn) {
  store_->Close().Release();
  ASSERT_NO_FATAL_FAILURE(Open(false));
  if (store_->engine()->map_count() == 0) {
    ASSERT_TRUE(Apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m"))).ok());
  }
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(Set("a", 1).ok());
  ASSERT_TRUE(store_->Rollback().ok());
  ASSERT_TRUE(Set("b", 1).ok());
  store_->RefuseWrites(true);
  EXPECT_EQ(Set("b", 2).code(), Code::kInvalid);
  const std::string contents = Contents();
  ASSERT_TRUE(Ready());
  PendingSnapshot pending;
  store_->StartSnapshot({1, 30000}, &pending.snapshot);
  pending.Wait();
  store_->FinishSnapshot(&pending.snapshot);
  store_->Close().Release();
  Open(false);
  EXPECT_TRUE(Contents() == contents);
}

TEST(Store, InMemoryThereIsNoSnapshot) {
  OpenedStore opened;
  ASSERT_TRUE(Store::Open("", SmallStore(false), &opened).ok());
  Store store(std::move(opened));
  bool ready = true;
  EXPECT_EQ(store.PrepareSnapshot({}, &ready).message(), "a store in memory has no snapshots");
  EXPECT_FALSE(ready);
}

}  // namespace
}  // namespace forkstore
