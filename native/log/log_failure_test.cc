// Every system call of the log failing in turn, once and for good: nothing is acknowledged that is not on
// disk, and the log heals as soon as the disk lets it.
#include <gtest/gtest.h>

#include "testing/failing_log.h"

namespace forkstore {
namespace {

using Call = SimulatedDisk::Call;

class LogFailureTest : public testing::Test {
 protected:
  struct Course {
    bool hit = false;
    Call call = Call::kOpen;
    uint64_t failures = 0;  // times that the log has become unhealthy
    bool healthy = false;   // at the end
    bool writable = false;
  };

  // A fixed course of turns and snapshots, on which call number `n` fails (`for_good`: and all of `kind`
  // after it).
  void Run(uint64_t n, int error, bool for_good, uint64_t seed, bool owner_writes, Course* course) {
    LogWorld world(seed, owner_writes);
    SimulatedDisk disk;
    OpenedStore store;
    ASSERT_TRUE(world.Open(&disk, &store).ok());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    Log& log = *store.log;
    uint64_t count = 0;
    disk.before = [&](Call call, uint64_t*) {
      const uint64_t now = count++;
      if (now < n || (now > n && !for_good)) return 0;
      if (now == n) course->call = call;
      course->hit = true;
      // EINTR for ever would be a kernel that is broken.
      return now > n && error == EINTR ? 0 : error;
    };
    const auto what = [&] { return "call " + std::to_string(n) + ", errno " + std::to_string(error); };
    const auto check = [&] {
      // Whatever was acknowledged survives a power cut at this moment.
      const auto after = disk.AfterPowerCut();
      OpenedStore survivor;
      const Status status = world.OpenSurvivor(after.get(), &survivor);
      ASSERT_TRUE(status.ok()) << what() << ": " << status.message();
      const uint64_t sequence = survivor.log->stats().sealed_sequence;
      ASSERT_GE(sequence, log.durable_sequence()) << what();
      ASSERT_TRUE(world.states.contains(sequence)) << what();
      ASSERT_TRUE(Dump(survivor.engine.get()) == world.states[sequence]) << what();
    };
    bool was_failed = false;
    for (int turn = 0; turn < 12; ++turn) {
      if (log.state() != LogState::kReadOnly) world.Turn(&store, turn % 3 != 0);
      log.RunWriter(turn % 4 == 0);
      const bool failed = log.state() != LogState::kHealthy;
      if (failed && !was_failed) {
        ++course->failures;
        EXPECT_EQ(log.failure().code(), Code::kLogFailed) << what();
        check();
      }
      was_failed = failed;
      if (failed || turn % 6 == 5) {
        const Status status = world.Snapshot(&disk, &store);
        was_failed = log.state() != LogState::kHealthy;
        if (failed && status.ok()) {
          EXPECT_EQ(log.state(), LogState::kHealthy) << what();
          EXPECT_TRUE(log.failure().ok());
        }
      }
      if (HasFatalFailure()) return;
    }
    for (int end = 0; end < 2; ++end) {
      log.EndBatch(true);
      log.RunWriter();
      if (log.state() != LogState::kHealthy) {
        const Status status = world.Snapshot(&disk, &store);
        EXPECT_EQ(status.ok(), log.state() == LogState::kHealthy) << what();
      }
    }
    course->healthy = log.state() == LogState::kHealthy;
    if (course->healthy) {
      EXPECT_EQ(log.durable_sequence(), log.stats().sealed_sequence) << what();
    }
    check();
    if (HasFatalFailure()) return;
    // The disk works again: so does the log.
    disk.before = nullptr;
    if (!course->healthy) {
      ASSERT_TRUE(world.Snapshot(&disk, &store).ok()) << what();
    }
    ASSERT_EQ(log.state(), LogState::kHealthy) << what();
    world.Turn(&store, true);
    world.Turn(&store, true);
    log.RunWriter();
    EXPECT_EQ(log.durable_sequence(), log.stats().sealed_sequence) << what();
    check();
    log.BeginClose();
    log.RunWriter();
    ASSERT_EQ(log.state(), LogState::kClosed) << what();
    check();
  }
};

TEST_F(LogFailureTest, EveryCallFailsOnce) {
  for (const auto& [error, owner_writes] :
       {std::pair{EIO, true}, std::pair{EIO, false}, std::pair{ENOSPC, true}, std::pair{EINTR, true}}) {
    uint64_t failures = 0;
    uint64_t n = 0;
    for (;; ++n) {
      Course course;
      Run(n, error, /*for_good=*/false, /*seed=*/error == EIO ? 5 : 6, owner_writes, &course);
      ASSERT_FALSE(HasFatalFailure());
      if (!course.hit) break;
      failures += course.failures;
      // One failure is healed by the next snapshot.
      EXPECT_TRUE(course.healthy) << n << " errno " << error;
      if (error == EINTR && (course.call == Call::kSync || course.call == Call::kWrite ||
                             course.call == Call::kSyncDirectory)) {
        EXPECT_EQ(course.failures, 0u) << n;
      }
      if (error == EIO && course.call == Call::kWrite) {
        EXPECT_LE(course.failures, 1u) << n;
      }
    }
    EXPECT_GT(n, 50u);
    if (error != EINTR) {
      EXPECT_GT(failures, 10u);
    }
  }
}

TEST_F(LogFailureTest, EveryCallFailsFromThereOn) {
  for (const bool owner_writes : {true, false}) {
    uint64_t read_only = 0;
    for (uint64_t n = 0;; ++n) {
      Course course;
      Run(n, n % 2 == 0 ? EIO : ENOSPC, /*for_good=*/true, /*seed=*/7, owner_writes, &course);
      ASSERT_FALSE(HasFatalFailure());
      if (!course.hit) break;
      read_only += !course.healthy;
    }
    EXPECT_GT(read_only, 40u);
  }
}

TEST_F(LogFailureTest, AFailedSyncIsNotRetriedOnTheSameFile) {
  std::vector<SimulatedDisk::Operation> operations;
  FailingLog failing(3);
  Log& log = *failing.store.log;
  failing.Turn();
  ASSERT_EQ(log.durable_sequence(), 1u);
  failing.FailNext(Call::kSync);
  failing.disk.record = &operations;
  failing.Turn();
  EXPECT_EQ(log.state(), LogState::kFailed);
  EXPECT_EQ(log.failure().system_errno(), EIO);
  EXPECT_EQ(log.durable_sequence(), 1u);
  const size_t until_failure = operations.size();
  // The next sync would succeed, and lie.
  failing.Turn();
  EXPECT_EQ(operations.size(), until_failure);
  EXPECT_EQ(log.durable_sequence(), 1u);
  EXPECT_EQ(log.SequenceToAwait(), 3u);

  // Killed now: the page cache still shows what the disk does not have. What opening finds must survive a
  // power cut.
  {
    const auto killed = failing.disk.AfterKill();
    OpenedStore survivor;
    ASSERT_TRUE(failing.world.OpenSurvivor(killed.get(), &survivor).ok());
    const uint64_t found = survivor.log->stats().sealed_sequence;
    ASSERT_GE(found, 1u);
    survivor = OpenedStore();
    const auto after_cut = killed->AfterPowerCut();
    const Status status = failing.world.OpenSurvivor(after_cut.get(), &survivor);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(survivor.log->stats().sealed_sequence, found);
    EXPECT_TRUE(Dump(survivor.engine.get()) == failing.world.states[found]);
  }

  // Healing: nothing is acknowledged before the manifest, though the new segment is written and synced.
  const uint64_t generation = failing.Cut();
  EXPECT_EQ(log.state(), LogState::kHealing);
  const auto image = failing.world.Image(&failing.store, generation);
  failing.Turn();
  EXPECT_EQ(log.state(), LogState::kHealing);
  EXPECT_EQ(log.durable_sequence(), 1u);
  ASSERT_TRUE(LogWorld::Publish(&failing.disk, &failing.store, generation, image, 2).ok());
  EXPECT_EQ(log.state(), LogState::kHealthy);
  EXPECT_EQ(log.durable_sequence(), 4u);
  for (size_t i = until_failure; i < operations.size(); ++i) {
    EXPECT_NE(operations[i].file, operations[0].file) << "the poisoned segment was touched";
  }
  const auto after = failing.disk.AfterPowerCut();
  OpenedStore again;
  failing.store = OpenedStore();
  ASSERT_TRUE(failing.world.Open(after.get(), &again).ok());
  EXPECT_TRUE(Dump(again.engine.get()) == failing.world.states[4]);
}

TEST_F(LogFailureTest, WhenHealingFailsTheLogIsReadOnlyUntilItSucceeds) {
  FailingLog failing(3);
  Log& log = *failing.store.log;
  bool full = true;
  failing.disk.before = [&full](Call call, uint64_t*) {
    return full && (call == Call::kWrite || call == Call::kAllocate) ? ENOSPC : 0;
  };
  failing.Turn();
  EXPECT_EQ(log.state(), LogState::kFailed);
  for (int tries = 0; tries < 3; ++tries) {
    EXPECT_FALSE(failing.Snapshot().ok());
    EXPECT_EQ(log.state(), LogState::kReadOnly);
    EXPECT_EQ(log.failure().code(), Code::kLogFailed);
    EXPECT_EQ(log.durable_sequence(), 0u);
  }
  // The snapshot alone fails: the same.
  full = false;
  const uint64_t generation = failing.Cut();
  log.RunWriter();
  EXPECT_EQ(log.state(), LogState::kHealing);
  log.SnapshotFailed(generation);
  EXPECT_EQ(log.state(), LogState::kReadOnly);
  std::vector<uint64_t> named;
  EXPECT_EQ(log.Published(generation, 2, &named).code(), Code::kLogFailed);
  ASSERT_TRUE(failing.Snapshot().ok());
  EXPECT_EQ(log.state(), LogState::kHealthy);
  EXPECT_EQ(log.durable_sequence(), 1u);
}

// What is before the failure does not lead to what is behind it: the manifest of a snapshot that was to heal
// must not name both, whatever has become of the healing.
TEST_F(LogFailureTest, ASecondFailureWhileHealingLeavesOneGenerationInTheManifest) {
  FailingLog failing(3);
  Log& log = *failing.store.log;
  failing.Turn();
  failing.FailNext(Call::kSync);
  failing.Turn();
  ASSERT_EQ(log.state(), LogState::kFailed);
  const uint64_t generation = failing.Cut();
  const auto image = failing.world.Image(&failing.store, generation);
  log.RunWriter();
  ASSERT_EQ(log.state(), LogState::kHealing);
  failing.FailNext(Call::kSync);
  failing.Turn();
  ASSERT_EQ(log.state(), LogState::kReadOnly);
  ASSERT_TRUE(LogWorld::Publish(&failing.disk, &failing.store, generation, image, 2).ok());
  EXPECT_EQ(log.state(), LogState::kReadOnly);
  EXPECT_EQ(log.durable_sequence(), 2u);
  SimulatedFileSystem files(&failing.disk);
  Manifest manifest;
  bool found = false;
  ASSERT_TRUE(ReadManifest(&files, &manifest, &found).ok());
  ASSERT_EQ(manifest.bases.size(), 1u);
  EXPECT_EQ(manifest.bases[0].generation, generation);

  const auto after = failing.disk.AfterPowerCut();
  const auto damaged = failing.disk.AfterPowerCut();
  failing.store = OpenedStore();
  OpenedStore again;
  ASSERT_TRUE(failing.world.Open(after.get(), &again).ok());
  EXPECT_GE(again.log->stats().sealed_sequence, 2u);
  again = OpenedStore();
  damaged->Contents(LogWorld::ImageName(generation))->at(5000) ^= 1;
  EXPECT_EQ(failing.world.Open(damaged.get(), &again).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace forkstore
