// Power cuts after every system call of a random workload: what is recovered is the state at the end of some
// batch, not before the last one that was acknowledged.
#include <gtest/gtest.h>

#include "testing/log_world.h"

namespace forkstore {
namespace {

using Loss = SimulatedDisk::Loss;
using Call = SimulatedDisk::Call;

// What a workload did to the disk. Each operation has noted what was acknowledged before it.
struct Recording {
  std::vector<SimulatedDisk::Operation> operations;
  size_t opened = 0;          // operations of the first opening, which is not cut short
  uint64_t acknowledged = 0;  // at the end
};

class LogCrashTest : public testing::TestWithParam<int> {
 protected:
  struct Course {
    int turns = 40;
    int one_call_fails_in = 0;  // 0: none does
    bool close = false;
  };

  void Record(LogWorld* world, const Course& course, Recording* recording) {
    SimulatedDisk disk;
    disk.record = &recording->operations;
    OpenedStore store;
    ASSERT_TRUE(world->Open(&disk, &store).ok());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    recording->opened = recording->operations.size();
    Log* log = store.log.get();
    disk.note = [log] { return log->durable_sequence(); };
    std::mt19937_64& random = world->random;
    if (course.one_call_fails_in > 0) {
      disk.before = [&random, course](Call, uint64_t* bytes) {
        if (random() % 20 == 0) *bytes = (*bytes + 1) / 2;
        if (random() % 20 == 0) return EINTR;
        return random() % static_cast<uint64_t>(course.one_call_fails_in) == 0 ? (random() % 2 ? EIO : ENOSPC)
                                                                               : 0;
      };
    }
    uint64_t last_acknowledged = 0;
    for (int turn = 0; turn < course.turns; ++turn) {
      if (log->state() != LogState::kReadOnly) world->Turn(&store, random() % 2 == 0);
      if (random() % 3 != 0) log->RunWriter(random() % 4 == 0);
      const bool heal = log->state() == LogState::kFailed || log->state() == LogState::kReadOnly;
      if (heal || random() % 12 == 0) SnapshotAmongTurns(world, &disk, &store);
      // What was acknowledged stays so.
      ASSERT_GE(log->durable_sequence(), last_acknowledged);
      last_acknowledged = log->durable_sequence();
      ASSERT_LE(last_acknowledged, log->stats().sealed_sequence);
    }
    if (course.close) {
      log->BeginClose();
      log->RunWriter();
      ASSERT_EQ(log->state(), LogState::kClosed);
    }
    recording->acknowledged = log->durable_sequence();
    disk.before = nullptr;
    disk.record = nullptr;
    disk.note = nullptr;
  }

  void SnapshotAmongTurns(LogWorld* world, SimulatedDisk* disk, OpenedStore* store) {
    std::mt19937_64& random = world->random;
    const uint64_t generation = store->next_generation++;
    store->log->Cut(generation);
    world->states[store->log->stats().sealed_sequence] = Dump(store->engine.get());
    const SimulatedDisk::Bytes image = world->Image(store, generation);
    for (uint64_t turns = random() % 4; turns > 0; --turns) {
      if (random() % 2 == 0) store->log->RunWriter(random() % 2 == 0);
      if (store->log->state() != LogState::kReadOnly) world->Turn(store, random() % 2 == 0);
    }
    if (random() % 6 == 0) {
      store->log->SnapshotFailed(generation);
      return;
    }
    const Status status =
        LogWorld::Publish(disk, store, generation, image, static_cast<uint32_t>(1 + random() % 3));
    if (status.ok()) {
      EXPECT_NE(store->log->state(), LogState::kHealing);
    }
  }

  // Opens what has survived; the sequence it came to.
  void Recover(LogWorld* world, SimulatedDisk* disk, uint64_t acknowledged, const std::string& what,
               OpenedStore* store, uint64_t* sequence) {
    const Status status = world->Open(disk, store);
    ASSERT_TRUE(status.ok()) << what << ": " << status.message();
    *sequence = store->log->stats().sealed_sequence;
    ASSERT_GE(*sequence, acknowledged) << what;
    ASSERT_TRUE(world->states.contains(*sequence)) << what << ": " << *sequence;
    ASSERT_EQ(Dump(store->engine.get()) == world->states[*sequence], true) << what << ": " << *sequence;
    ASSERT_TRUE(store->skipped.empty()) << what << store->skipped[0].reason;
  }

