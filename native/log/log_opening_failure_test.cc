// Opening under failing calls and power cuts: with a torn tail, with the first part of a batch, with damage
// that is salvaged, and while the log is given up. Once the disk works again, opening finds all that was
// acknowledged, or, where there is damage, the longest good prefix, and copies of what was damaged.
#include <gtest/gtest.h>

#include <ostream>
#include <set>

#include "testing/log_world.h"

namespace forkstore {
namespace {

using Call = SimulatedDisk::Call;
using Loss = SimulatedDisk::Loss;

struct Way {
  const char* name;
  bool torn;
  bool damaged;
  bool log;                 // else 'snapshot': the log is given up
  bool open_batch = false;  // what a batch without its end has left goes over segments
  friend std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }
};

class LogOpeningFailureTest : public testing::TestWithParam<Way> {
 protected:
  // A log of several segments behind two snapshots, as a killed process has left it.
  void SetUp() override {
    OpenedStore store;
    ASSERT_TRUE(world_.Open(&disk_, &store).ok());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    for (int turn = 0; turn < 24; ++turn) {
      world_.Turn(&store, true);
      // One that surely is something.
      ASSERT_TRUE(LogWorld::Apply(&store, OperationCode::kSet, 1,
                                  StringValueBytes(std::string(900, static_cast<char>('a' + turn))), "key")
                      .ok());
      world_.EndTurn(&store, true);
      store.log->RunWriter();
      if (turn == 3) {
        ASSERT_TRUE(world_.Snapshot(&disk_, &store).ok());
      }
    }
    expected_ = store.log->durable_sequence();
    ASSERT_EQ(expected_, store.log->stats().sealed_sequence);
    const uint64_t last = store.log->stats().segment;
    ASSERT_GE(last, 4u);
    if (GetParam().open_batch) {
      for (int i = 0; i < 8; ++i) {
        ASSERT_TRUE(
            LogWorld::Apply(&store, OperationCode::kSet, 1, StringValueBytes(std::string(6000, 'o')), "open")
                .ok());
      }
      store.log->RunWriter();
      ASSERT_GE(store.log->stats().segment, last + 3);
    }
    store = OpenedStore();
    if (GetParam().torn) TearTail(LogSegmentName(last));
    if (GetParam().damaged) DamageOf(LogSegmentName(last - 1));
  }

  // Half a record, which is not synced either.
  void TearTail(const std::string& name) {
    SimulatedFileSystem files(&disk_);
    std::unique_ptr<LogFile> file;
    ASSERT_EQ(files.Open(name, &file), 0);
    const SimulatedDisk::Bytes& bytes = *disk_.Contents(name);
    uint64_t end = bytes.size();
    while (bytes[end - 1] == 0) --end;
    const std::vector<uint8_t> half(700, 0x5A);
    ASSERT_EQ(WriteAllAt(file.get(), RoundUp(end, 8), half.data(), half.size()), 0);
  }
  // The second record of the segment but the last: what follows bears witness.
  void DamageOf(const std::string& name) {
    damaged_name_ = name;
    SimulatedDisk::Bytes* bytes = disk_.Contents(name);
    LogRecordHeader first;
    memcpy(&first, bytes->data() + kLogHeaderBytes, sizeof(first));
    const uint64_t at = kLogHeaderBytes + sizeof(first) + first.length;
    LogRecordHeader second;
    memcpy(&second, bytes->data() + at, sizeof(second));
    ASSERT_GT(second.sequence, 0u);
    (*bytes)[at + sizeof(second)] ^= 1;
    disk_.SyncAll();
    damaged_bytes_ = *bytes;
    expected_ = second.sequence - 1;
  }

  OpenOptions Options(SimulatedDisk* disk, bool log) {
    OpenOptions options = world_.Options(disk, log);
    options.salvage = GetParam().damaged;
    return options;
  }
  Status Open(SimulatedDisk* disk, OpenedStore* store) {
    return world_.Open(disk, Options(disk, GetParam().log), store);
  }
  void ExpectState(OpenedStore* store, SimulatedDisk* disk, const std::string& what) {
    ASSERT_TRUE(store->skipped.empty()) << what << ": " << store->skipped[0].reason;
    EXPECT_TRUE(Dump(store->engine.get()) == world_.states.at(expected_)) << what;
    if (store->log) {
      EXPECT_GE(store->log->durable_sequence(), store->log->stats().sealed_sequence);
    }
    if (!GetParam().damaged) return;
    const std::vector<std::string> names = disk->List();
    EXPECT_TRUE(std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name.starts_with(damaged_name_ + ".damaged") && *disk->Contents(name) == damaged_bytes_;
    })) << what;
  }
  // The disk works again. `log`: with a log this time or without one.
  void ExpectRecovery(SimulatedDisk* disk, bool log, const std::string& what) {
    disk->before = nullptr;
    OpenedStore store;
    const Status status = world_.Open(disk, Options(disk, log), &store);
    ASSERT_TRUE(status.ok()) << what << ": " << status.message();
    ExpectState(&store, disk, what);
    // And it is of use: what is written now is there next time, and no salvage is needed.
    uint64_t sequence = 0;
    std::string written = world_.states.at(expected_);
    if (log) {
      ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
      ASSERT_TRUE(
          LogWorld::Apply(&store, OperationCode::kSet, 1, StringValueBytes("more than five"), "more").ok());
      store.log->EndBatch(true);
      store.log->RunWriter();
      sequence = store.log->stats().sealed_sequence;
      ASSERT_EQ(store.log->durable_sequence(), sequence);
      written = Dump(store.engine.get());
    }
    store = OpenedStore();
    const auto after = disk->AfterPowerCut();
    OpenedStore again;
    const Status reopened = world_.Open(after.get(), world_.Options(after.get(), true), &again);
    ASSERT_TRUE(reopened.ok()) << what << ", once more: " << reopened.message();
    EXPECT_TRUE(Dump(again.engine.get()) == written) << what << ", once more";
    EXPECT_GE(again.log->stats().sealed_sequence, sequence) << what;
  }

  LogWorld world_{11};
  SimulatedDisk disk_;
  uint64_t expected_ = 0;
  std::string damaged_name_;
  SimulatedDisk::Bytes damaged_bytes_;
};

