// Tests only: a store with a running log on a simulated disk, on which a test makes calls fail.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "testing/log_world.h"

namespace forkstore {

struct FailingLog {
  explicit FailingLog(uint64_t seed) : world(seed) {
    EXPECT_TRUE(world.Open(&disk, &store).ok());
    EXPECT_TRUE(store.log->Start(nullptr, nullptr).ok());
    disk.before = [this](SimulatedDisk::Call call, uint64_t*) {
      return call == failing && std::exchange(armed, false) ? EIO : 0;
    };
  }
  FailingLog(const FailingLog&) = delete;
  FailingLog& operator=(const FailingLog&) = delete;

  // The next call of this kind fails, and no other.
  void FailNext(SimulatedDisk::Call call) {
    failing = call;
    armed = true;
  }

  // Changes with values of up to `most` characters, and what the writer of the log then does.
  void Turn(int changes = 1, size_t most = 50) {
    for (int i = 0; i < changes; ++i) world.Change(&store, most);
    world.EndTurn(&store, true);
    store.log->RunWriter();
  }

  // As a snapshot begins; its generation.
  uint64_t Cut() {
    const uint64_t generation = store.next_generation++;
    store.log->Cut(generation);
    return generation;
  }

  // The image of such a snapshot, as its child writes it; 0 or an errno.
  int PublishImage(uint64_t generation) {
    return LogWorld::PublishImage(&disk, LogWorld::ImageName(generation), world.Image(&store, generation));
  }

  Status Snapshot() { return world.Snapshot(&disk, &store); }

  LogWorld world;
  SimulatedDisk disk;
  OpenedStore store;
  SimulatedDisk::Call failing = SimulatedDisk::Call::kSync;
  bool armed = false;
};

}  // namespace forkstore
