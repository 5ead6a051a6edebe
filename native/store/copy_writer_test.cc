// Snapshots by a thread over frozen pages.
#include "store/copy_writer.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "testing/image.h"
#include "testing/random_arena.h"
#include "testing/start_snapshot.h"
#include "testing/temporary_directory.h"

namespace {

std::atomic<bool> holds_writes{false};
std::atomic<int> held_writes{0};

}  // namespace

// Stands before the C library's in this program: a disk that does not answer.
extern "C" ssize_t pwritev(int fd, const iovec* pieces, int count, off_t position) {
  if (holds_writes.load()) ++held_writes;
  while (holds_writes.load()) usleep(200);
  return syscall(SYS_pwritev, fd, pieces, count, position, 0L);
}

namespace forkstore {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

struct Outcome {
  std::atomic<int> calls{0};
  SnapshotOutcome outcome;
  static void Done(void* context, SnapshotOutcome&& outcome) {
    auto* self = static_cast<Outcome*>(context);
    self->outcome = std::move(outcome);
    ++self->calls;
  }
  const SnapshotOutcome& Wait() const {
    while (calls.load() == 0) usleep(200);
    return outcome;
  }
};

class CopyWriterTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Directory::Open(temporary_.path() + "/store", &directory_).ok()); }
  void TearDown() override { holds_writes.store(false); }

  Status Start(RandomArena* arena, uint64_t generation, Outcome* outcome,
               std::unique_ptr<Snapshots>* snapshots, uint32_t watchdog_ms = 30000,
               uint64_t max_copied_bytes = 64 * kMiB) {
    arena->MakeFreezable();
    SnapshotRequest request;
    request.strategy = SnapshotStrategy::kCopy;
    request.source = arena->Source(generation);
    request.frozen_table = &arena->frozen_table;
    request.max_copied_bytes = max_copied_bytes;
    request.watchdog_ms = watchdog_ms;
    return StartSnapshot(arena->arena.get(), directory_.get(), request, Outcome::Done, outcome, snapshots);
  }
  std::vector<uint64_t> Generations() const {
    std::vector<uint64_t> generations;
    EXPECT_TRUE(directory_->ListGenerations(&generations).ok());
    return generations;
  }
  void ExpectNoTemporaries() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory_->path())) {
      EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
    }
  }
  // Its thread is at a write.
  void StartHeld(RandomArena* arena, uint64_t generation, Outcome* outcome,
                 std::unique_ptr<Snapshots>* snapshots, uint32_t watchdog_ms = 30000) {
    held_writes.store(0);
    holds_writes.store(true);
    ASSERT_TRUE(Start(arena, generation, outcome, snapshots, watchdog_ms).ok());
    while (held_writes.load() == 0) usleep(200);
  }

  TemporaryDirectory temporary_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(CopyWriterTest, WritesWhatWasThereAtTheFreezeWhateverIsWrittenMeanwhile) {
  std::mt19937_64 random(4);
  RandomArena arena(1, 300, 0.8);
  std::unique_ptr<Snapshots> snapshots;
  for (uint64_t generation = 1; generation <= 30; ++generation) {
    const std::vector<uint8_t> expected = ReferenceImage(arena.Source(generation));
    Outcome outcome;
    const Status started = Start(&arena, generation, &outcome, &snapshots);
    ASSERT_TRUE(started.ok()) << started.message();
    while (outcome.calls.load() == 0) {
      const uint64_t offset = random() % (arena.table.size() * kUnitBytes / 8) * 8;
      arena.arena->Mutate<uint64_t>(offset) = random();
      const uint64_t unit = random() % arena.table.size();
      arena.ChangeTable(unit, arena.table[unit] ^ 3);
    }
    const SnapshotOutcome& done = outcome.Wait();
    ASSERT_TRUE(done.status.ok()) << done.status.message();
    EXPECT_EQ(done.path, directory_->ImagePath(generation));
    EXPECT_EQ(done.bytes, expected.size());
    EXPECT_EQ(done.entries, 77u);
    EXPECT_EQ(done.fork_ms, 0);
    EXPECT_GT(done.duration_ms, 0);
    EXPECT_TRUE(done.copied_bytes_known);
    EXPECT_EQ(snapshots->child_pid(), 0);
    FinishSnapshot(arena.arena.get());
    EXPECT_TRUE(ReadBytes(directory_->ImagePath(generation)) == expected);
    EXPECT_EQ(Generations().size(), std::min<uint64_t>(generation, 2));
  }
  ExpectNoTemporaries();
}