TEST_P(LogOpeningFailureTest, EveryCallFails) {
  std::map<Call, int> failed;
  std::map<Call, int> refused;
  // EINTR for ever would be a kernel that is broken.
  for (const auto& [error, for_good] :
       {std::pair{EIO, false}, std::pair{ENOSPC, true}, std::pair{EINTR, false}}) {
    for (uint64_t n = 0;; ++n) {
      const std::string what = std::string(GetParam().name) + ", call " + std::to_string(n) + ", errno " +
                               std::to_string(error) + (for_good ? " from there on" : "");
      const auto disk = disk_.AfterKill();
      uint64_t count = 0;
      Call call = Call::kOpen;
      disk->before = [&](Call now, uint64_t*) {
        const uint64_t number = count++;
        if (number == n) call = now;
        return number == n || (for_good && number > n) ? error : 0;
      };
      OpenedStore store;
      const Status status = Open(disk.get(), &store);
      const bool hit = count > n;
      disk->before = nullptr;
      if (hit) ++failed[call];
      if (status.ok()) {
        ExpectState(&store, disk.get(), what);
      } else {
        ASSERT_TRUE(hit) << what << ": " << status.message();
        EXPECT_EQ(status.code(), Code::kIo) << what << ": " << status.message();
        EXPECT_EQ(status.system_errno(), error) << what << ": " << status.message();
        ++refused[call];
        // All of these are begun again.
        EXPECT_FALSE(error == EINTR &&
                     (call == Call::kRead || call == Call::kWrite || call == Call::kSync ||
                      call == Call::kSyncDirectory || call == Call::kOpen || call == Call::kCreate))
            << what;
      }
      store = OpenedStore();
      ExpectRecovery(disk.get(), n % 2 == 0, what);
      if (HasFatalFailure()) return;
      if (!hit) break;
    }
  }
  std::set<Call> expected = {Call::kOpen, Call::kRead,   Call::kSync,         Call::kWrite,
                             Call::kList, Call::kCreate, Call::kSyncDirectory};
  if (GetParam().log) expected.insert(Call::kAllocate);
  if (GetParam().log && GetParam().torn) expected.insert(Call::kTruncate);
  // A new manifest, and the old segments.
  if (GetParam().damaged || !GetParam().log) expected.insert({Call::kRename, Call::kRemove});
  if (GetParam().open_batch) expected.insert(Call::kRemove);
  for (const Call call : expected) EXPECT_GT(failed[call], 0) << static_cast<int>(call);
  for (const Call call : {Call::kOpen, Call::kRead, Call::kSync, Call::kSyncDirectory, Call::kList}) {
    EXPECT_GT(refused[call], 0) << static_cast<int>(call);
  }
}

TEST_P(LogOpeningFailureTest, PowerCutAfterEveryCall) {
  std::vector<SimulatedDisk::Operation> operations;
  {
    const auto disk = disk_.AfterKill();
    disk->record = &operations;
    OpenedStore store;
    ASSERT_TRUE(Open(disk.get(), &store).ok());
    ExpectState(&store, disk.get(), "undisturbed");
  }
  ASSERT_GT(operations.size(), 5u);
  const auto disk = disk_.AfterKill();
  for (size_t k = 0; k <= operations.size(); ++k) {
    for (const Loss loss : {Loss::kEverything, Loss::kNothing, Loss::kSomeSectors, Loss::kFewSectors}) {
      for (uint64_t seed = 0; seed < (loss == Loss::kSomeSectors || loss == Loss::kFewSectors ? 2 : 1);
           ++seed) {
        const std::string what = std::string(GetParam().name) + ", before call " + std::to_string(k) +
                                 ", loss " + std::to_string(static_cast<int>(loss)) + ", seed " +
                                 std::to_string(seed);
        std::mt19937_64 random(k * 16 + seed);
        const auto after = disk->AfterPowerCut(loss, &random);
        ExpectRecovery(after.get(), (k + seed) % 2 == 0, what);
        if (HasFatalFailure()) return;
      }
    }
    if (k < operations.size()) disk->Repeat(operations[k]);
  }
}

std::string NameOfWay(const testing::TestParamInfo<Way>& way) {
  std::string name = way.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Ways, LogOpeningFailureTest,
                         testing::Values(Way{"a torn tail", true, false, true},
                                         Way{"an open batch", false, false, true, true},
                                         Way{"salvage", false, true, true},
                                         Way{"giving up", true, false, false},
                                         Way{"salvage without a log", false, true, false}),
                         NameOfWay);

}  // namespace
}  // namespace forkstore
