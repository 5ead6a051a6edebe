// One store on a real directory, with its log's thread and real snapshots.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "store/store.h"
#include "testing/store_steps.h"
#include "testing/temporary_directory.h"

namespace forkstore {

// A store with a map, whose log is as its writer leaves it.
class StoreFixture : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Open(true));
    MakeMap();
  }
  // The map, where there is none: a store without its log begins empty.
  void MakeMap() {
    if (store_->engine()->map_count() != 0) return;
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

}  // namespace forkstore
