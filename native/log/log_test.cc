// The log with its own thread, on a real directory: group commit, time limits, back-pressure, large batches,
// marks.
#include "log/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "testing/brake.h"
#include "testing/log_world.h"
#include "testing/start_snapshot.h"

namespace forkstore {
namespace {

using Clock = std::chrono::steady_clock;

class LogTest : public testing::Test {
 protected:
  void Open(bool log = true) {
    OpenOptions options;
    options.arena = {kMinArenaBytes, false};
    options.log = log;
    options.log_options = options_;
    options.file_system = [](void* brake, int fd) -> std::unique_ptr<LogFileSystem> {
      return std::make_unique<BrakedFileSystem>(LogFileSystem::Posix(fd), static_cast<Brake*>(brake));
    };
    options.file_system_context = &brake_;
    store_ = std::make_unique<OpenedStore>();
    const Status status = OpenStore(path_, options, store_.get());
    ASSERT_TRUE(status.ok()) << status.message();
    if (!log) return;
    const auto wake = [](void* test) { static_cast<LogTest*>(test)->told_ += 1; };
    ASSERT_TRUE(store_->log->Start(wake, this).ok());
  }
  Log& log() { return *store_->log; }
  void Set(const std::string& key, const std::string& text) {
    if (store_->engine->map_count() == 0) {
      ASSERT_TRUE(LogWorld::Apply(store_.get(), OperationCode::kCreateMap, 1, "", "m").ok());
    }
    ASSERT_TRUE(LogWorld::Apply(store_.get(), OperationCode::kSet, 1, StringValueBytes(text), key).ok());
  }
  bool Await(uint64_t sequence, int limit_ms = 60000) {
    return Until([&] { return log().durable_sequence() >= sequence; }, limit_ms);
  }
  template <typename Condition>
  static bool Until(Condition condition, int limit_ms = 60000) {
    const auto end = Clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
      if (Clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
  }
  void Close() {
    log().BeginClose();
    ASSERT_TRUE(Until([&] { return log().state() == LogState::kClosed; }));
    EXPECT_TRUE(log().failure().ok()) << log().failure().message();
    store_.reset();
  }
  // Reopening gives what is there now.
  void ExpectSameAfterReopening() {
    const std::string dump = Dump(store_->engine.get());
    store_.reset();
    Open();
    EXPECT_TRUE(Dump(store_->engine.get()) == dump);
  }
  // A snapshot by fork, as the binding takes it.
  Status Snapshot(uint32_t keep = 2) {
    struct Result {
      std::atomic<bool> done{false};
      Status status;
    } result;
    SnapshotRequest request;
    request.source.arena_base = store_->engine->arena()->base();
    request.source.table = store_->engine->allocator()->table();
    request.source.units = store_->engine->allocator()->units();
    request.source.store_id = store_->store_id;
    request.source.generation = store_->next_generation++;
    request.source.entries = store_->engine->entries();
    request.source.writes = store_->engine->writes();
    request.keep = keep;
    request.published = Log::PublishedHook;
    request.published_context = store_->log.get();
    log().Cut(request.source.generation);
    std::unique_ptr<Snapshots> process;
    const auto on_done = [](void* context, SnapshotOutcome&& outcome) {
      static_cast<Result*>(context)->status = outcome.status;
      static_cast<Result*>(context)->done = true;
    };
    Status status =
        StartSnapshot(store_->engine->arena(), store_->directory.get(), request, on_done, &result, &process);
    if (status.ok()) {
      EXPECT_TRUE(Until([&] { return result.done.load(); }));
      status = result.status;
    }
    if (!status.ok()) log().SnapshotFailed(request.source.generation);
    return status;
  }

  Brake brake_;
  std::atomic<int> told_{0};
  LogOptions options_;
  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/store";
  std::unique_ptr<OpenedStore> store_;
};

// Whoever writes: it is the writer who waits for the sync.
TEST_F(LogTest, WhatEndsWhileASyncTakesLongDoesNotWait) {
  Open();
  brake_.hold_syncs = true;
  constexpr uint64_t kBatches = 200;
  for (uint64_t i = 1; i <= kBatches; ++i) {
    Set("key" + std::to_string(i), "some text");
    log().EndBatch(true);
    if (i == 1) {
      ASSERT_TRUE(Until([&] { return brake_.held.load(); }));
      brake_.syncs = 0;
    }
  }
  EXPECT_EQ(log().durable_sequence(), 0u);
  brake_.hold_syncs = false;
  ASSERT_TRUE(Await(kBatches));
  EXPECT_LE(brake_.syncs, 2);
  ExpectSameAfterReopening();
}

TEST_F(LogTest, WritesThatFailHereAndThereLoseNothing) {
  options_.long_write_ms = 3'600'000;
  Open();
  int turns = 0;
  for (int failure = 0; failure < 20; ++failure) {
    brake_.fail_in = failure % 5;
    ASSERT_TRUE(Until([&] {
      Set("key" + std::to_string(turns % 50), std::string(turns % 100, 'x'));
      log().EndBatch(++turns % 64 == 0);
      return log().state() == LogState::kFailed;
    }));
    ASSERT_TRUE(Snapshot().ok());
    ASSERT_EQ(log().state(), LogState::kHealthy);
  }
  Set("key", "at the end");
  log().EndBatch(true);
  ASSERT_TRUE(Await(log().SequenceToAwait()));
  ExpectSameAfterReopening();
}

TEST_F(LogTest, WhatWaitsTogetherSharesASync) {
  options_.owner_writes = false;  // it would wait, too
  Open();
  brake_.hold = true;
  brake_.syncs = 0;
  constexpr uint64_t kBatches = 200;
  for (uint64_t i = 1; i <= kBatches; ++i) {
    Set("key" + std::to_string(i), "some text");
    EXPECT_EQ(log().SequenceToAwait(), i);
    log().EndBatch(true);
    EXPECT_EQ(log().SequenceToAwait(), i);
  }
  // None of this has waited for a sync.
  EXPECT_EQ(log().durable_sequence(), 0u);
  EXPECT_EQ(brake_.syncs, 0);
  brake_.hold = false;
  ASSERT_TRUE(Await(kBatches));
  // Of the batch that was being written, and of all that came meanwhile.
  EXPECT_LE(brake_.syncs, 2);
  EXPECT_GT(told_, 0);
  EXPECT_EQ(log().stats().batches, kBatches);
  ExpectSameAfterReopening();
}

TEST_F(LogTest, WhoeverWritesAllThatTurnsEndIsThereAndInOrder) {
  options_.segment_bytes = 64 << 10;
  options_.write_bytes = 2 << 10;
  options_.sync_interval_ms = 1;  // the writer is often at work, and often not
  Open();
  for (int i = 0; i < 3000; ++i) {
    Set("key" + std::to_string(i % 50), std::string(i % 200 == 0 ? 5000 : i % 100, 'x'));
    log().EndBatch(i % 16 == 0);
    if (i % 64 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (i % 500 == 0) {
      ASSERT_TRUE(Snapshot().ok());
    }
  }
  ASSERT_TRUE(Await(3000));  // nobody has asked for the last one
  EXPECT_EQ(log().stats().batches, 3000u);
  EXPECT_EQ(log().stats().buffered_bytes, 0u);
  ExpectSameAfterReopening();
}

TEST_F(LogTest, WhatIsBehindACutIsWrittenAtTheEnd) {
  options_.owner_writes = false;
  Open();
  brake_.hold = true;
  Set("key", "before");
  log().EndBatch(true);
  ASSERT_TRUE(Until([&] { return brake_.held.load(); }));
  log().Cut(store_->next_generation++);
  Set("key", "behind");
  log().EndBatch(false);
  std::thread let_go([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    brake_.hold = false;
  });
  ExpectSameAfterReopening();
  let_go.join();
}

TEST_F(LogTest, WithoutARequestASyncComesInTime) {
  options_.sync_interval_ms = 300;
  Open();
  Set("key", "text");
  const auto start = Clock::now();
  log().EndBatch(false);
  ASSERT_TRUE(Await(1));
  const auto took = Clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(290));
  // And no more while there is nothing to sync.
  const int syncs = brake_.syncs;
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_EQ(brake_.syncs, syncs);
  log().EndBatch(true);
  EXPECT_EQ(log().SequenceToAwait(), 1u);
}

TEST_F(LogTest, MemoryIsBoundedWhenTheDiskIsSlow) {
  options_.soft_bound_bytes = 1 << 20;
  options_.hard_bound_bytes = 4 << 20;
  options_.fragment_bytes = 256 << 10;
  Open();
  brake_.hold = true;
  std::atomic<bool> finished{false};
  std::thread let_go([&] {
    EXPECT_TRUE(Until([&] { return log().stats().stalls > 0; }));
    EXPECT_TRUE(log().stats().behind);
    EXPECT_FALSE(finished);
    brake_.hold = false;
  });
  // One turn of 16 MiB: it is handed on in fragments, or it would never fit.
  for (int i = 0; i < 256; ++i) {
    Set("key" + std::to_string(i % 8), std::string(64 << 10, 'x'));
    ASSERT_LE(log().stats().buffered_bytes, (4 << 20) + (70 << 10));
  }
  finished = true;
  log().EndBatch(true);
  let_go.join();
  ASSERT_TRUE(Await(1));
  EXPECT_FALSE(log().stats().behind);
  EXPECT_EQ(log().stats().buffered_bytes, 0u);
  ExpectSameAfterReopening();
  EXPECT_EQ(store_->recovered_log.batches, 1u);
}

TEST_F(LogTest, ABatchMayBeLargerThanASegment) {
  options_.segment_bytes = 64 << 10;
  options_.fragment_bytes = 32 << 10;
  Open();
  for (int i = 0; i < 40; ++i)
    Set("key" + std::to_string(i), std::string(20 << 10, static_cast<char>('a' + i % 26)));
  Set("one", std::string(300 << 10, 'z'));  // an operation larger than a segment
  for (int i = 0; i < 40; ++i)
    Set("key" + std::to_string(i), std::string(1000, static_cast<char>('A' + i % 26)));
  log().EndBatch(true);
  ASSERT_TRUE(Await(1));
  EXPECT_GT(log().stats().segment, 10u);
  ExpectSameAfterReopening();
  EXPECT_EQ(store_->recovered_log.batches, 1u);
}

TEST_F(LogTest, ABatchWithoutItsEndDoesNotCount) {
  options_.segment_bytes = 64 << 10;
  options_.fragment_bytes = 32 << 10;
  options_.write_bytes = 1 << 10;
  Open();
  Set("key", "before");
  log().EndBatch(true);
  ASSERT_TRUE(Await(1));
  const std::string before = Dump(store_->engine.get());
  for (int i = 0; i < 20; ++i) Set("key" + std::to_string(i), std::string(20 << 10, 'x'));
  ASSERT_TRUE(Until([&] { return log().stats().segment > 4; }));
  store_.reset();  // the turn never ends
  Open();
  EXPECT_TRUE(Dump(store_->engine.get()) == before);
  EXPECT_GE(store_->recovered_log.tails.size(), 1u);
  Set("key", "after");
  log().EndBatch(true);
  ASSERT_TRUE(Await(2));
  ExpectSameAfterReopening();
  EXPECT_TRUE(store_->recovered_log.tails.empty());
  EXPECT_EQ(store_->recovered_log.batches, 2u);
}

TEST_F(LogTest, WhatOnlyNumbersIsNoWrite) {
  Open();
  ASSERT_TRUE(LogWorld::Apply(store_.get(), OperationCode::kCreateMap, 1, "", "m").ok());
  Set("key", "value");
  const uint64_t next_node = 100;
  const std::string value(reinterpret_cast<const char*>(&next_node), sizeof next_node);
  ASSERT_TRUE(LogWorld::Apply(store_.get(), OperationCode::kSkipNodes, 0, value, "").ok());
  log().EndBatch(true);
  ASSERT_TRUE(Await(1));
  ExpectSameAfterReopening();
  EXPECT_EQ(store_->recovered_log.operations, 3u);
  EXPECT_EQ(store_->recovered_log.writes, 2u);
}

TEST_F(LogTest, RollingBackLeavesNoTraceAndATransactionStaysInMemory) {
  options_.fragment_bytes = 4 << 10;
  Open();
  Set("key", "kept");
  const uint64_t outer = log().Mark();
  Set("a", std::string(10000, 'a'));
  const uint64_t inner = log().Mark();
  uint64_t bytes = 0;
  const auto words =
      MakeOperation(OperationCode::kSet, 1, StringValueBytes(std::string(3'000'000, 'b')), "wrong", &bytes);
  log().Append(reinterpret_cast<const uint8_t*>(words.data()), bytes, {});
  EXPECT_GT(log().stats().buffered_bytes, 3'000'000u);
  log().RollbackTo(inner);
  EXPECT_LT(log().stats().buffered_bytes, 20000u);
  Set("b", std::string(10000, 'b'));
  EXPECT_EQ(log().stats().sealed_sequence, 0u);
  log().Release(outer);
  log().EndBatch(true);
  ASSERT_TRUE(Await(1));
  // A batch that was rolled back as a whole is none.
  const uint64_t all = log().Mark();
  log().Append(reinterpret_cast<const uint8_t*>(words.data()), bytes, {});
  EXPECT_EQ(log().SequenceToAwait(), 2u);
  log().RollbackTo(all);
  EXPECT_EQ(log().SequenceToAwait(), 1u);
  log().EndBatch(true);
  EXPECT_EQ(log().stats().sealed_sequence, 1u);
  ExpectSameAfterReopening();
}

TEST_F(LogTest, ManySnapshotsAmongManyWrites) {
  options_.segment_bytes = 256 << 10;
  Open();
  std::mt19937_64 random(1);
  for (int turn = 0; turn < 3000; ++turn) {
    Set("key" + std::to_string(random() % 100), std::string(random() % 800, 'x'));
    log().EndBatch(turn % 7 == 0);
    if (turn % 500 == 250) {
      const Status status = Snapshot();
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
  const uint64_t last = log().SequenceToAwait();
  EXPECT_EQ(last, 3000u);
  const std::string dump = Dump(store_->engine.get());
  Close();
  Open();
  EXPECT_TRUE(Dump(store_->engine.get()) == dump);
  EXPECT_LT(store_->recovered_log.batches, 300u);
  EXPECT_EQ(store_->generation, 7u);
  // The newest image is damaged: the one before it and a longer log give the same.
  const std::string newest = store_->directory->ImagePath(7);
  store_.reset();
  auto bytes = ReadBytes(newest);
  bytes[bytes.size() / 2] ^= 1;
  WriteFileBytes(newest, bytes);
  Open();
  EXPECT_TRUE(Dump(store_->engine.get()) == dump);
  EXPECT_EQ(store_->generation, 6u);
  ASSERT_EQ(store_->skipped.size(), 1u);
  EXPECT_GT(store_->recovered_log.batches, 500u);
  // And so on from there.
  Set("key", "later");
  log().EndBatch(true);
  ASSERT_TRUE(Snapshot().ok());
  ExpectSameAfterReopening();
}

TEST_F(LogTest, TheLogIsGivenUpWhenTheStoreIsOpenedWithoutOne) {
  Open();
  Set("key", "one");
  log().EndBatch(true);
  ASSERT_TRUE(Await(1));
  const std::string dump = Dump(store_->engine.get());
  store_.reset();
  Open(/*log=*/false);
  EXPECT_TRUE(Dump(store_->engine.get()) == dump);
  EXPECT_EQ(store_->generation, 2u);
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    EXPECT_FALSE(name.starts_with("log-") || name.starts_with("manifest")) << name;
  }
  // What was not saved by a snapshot is gone then; the old log must not come back.
  store_.reset();
  Open();
  EXPECT_TRUE(Dump(store_->engine.get()) == dump);
  EXPECT_FALSE(store_->recovered_log.found);
  Set("key", "two");
  log().EndBatch(true);
  ExpectSameAfterReopening();
}

}  // namespace
}  // namespace forkstore