TEST_F(CopyWriterTest, CountsWhatWasCopied) {
  RandomArena arena(1, 800, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> snapshots;
  StartHeld(&arena, 1, &outcome, &snapshots);
  // The table has been read, but no chunk.
  for (uint64_t i = 0; i < 1000; ++i) arena.arena->Mutate<uint64_t>(i * 7 * kPageBytes) = i;
  holds_writes.store(false);
  ASSERT_TRUE(outcome.Wait().status.ok());
  EXPECT_EQ(outcome.Wait().copied_bytes, 1000 * kPageBytes);
}

TEST_F(CopyWriterTest, WithMoreCopiesThanItMayItIsGivenUpAndTheOldImageStands) {
  RandomArena arena(1, 300, 1);
  std::unique_ptr<Snapshots> snapshots;
  Outcome first, second, third;
  ASSERT_TRUE(Start(&arena, 1, &first, &snapshots).ok());
  ASSERT_TRUE(first.Wait().status.ok());
  FinishSnapshot(arena.arena.get());
  held_writes.store(0);
  holds_writes.store(true);
  ASSERT_TRUE(Start(&arena, 2, &second, &snapshots, 30000, kMiB).ok());
  while (held_writes.load() == 0) usleep(200);
  memset(arena.arena->Write(0, 5 * kMiB), 1, 5 * kMiB);
  holds_writes.store(false);
  const SnapshotOutcome& done = second.Wait();
  EXPECT_EQ(done.status.code(), Code::kSnapshotFailed);
  EXPECT_TRUE(done.copies_exceeded);
  EXPECT_NE(done.status.message().find("1048576 bytes that copies may take (snapshot.maxCopiedBytes)"),
            std::string::npos)
      << done.status.message();
  EXPECT_EQ(done.copied_bytes, kMiB);
  EXPECT_EQ(Generations(), std::vector<uint64_t>{1});
  ExpectNoTemporaries();
  FinishSnapshot(arena.arena.get());
  const std::vector<uint8_t> expected = ReferenceImage(arena.Source(3));
  ASSERT_TRUE(Start(&arena, 3, &third, &snapshots).ok());
  ASSERT_TRUE(third.Wait().status.ok());
  EXPECT_TRUE(ReadBytes(directory_->ImagePath(3)) == expected);
}

TEST_F(CopyWriterTest, DestructionCancels) {
  for (int microseconds : {0, 100, 1000, 5000, 20000, 100000}) {
    RandomArena arena(1, 900, 1);
    Outcome outcome;
    std::unique_ptr<Snapshots> snapshots;
    ASSERT_TRUE(Start(&arena, 1, &outcome, &snapshots).ok());
    usleep(static_cast<useconds_t>(microseconds));
    snapshots.reset();
    EXPECT_EQ(outcome.calls, 1);
    const SnapshotOutcome& done = outcome.Wait();
    EXPECT_EQ(Generations().empty(), !done.status.ok());
    ExpectNoTemporaries();
    if (!done.status.ok()) {
      EXPECT_NE(done.status.message().find("cancelled"), std::string::npos) << done.status.message();
    }
    unlink(directory_->ImagePath(1).c_str());
  }
}

// It cannot be killed: the snapshot has failed, and the next one must wait for the disk.
TEST_F(CopyWriterTest, AThreadThatWaitsForTheDiskIsGivenUp) {
  RandomArena arena(1, 300, 1);
  Outcome first, second, third;
  std::unique_ptr<Snapshots> snapshots;
  StartHeld(&arena, 1, &first, &snapshots, 300);
  EXPECT_EQ(first.Wait().status.code(), Code::kSnapshotFailed);
  EXPECT_EQ(first.Wait().status.message(),
            "the snapshot's thread was silent for 300 ms and has been given up");
  EXPECT_TRUE(snapshots->is_stuck());
  FinishSnapshot(arena.arena.get());
  // The owner copies nothing more.
  memset(arena.arena->Write(0, 200 * kUnitBytes), 1, 200 * kUnitBytes);
  EXPECT_EQ(arena.arena->frozen().peak_bytes(), 0u);
  const Status refused = Start(&arena, 2, &second, &snapshots);
  EXPECT_EQ(refused.code(), Code::kSnapshotFailed);
  EXPECT_EQ(refused.system_errno(), EBUSY);
  EXPECT_FALSE(arena.arena->is_saving());
  holds_writes.store(false);
  while (snapshots->is_stuck()) usleep(1000);
  ExpectNoTemporaries();
  const std::vector<uint8_t> expected = ReferenceImage(arena.Source(3));
  ASSERT_TRUE(Start(&arena, 3, &third, &snapshots).ok());
  ASSERT_TRUE(third.Wait().status.ok()) << third.Wait().status.message();
  EXPECT_TRUE(ReadBytes(directory_->ImagePath(3)) == expected);
}

// Meanwhile a fork does.
TEST_F(CopyWriterTest, AForkNeedsNoThreadThatWaits) {
  RandomArena arena(1, 100, 1);
  Outcome first, second;
  std::unique_ptr<Snapshots> snapshots;
  StartHeld(&arena, 1, &first, &snapshots, 300);
  EXPECT_FALSE(first.Wait().status.ok());
  FinishSnapshot(arena.arena.get());
  SnapshotRequest request;
  request.source = arena.Source(2);
  ASSERT_TRUE(
      StartSnapshot(arena.arena.get(), directory_.get(), request, Outcome::Done, &second, &snapshots).ok());
  usleep(50 * 1000);
  holds_writes.store(false);  // of the child, which has a variable of its own: it never ends
  EXPECT_TRUE(snapshots->is_stuck() || second.calls.load() == 1);
  snapshots.reset();
  EXPECT_EQ(second.calls, 1);
  ExpectNoTemporaries();
}

TEST_F(CopyWriterTest, AThreadThatWaitsLessThanTheWatchdogGoesOn) {
  RandomArena arena(1, 100, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> snapshots;
  StartHeld(&arena, 1, &outcome, &snapshots, 20000);
  usleep(500 * 1000);
  EXPECT_EQ(outcome.calls, 0);
  holds_writes.store(false);
  EXPECT_TRUE(outcome.Wait().status.ok()) << outcome.Wait().status.message();
}

TEST_F(CopyWriterTest, NamesTheCallThatFailed) {
  RandomArena arena(1, 400, 1);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small{10 * kMiB, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Outcome outcome;
  std::unique_ptr<Snapshots> snapshots;
  ASSERT_TRUE(Start(&arena, 1, &outcome, &snapshots).ok());
  // The signal of the limit is blocked on this thread: nobody is killed.
  const SnapshotOutcome& done = outcome.Wait();
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(done.status.code(), Code::kSnapshotFailed);
  EXPECT_EQ(done.status.system_errno(), EFBIG);
  EXPECT_NE(done.status.message().find("fallocate"), std::string::npos) << done.status.message();
  ExpectNoTemporaries();
}

TEST_F(CopyWriterTest, FailsInADirectoryThatIsGone) {
  RandomArena arena(1, 100, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> snapshots;
  std::filesystem::remove_all(directory_->path());
  ASSERT_TRUE(Start(&arena, 1, &outcome, &snapshots).ok());
  EXPECT_EQ(outcome.Wait().status.code(), Code::kSnapshotFailed);
  EXPECT_NE(outcome.Wait().status.message().find("has been removed"), std::string::npos)
      << outcome.Wait().status.message();
}

TEST_F(CopyWriterTest, LeavesDescriptorsAsTheyWere) {
  RandomArena arena(1, 20, 1);
  const int next = dup(0);
  close(next);
  Outcome outcome;
  std::unique_ptr<Snapshots> snapshots;
  ASSERT_TRUE(Start(&arena, 1, &outcome, &snapshots).ok());
  EXPECT_TRUE(outcome.Wait().status.ok());
  const int again = dup(0);
  close(again);
  EXPECT_EQ(next, again);
}

TEST_F(CopyWriterTest, StoresInThreadsOfTheirOwnAndForksBetween) {
  std::thread threads[3];
  std::atomic<int> good{0};
  for (int t = 0; t < 3; ++t) {
    threads[t] = std::thread([this, t, &good] {
      std::unique_ptr<Directory> directory;
      ASSERT_TRUE(Directory::Open(temporary_.path() + "/" + std::to_string(t), &directory).ok());
      RandomArena arena(static_cast<uint64_t>(t), 60, 1);
      arena.MakeFreezable();
      std::unique_ptr<Snapshots> snapshots;
      for (uint64_t generation = 1; generation <= 15; ++generation) {
        SnapshotRequest request;
        const bool forks = (generation + static_cast<uint64_t>(t)) % 3 == 0;
        request.strategy = forks ? SnapshotStrategy::kFork : SnapshotStrategy::kCopy;
        request.source = arena.Source(generation);
        request.frozen_table = &arena.frozen_table;
        request.max_copied_bytes = 64 * kMiB;
        Outcome outcome;
        ASSERT_TRUE(
            StartSnapshot(arena.arena.get(), directory.get(), request, Outcome::Done, &outcome, &snapshots)
                .ok());
        EXPECT_TRUE(outcome.Wait().status.ok()) << outcome.Wait().status.message();
        good += outcome.Wait().status.ok();
        FinishSnapshot(arena.arena.get());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good.load(), 45);
}

}  // namespace
}  // namespace forkstore
