// Random steps on a store: on a real directory, with its log's thread and forked snapshots, and on a
// simulated disk (testing/store_program.h). Programs for the latter, kept in testing/fuzz/corpus/store, are
// the fuzzer's seeds; `FORKSTORE_WRITE_CORPUS=1 store_program_test` writes them.
#include "testing/store_program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "testing/corpus.h"
#include "testing/pending_snapshot.h"
#include "testing/store_steps.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

constexpr uint64_t kKept = 8;

// Random steps on a store that is closed, and opened again from what is on disk, at any moment.
class DirectorySteps final : public StoreSteps {
 public:
  DirectorySteps() { Reopen(); }

  // In the middle of whatever is under way: what was sealed is there, and nothing else is.
  void Reopen() {
    const bool first = !is_open_;
    if (is_open_) {
      StoreRemains remains = store().Close();
      remains.Release();
      EXPECT_TRUE(!pending_ || pending_->is_done);
      pending_.reset();
      if (!spoiled_.empty()) std::filesystem::remove(spoiled_);
      spoiled_.clear();
    }
    is_open_ = true;
    OpenedStore opened;
    const Status status = Store::Open(path, SmallStore(), &opened);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(opened.skipped.empty());
    ASSERT_TRUE(first || opened.log->stats().sealed_sequence == last_sequence());
    ASSERT_TRUE(opened.log->Start(nullptr, nullptr).ok());
    // Also holds the state against the one there was.
    TakeOver(std::move(opened));
    if (!first) return;
    for (const char* name : {"map 0", "map 1"}) {
      Bytes operation =
          MakeOperation(OperationCode::kCreateMap, live()->map_count() + 1, {}, StringKey(name));
      ApplyResult result;
      ASSERT_TRUE(store().Apply(operation.data(), operation.size(), &result).ok());
    }
    EndTurn(0);
  }

  void Turn(uint32_t how) { EndTurn(how); }

  void Refuses(bool refuse) { Refuse(refuse); }

  // `spoiled`: the child cannot make its file.
  // By fork and by copy in turn.
  void StartSnapshot(bool spoiled) {
    if (pending_) return FinishSnapshot();
    Turn(0);
    bool ready = false;
    SnapshotSettings settings;
    settings.asked = ++snapshots_ % 2 == 0 ? AskedStrategy::kFork : AskedStrategy::kCopy;
    while (!ready) ASSERT_TRUE(store().PrepareSnapshot(settings, &ready).ok());
    spoiled_ = spoiled ? path + "/" + Directory::TemporaryName(store().opened().next_generation) : "";
    ASSERT_TRUE(!spoiled || std::filesystem::create_directory(spoiled_));
    pending_ = std::make_unique<PendingSnapshot>();
    store().StartSnapshot(settings, &pending_->snapshot);
    ++started;
  }
  void FinishSnapshot() {
    if (!pending_) return;
    pending_->Wait();
    EXPECT_EQ(pending_->snapshot.outcome().status.ok(), spoiled_.empty())
        << pending_->snapshot.outcome().status.message();
    EXPECT_GT(pending_->snapshot.pause_ms(), 0);
    store().FinishSnapshot(&pending_->snapshot);
    EXPECT_EQ(store().snapshot_bytes_written(), 0u);
    pending_.reset();
    if (!spoiled_.empty()) std::filesystem::remove(spoiled_);
    spoiled_.clear();
  }

  TemporaryDirectory temporary;
  std::string path = temporary.path() + "/store";
  uint64_t started = 0;

 private:
  bool is_open_ = false;
  uint64_t snapshots_ = 0;
  std::unique_ptr<PendingSnapshot> pending_;
  std::string spoiled_;
};