  void CutEverywhere(LogWorld* world, const Recording& recording, uint64_t seed) {
    SimulatedDisk disk;
    const std::vector<SimulatedDisk::Operation>& all = recording.operations;
    uint64_t lost_something = 0;
    for (size_t k = 0; k <= all.size(); ++k) {
      if (k >= recording.opened) {
        const uint64_t acknowledged = k < all.size() ? all[k].noted : recording.acknowledged;
        constexpr Loss kInTurn[] = {Loss::kEverything, Loss::kFewSectors, Loss::kNothing};
        for (const Loss loss : {Loss::kSomeSectors, kInTurn[(k + seed) % 3]}) {
          const std::string what = "seed " + std::to_string(seed) + ", before call " + std::to_string(k) +
                                   ", loss " + std::to_string(static_cast<int>(loss));
          std::mt19937_64 random(seed * 1000003 + k * 4 + static_cast<uint64_t>(loss));
          const auto after = disk.AfterPowerCut(loss, &random);
          OpenedStore store;
          uint64_t sequence = 0;
          Recover(world, after.get(), acknowledged, what, &store, &sequence);
          if (HasFatalFailure()) return;
          lost_something += !store.recovered_log.tails.empty();
          if (random() % 12 == 0) SecondLife(world, std::move(store), after.get(), sequence, what, &random);
          if (HasFatalFailure()) return;
        }
      }
      // Killed instead: everything that was written is there, though perhaps in the cache alone, until the
      // power goes too.
      if (k >= recording.opened && (k + seed) % 6 == 0) {
        const std::string what = "seed " + std::to_string(seed) + ", killed before call " + std::to_string(k);
        std::mt19937_64 random(seed * 1000003 + k);
        const auto after = disk.AfterKill();
        OpenedStore store;
        uint64_t sequence = 0;
        Recover(world, after.get(), k < all.size() ? all[k].noted : recording.acknowledged, what, &store,
                &sequence);
        if (!HasFatalFailure()) SecondLife(world, std::move(store), after.get(), sequence, what, &random);
        if (HasFatalFailure()) return;
      }
      if (k < all.size()) disk.Repeat(all[k]);
    }
    EXPECT_GT(lost_something, 0u);
  }

  // Goes on where recovery has got to, until the next power cut, which may come in the middle of opening.
  void SecondLife(LogWorld* world, OpenedStore store, SimulatedDisk* disk, uint64_t sequence,
                  std::string what, std::mt19937_64* random) {
    const std::map<uint64_t, std::string> first_states = world->states;
    world->states.erase(world->states.upper_bound(sequence), world->states.end());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    for (uint64_t turns = (*random)() % 4; turns > 0; --turns) {
      world->Turn(&store, true);
      store.log->RunWriter((*random)() % 2 == 0);
    }
    if ((*random)() % 3 == 0) {
      ASSERT_TRUE(world->Snapshot(disk, &store).ok());
    }
    uint64_t acknowledged = store.log->durable_sequence();
    ASSERT_GE(acknowledged, sequence) << what;  // what opening has found is durable
    store = OpenedStore();
    auto third = disk->AfterPowerCut(Loss::kSomeSectors, random);
    for (uint64_t calls = (*random)() % 12;; calls += 5) {
      uint64_t left = calls;
      third->before = [&left](Call, uint64_t*) { return left == 0 ? EIO : (--left, 0); };
      OpenedStore again;
      const Status status = world->Open(third.get(), &again);
      const bool cut = left == 0;
      if (status.ok()) {
        const uint64_t now = again.log->stats().sealed_sequence;
        ASSERT_GE(now, acknowledged) << what;
        ASSERT_EQ(Dump(again.engine.get()) == world->states[now], true) << what << ", second life: " << now;
        acknowledged = now;  // opening has told the application
        if (!cut) break;
      } else {
        ASSERT_TRUE(cut) << what << ", second life: " << status.message();
        ASSERT_EQ(status.code(), Code::kIo) << status.message();
      }
      again = OpenedStore();
      third->before = nullptr;
      third = third->AfterPowerCut(Loss::kSomeSectors, random);
    }
    world->states = first_states;
  }
};

TEST_P(LogCrashTest, PowerCutAfterEveryCall) {
  const auto seed = static_cast<uint64_t>(GetParam());
  LogWorld world(seed, /*owner_writes=*/seed % 2 == 0);
  Recording recording;
  Record(&world, {40, 0, seed % 2 == 0}, &recording);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_GT(recording.acknowledged, 0u);
  CutEverywhere(&world, recording, seed);
}

TEST_P(LogCrashTest, PowerCutWhileCallsFailAndTheLogHeals) {
  const auto seed = static_cast<uint64_t>(GetParam()) + 100;
  LogWorld world(seed, /*owner_writes=*/seed % 2 == 0);
  Recording recording;
  Record(&world, {60, 25, seed % 2 == 0}, &recording);
  ASSERT_FALSE(HasFatalFailure());
  CutEverywhere(&world, recording, seed);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogCrashTest, testing::Range(0, 4));

}  // namespace
}  // namespace forkstore
