// What EndBatch() gives to the system itself: then the end of the process cannot take what a turn has ended.
#include <gtest/gtest.h>

#include "testing/log_world.h"

namespace forkstore {
namespace {

class LogTurnTest : public testing::Test {
 protected:
  LogTurnTest() {
    world_.log_options.segment_bytes = 64 << 10;
    world_.log_options.write_bytes = 8 << 10;
  }
  void Open() {
    ASSERT_TRUE(world_.Open(&disk_, &store_).ok());
    const auto tell = [](void* test) { static_cast<LogTurnTest*>(test)->told_ += 1; };
    ASSERT_TRUE(store_.log->Start(tell, this).ok());
    ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kCreateMap, 1, "", "m").ok());
    Log().EndBatch(true);
    Log().RunWriter();
    ASSERT_EQ(Log().durable_sequence(), 1u);
  }
  class Log& Log() {
    return *store_.log;
  }
  void Set(uint64_t bytes) {
    ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kSet, 1, StringValueBytes(std::string(bytes, 'x')),
                                "key" + std::to_string(++keys_))
                    .ok());
  }
  // Sets one entry, which is a turn.
  void Turn(uint64_t bytes = 100, bool sync = false) {
    Set(bytes);
    Log().EndBatch(sync);
  }
  // How many batches a new process finds, if this one ends now.
  uint64_t AfterKill() {
    const auto disk = disk_.AfterKill();
    LogWorld world(2);
    OpenedStore store;
    EXPECT_TRUE(world.Open(disk.get(), &store).ok());
    return store.log->stats().sealed_sequence;
  }

  LogWorld world_{1};
  SimulatedDisk disk_;
  OpenedStore store_;
  int told_ = 0;
  int keys_ = 0;
};

TEST_F(LogTurnTest, ABatchIsWithTheSystemWhenItsTurnHasEnded) {
  Open();
  for (uint64_t i = 2; i < 6; ++i) {
    Turn(100, /*sync=*/i % 2 == 0);
    EXPECT_EQ(AfterKill(), i);
    EXPECT_EQ(Log().durable_sequence(), 1u);
    EXPECT_EQ(Log().stats().buffered_bytes, 0u);
  }
  Log().RunWriter();
  EXPECT_EQ(Log().durable_sequence(), 5u);
}

TEST_F(LogTurnTest, BeforeTheStartNothingIsWritten) {
  ASSERT_TRUE(world_.Open(&disk_, &store_).ok());
  ASSERT_TRUE(LogWorld::Apply(&store_, OperationCode::kCreateMap, 1, "", "m").ok());
  Log().EndBatch(false);
  EXPECT_EQ(AfterKill(), 0u);
  ASSERT_TRUE(Log().Start(nullptr, nullptr).ok());
  Turn();
  EXPECT_EQ(AfterKill(), 2u);
}

TEST_F(LogTurnTest, MuchIsLeftToTheWriter) {
  Open();
  Turn(9 << 10);
  EXPECT_EQ(AfterKill(), 1u);
  Turn();  // behind it
  EXPECT_EQ(AfterKill(), 1u);
  Log().RunWriter(/*deadline_passed=*/false);
  EXPECT_EQ(AfterKill(), 3u);
  Turn();
  EXPECT_EQ(AfterKill(), 4u);
}

TEST_F(LogTurnTest, WhatNeedsANewSegmentIsLeftToTheWriter) {
  Open();
  const uint64_t first = Log().stats().segment;
  uint64_t turns = 1;
  for (; AfterKill() == turns; ++turns) Turn(5000);
  EXPECT_EQ(Log().stats().segment, first);
  EXPECT_GT(turns, 10u);
  EXPECT_GT(Log().stats().buffered_bytes, 5000u);
  Log().RunWriter(/*deadline_passed=*/false);
  EXPECT_EQ(Log().stats().segment, first + 1);
  EXPECT_EQ(AfterKill(), turns);
}

TEST_F(LogTurnTest, NothingIsWrittenAfterACutAndBeforeItsSegment) {
  Open();
  Set(100);
  Log().Cut(store_.next_generation++);
  EXPECT_EQ(AfterKill(), 1u);  // a fork comes next
  Turn();
  EXPECT_EQ(AfterKill(), 1u);
  Log().RunWriter(/*deadline_passed=*/false);
  EXPECT_EQ(AfterKill(), 3u);
  Turn();
  EXPECT_EQ(AfterKill(), 4u);
}

TEST_F(LogTurnTest, AfterALongWriteTheWriterWrites) {
  world_.log_options.long_write_ms = 0;
  world_.log_options.rest_ms = 3'600'000;
  Open();  // a write that was long
  Turn();
  EXPECT_EQ(AfterKill(), 1u);
  Log().RunWriter(/*deadline_passed=*/false);
  EXPECT_EQ(AfterKill(), 2u);
}

TEST_F(LogTurnTest, TheRestAfterALongWriteEnds) {
  world_.log_options.long_write_ms = 0;
  world_.log_options.rest_ms = 0;
  Open();
  Turn();
  EXPECT_EQ(AfterKill(), 2u);
}

TEST_F(LogTurnTest, AWriteThatFailsIsAFailureOfTheLog) {
  Open();
  told_ = 0;
  disk_.before = [](SimulatedDisk::Call call, uint64_t*) {
    return call == SimulatedDisk::Call::kWrite ? ENOSPC : 0;
  };
  Turn();
  EXPECT_EQ(Log().state(), LogState::kFailed);
  EXPECT_EQ(Log().failure().system_errno(), ENOSPC);
  EXPECT_EQ(told_, 1);
  Turn();  // dropped: the snapshot that heals will have it
  EXPECT_EQ(Log().stats().buffered_bytes, 0u);
  disk_.before = nullptr;
  Log().RunWriter();
  EXPECT_EQ(Log().durable_sequence(), 1u);
  ASSERT_TRUE(world_.Snapshot(&disk_, &store_).ok());
  EXPECT_EQ(Log().state(), LogState::kHealthy);
  EXPECT_EQ(Log().durable_sequence(), 3u);
  Turn();
  EXPECT_EQ(AfterKill(), 4u);
}

}  // namespace
}  // namespace forkstore