TEST(StoreSteps, ADirectoryComesBackAsItWasWhereverTheStoreIsClosed) {
  uint64_t full = 0;
  uint64_t started = 0;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    DirectorySteps steps;
    for (int step = 0; step < 400; ++step) {
      const auto with = static_cast<uint32_t>(random() % 65536);
      const uint64_t kind = random() % 100;
      if (kind < 12) {
        steps.Turn(with);
      } else if (kind < 16) {
        steps.StartSnapshot(with % 3 == 0);
      } else if (kind < 18) {
        steps.Reopen();
      } else if (kind < 20) {
        steps.Turn(with);
        steps.Refuses(with % 2 == 0);
      } else {
        steps.Step(step % 100 == 60 ? 4 : random() % 16, with);
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    steps.FinishSnapshot();
    steps.Turn(0);
    steps.Reopen();
    full += steps.done().full;
    started += steps.started;
  }
  EXPECT_GT(full, 5u);
  EXPECT_GT(started, 15u);
}

std::filesystem::path CorpusPath() {
  return CorpusFolder("store");
}

Bytes RandomProgram(uint64_t seed, int steps) {
  std::mt19937_64 random(seed);
  Bytes program;
  for (int step = 0; step < steps; ++step) {
    const uint64_t kind = random() % 100;
    uint8_t what = static_cast<uint8_t>(8 + random() % 8);
    if (step % 150 == 40) {
      what = 4;  // then the store is full, or nearly
    } else if (kind < 24) {
      constexpr uint8_t kSteps[] = {0, 0, 0, 1, 1, 2, 2, 3, 5, 5, 5, 6, 6, 6, 7, 7, 7, 7, 8, 8, 9, 9, 10, 11};
      what = kSteps[kind];
    } else if (kind < 45) {
      constexpr uint8_t kSteps[] = {16, 17, 18, 19, 16, 17, 18, 19, 20, 20, 21,
                                    21, 22, 23, 22, 24, 24, 25, 25, 26, 27};
      what = kSteps[kind - 24];
    }
    const uint64_t with = random();
    program.insert(program.end(), {what, static_cast<uint8_t>(with), static_cast<uint8_t>(with >> 8)});
  }
  return program;
}

TEST(StoreProgram, TheCorpusRuns) {
  if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
    std::filesystem::create_directories(CorpusPath());
    for (uint64_t i = 0; i < kKept; ++i) {
      const Bytes program = RandomProgram(i + 1, 60 + static_cast<int>(i) * 20);
      std::ofstream(CorpusPath() / std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(program.data()), static_cast<std::streamsize>(program.size()));
    }
  }
  uint64_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CorpusPath())) {
    const Bytes program = ReadBytes(entry.path().string());
    StoreProgram().Run(program.data(), program.size());
    ++programs;
  }
  EXPECT_GE(programs, kKept);
}

TEST(StoreProgram, WhatTheLogHoldsComesToTheSameState) {
  StoreProgram::Counted all;
  for (uint64_t seed = 100; seed < 112; ++seed) {
    SCOPED_TRACE(seed);
    const Bytes program = RandomProgram(seed, 400);
    const StoreProgram::Counted one = StoreProgram().Run(program.data(), program.size());
    all.steps += one.steps;
    all.full += one.full;
    all.unshaped += one.unshaped;
    all.rollbacks += one.rollbacks;
    all.refused += one.refused;
    all.snapshots += one.snapshots;
    all.failed_snapshots += one.failed_snapshots;
    all.failures += one.failures;
    all.recoveries += one.recoveries;
    all.lives += one.lives;
  }
  EXPECT_GT(all.steps, 2000u);
  EXPECT_GT(all.full, 40u);
  EXPECT_GT(all.unshaped, 0u);
  EXPECT_GT(all.rollbacks, 40u);
  EXPECT_GT(all.refused, 40u);
  EXPECT_GT(all.snapshots, 12u);
  EXPECT_GT(all.failed_snapshots, 6u);
  EXPECT_GT(all.failures, 4u);
  EXPECT_GT(all.recoveries, 60u);
  EXPECT_GT(all.lives, 24u);
}

}  // namespace
}  // namespace forkstore
