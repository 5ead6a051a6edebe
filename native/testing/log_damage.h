// Small logs on a simulated disk, to be damaged: whoever opens what became of them finds the state after some
// batch, or is refused.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "log/log_manifest.h"
#include "log/log_recovery.h"
#include "testing/log_world.h"

namespace forkstore {

class LogDamageTest : public testing::Test {
 protected:
  using Files = std::map<std::string, SimulatedDisk::Bytes>;

  // Six batches in three syncs, in one segment; closed or not.
  void Write(bool close) {
    OpenedStore store;
    ASSERT_TRUE(world_.Open(&disk_, &store).ok());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    for (int turn = 0; turn < 6; ++turn) {
      Set(&store, "key" + std::to_string(turn % 4), std::string(static_cast<size_t>(turn * 7), 'v'));
      world_.EndTurn(&store, turn % 2 == 1);
      store.log->RunWriter(false);
    }
    ASSERT_EQ(store.log->durable_sequence(), 6u);
    if (close) {
      store.log->BeginClose();
      store.log->RunWriter();
    }
    store = OpenedStore();
    disk_.SyncAll();
  }
  void Set(OpenedStore* store, const std::string& key, const std::string& text) {
    if (store->engine->map_count() == 0) {
      ASSERT_TRUE(LogWorld::Apply(store, OperationCode::kCreateMap, 1, "", "m").ok());
    }
    ASSERT_TRUE(LogWorld::Apply(store, OperationCode::kSet, 1, StringValueBytes(text), key).ok());
  }

  struct Outcome {
    Status status;
    uint64_t sequence = 0;
    RecoveredLog recovered;
  };
  // Opens a disk with these files. What it holds then must be the state after some batch.
  Outcome OpenWith(const Files& files, bool salvage = false, bool log = true) {
    Outcome outcome;
    SimulatedDisk disk;
    for (const auto& [name, bytes] : files) disk.Put(name, bytes);
    OpenOptions options = world_.Options(&disk, log);
    options.salvage = salvage;
    OpenedStore store;
    outcome.status = world_.Open(&disk, options, &store);
    if (!outcome.status.ok()) return outcome;
    outcome.recovered = store.recovered_log;
    const std::string dump = Dump(store.engine.get());
    outcome.sequence = SequenceOf(dump);
    // And it opens again, to the same; not each time, as this takes most of the time.
    if (opened_++ % 8 != 0) return outcome;
    store = OpenedStore();
    OpenedStore again;
    const Status status = world_.Open(&disk, world_.Options(&disk, log), &again);
    EXPECT_TRUE(status.ok()) << status.message();
    if (status.ok()) {
      EXPECT_TRUE(Dump(again.engine.get()) == dump);
      EXPECT_TRUE(again.recovered_log.tails.empty());
    }
    return outcome;
  }
  // What opening reads, without what it does besides: the manifest, the log from its newest entry on, which
  // must be that of the empty store. A small part of the time.
  Outcome Read(const Files& files) {
    Outcome outcome;
    SimulatedDisk disk;
    for (const auto& [name, bytes] : files) {
      if (!name.ends_with(".image")) disk.Put(name, bytes);
    }
    SimulatedFileSystem system(&disk);
    Manifest manifest;
    bool found = false;
    outcome.status = ReadManifest(&system, &manifest, &found);
    if (!outcome.status.ok()) return outcome;
    EXPECT_TRUE(found);
    LogScan scan;
    outcome.status = ScanLog(&system, manifest.store_id, manifest.bases.back(), &scan);
    if (outcome.status.ok() && scan.damaged) outcome.status = Status(Code::kCorrupt, scan.damage);
    if (!outcome.status.ok()) return outcome;
    outcome.recovered.tails = scan.tails;
    std::unique_ptr<Engine> engine;
    EXPECT_TRUE(Engine::CreateEmpty({kMinArenaBytes, false}, &engine).ok());
    ReplayResult result;
    outcome.status = ReplayLog(&system, manifest.store_id, scan, scan.next.sequence, engine.get(), nullptr,
                               nullptr, &result);
    EXPECT_FALSE(result.refused);
    outcome.sequence = SequenceOf(Dump(engine.get()));
    EXPECT_EQ(outcome.sequence + 1, scan.next.sequence);
    return outcome;
  }
  // Two states of a world may be equal, but none of these are.
  uint64_t SequenceOf(const std::string& dump) const {
    for (const auto& [sequence, state] : world_.states) {
      if (state == dump) return sequence;
    }
    ADD_FAILURE() << "a state that never was";
    return UINT64_MAX;
  }
  Files FilesOnDisk() {
    Files files;
    for (const std::string& name : disk_.List()) files[name] = *disk_.Contents(name);
    return files;
  }
  // The offsets of the records, and the end.
  static std::vector<uint64_t> Offsets(const SimulatedDisk::Bytes& segment) {
    std::vector<uint64_t> offsets;
    uint64_t at = kLogHeaderBytes;
    LogRecordHeader header;
    for (;;) {
      offsets.push_back(at);
      if (at + sizeof(header) > segment.size()) return offsets;
      memcpy(&header, segment.data() + at, sizeof(header));
      if (header.sequence == 0) return offsets;
      at += sizeof(header) + header.length;
    }
  }

  LogWorld world_{1};
  uint64_t opened_ = 0;
  SimulatedDisk disk_;
  const std::string segment_ = LogSegmentName(1);
};

}  // namespace forkstore
