// The room that the log takes on disk, however often healing or snapshots fail.
#include <gtest/gtest.h>

#include "testing/failing_log.h"

namespace forkstore {
namespace {

using Call = SimulatedDisk::Call;

uint64_t LogBytes(SimulatedDisk* disk) {
  uint64_t bytes = 0;
  for (const std::string& name : disk->List()) {
    if (name.ends_with(".log")) bytes += disk->Contents(name)->size();
  }
  return bytes;
}

TEST(LogSpaceTest, HoweverOftenHealingFailsTheLogTakesTheSameSpace) {
  for (const bool rotate : {false, true}) {
    FailingLog failing(3);
    Log& log = *failing.store.log;
    failing.Turn(10, 1000);
    failing.FailNext(Call::kSync);
    failing.Turn(10, 1000);
    ASSERT_EQ(log.state(), LogState::kFailed);
    for (int tries = 0; tries < 20; ++tries) {
      const uint64_t generation = failing.Cut();
      log.RunWriter();
      ASSERT_EQ(log.state(), LogState::kHealing);
      for (int turns = 0; rotate && turns < 8; ++turns) failing.Turn(10, 1000);
      if (tries % 2 == 0) {
        log.SnapshotFailed(generation);
      } else {
        // The image is there; the manifest is not, or may be: its segment must then stay.
        ASSERT_EQ(failing.PublishImage(generation), 0);
        failing.FailNext(tries == 11 ? Call::kSyncDirectory : Call::kSync);
        std::vector<uint64_t> named;
        EXPECT_FALSE(log.Published(generation, 2, &named).ok());
      }
      ASSERT_EQ(log.state(), LogState::kReadOnly);
      log.RunWriter();
      const auto after = failing.disk.AfterPowerCut();
      OpenedStore survivor;
      const Status status = failing.world.OpenSurvivor(after.get(), &survivor);
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_LE(LogBytes(&failing.disk), (rotate ? 12u : 4u) * failing.world.log_options.segment_bytes)
          << tries;
    }
    ASSERT_TRUE(failing.Snapshot().ok());
    EXPECT_EQ(log.state(), LogState::kHealthy);
    EXPECT_LE(LogBytes(&failing.disk), 2 * failing.world.log_options.segment_bytes);
  }
}

// A file system that has so much room left.
class NearlyFull final : public LogFileSystem {
 public:
  explicit NearlyFull(SimulatedDisk* disk) : files_(disk) {}
  int Create(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return files_.Create(name, file);
  }
  int Open(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return files_.Open(name, file);
  }
  int Rename(const std::string& from, const std::string& to) override { return files_.Rename(from, to); }
  int Remove(const std::string& name) override { return files_.Remove(name); }
  int SyncDirectory() override { return files_.SyncDirectory(); }
  int List(std::vector<std::string>* names) override { return files_.List(names); }
  int FreeBytes(uint64_t* bytes) override {
    *bytes = free_bytes;
    return 0;
  }
  uint64_t free_bytes = 0;

 private:
  SimulatedFileSystem files_;
};

// Room is made in steps that grow with the segment, and never more than an eighth of what is free.
TEST(LogSpaceTest, RoomAheadIsMadeInStepsThatTheDiskCanAfford) {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  constexpr uint64_t kSegmentBytes = 64 * kMib;
  for (const uint64_t free_bytes : {uint64_t{0}, 4 * kMib, 800 * kMib}) {
    SimulatedDisk disk;
    NearlyFull files(&disk);
    files.free_bytes = free_bytes;
    LogSegment segment;
    ASSERT_TRUE(CreateSegment(&files, 1, kSegmentBytes, &segment).ok());
    const uint64_t share = free_bytes / 8;
    const std::string name = LogSegmentName(1);
    EXPECT_EQ(disk.Contents(name)->size(), std::min(kMib, share));
    ASSERT_TRUE(BeginSegment(&segment, LogSegmentHeader{}).ok());
    LogSegmentWriter writer;
    writer.Take(std::move(segment));
    LogBuffer buffer;
    const std::vector<uint8_t> payload(400'000);
    uint64_t most_ahead = 0;
    while (writer.end() < kSegmentBytes - 2 * kMib) {
      buffer.Append(payload.data(), payload.size());
      ASSERT_EQ(writer.Append({}, buffer, buffer.end() - payload.size(), buffer.end()), 0);
      ASSERT_EQ(writer.Flush(), 0);
      buffer.Release(buffer.end());
      // A writer without work goes on until there is nothing to reserve.
      for (int calls = 0; writer.Reserve(&files, kSegmentBytes); ++calls) ASSERT_LT(calls, 2);
      EXPECT_FALSE(writer.WantsReserve(kSegmentBytes));
      const uint64_t size = disk.Contents(name)->size();
      EXPECT_LE(size, kSegmentBytes);
      most_ahead = std::max(most_ahead, size - writer.end());
      if (free_bytes > 100 * kMib) {
        EXPECT_GE(size, std::min(writer.end() + kMib / 2, kSegmentBytes));
      }
    }
    EXPECT_LE(most_ahead, std::min(share, 16 * kMib));
    writer.Trim();
    EXPECT_EQ(disk.Contents(name)->size(), writer.end());
  }
}

// Each cuts: what the segment before had no use for is given back.
TEST(LogSpaceTest, SnapshotsThatFailWhileTheLogIsHealthyLeaveNoUnusedSpace) {
  FailingLog failing(3);
  Log& log = *failing.store.log;
  for (int tries = 0; tries < 20; ++tries) {
    failing.world.Change(&failing.store, 50);
    const uint64_t generation = failing.Cut();
    log.RunWriter();
    log.SnapshotFailed(generation);
    ASSERT_EQ(log.state(), LogState::kHealthy);
  }
  const uint64_t last = log.stats().segment;
  for (const std::string& name : failing.disk.List()) {
    uint64_t number;
    if (!ParseLogSegmentName(name, &number) || number == last) continue;
    EXPECT_LE(failing.disk.Contents(name)->size(), kLogHeaderBytes + 500) << name;
  }
}

// Who knows when the next attempt to heal will come, and whether it will: the room may be wanted until then.
TEST(LogSpaceTest, AnAttemptToHealThatFailsGivesItsUnusedSpaceBackAtOnce) {
  for (const bool image : {false, true}) {
    FailingLog failing(3);
    Log& log = *failing.store.log;
    failing.FailNext(Call::kSync);
    failing.Turn();
    ASSERT_EQ(log.state(), LogState::kFailed);
    const uint64_t generation = failing.Cut();
    failing.Turn();
    ASSERT_EQ(log.state(), LogState::kHealing);
    const std::string segment = LogSegmentName(log.stats().segment);
    ASSERT_EQ(failing.disk.Contents(segment)->size(), failing.world.log_options.segment_bytes);
    if (image) {
      ASSERT_EQ(failing.PublishImage(generation), 0);
      failing.FailNext(Call::kSync);  // of the manifest
      std::vector<uint64_t> named;
      EXPECT_FALSE(log.Published(generation, 2, &named).ok());
    } else {
      log.SnapshotFailed(generation);
    }
    ASSERT_EQ(log.state(), LogState::kReadOnly);
    log.RunWriter();
    EXPECT_LE(failing.disk.Contents(segment)->size(), kLogHeaderBytes + 500);
    // That does not stand in the way of the next one.
    ASSERT_TRUE(failing.Snapshot().ok());
    EXPECT_EQ(log.state(), LogState::kHealthy);
    failing.Turn();
    EXPECT_EQ(log.durable_sequence(), log.stats().sealed_sequence);
  }
}

}  // namespace
}  // namespace forkstore
