// One store on a real directory, with its log's thread: operations, transactions, closing.
#include "store/store.h"

#include "testing/pending_snapshot.h"
#include "testing/store_fixture.h"

namespace forkstore {
namespace {

using StoreTest = StoreFixture;

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
  ASSERT_NO_FATAL_FAILURE(MakeMap());
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
