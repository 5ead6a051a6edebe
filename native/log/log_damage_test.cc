// Damage to a small log: what no writer writes, what salvaging makes of it, remnants of a file's earlier
// life. Every byte and every bit: log_every_bit_test.cc.
#include "testing/log_damage.h"

namespace forkstore {
namespace {

TEST_F(LogDamageTest, SalvageTakesTheLongestGoodPrefixAndKeepsACopy) {
  Write(/*close=*/true);
  const auto files = FilesOnDisk();
  const std::vector<uint64_t> offsets = Offsets(files.at(segment_));
  for (uint64_t record = 0; record < 6; ++record) {
    for (const bool log : {true, false}) {
      auto damaged = files;
      damaged[segment_][offsets[record] + 60] ^= 1;
      EXPECT_EQ(OpenWith(damaged).status.code(), Code::kCorrupt);
      const Outcome outcome = OpenWith(damaged, /*salvage=*/true, log);
      ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
      EXPECT_EQ(outcome.sequence, record);
      EXPECT_NE(outcome.recovered.salvaged.find("offset " + std::to_string(offsets[record])),
                std::string::npos);
      EXPECT_EQ(outcome.recovered.copied_aside, std::vector<std::string>{segment_ + ".damaged"});
    }
  }
}

TEST_F(LogDamageTest, SalvageWithoutAManifestGoesByTheSegmentsHeaders) {
  Write(/*close=*/true);
  auto files = FilesOnDisk();
  files.erase(kManifestName);
  const Outcome refused = OpenWith(files);
  EXPECT_EQ(refused.status.code(), Code::kCorrupt);
  EXPECT_NE(refused.status.message().find("manifest"), std::string::npos);
  EXPECT_EQ(OpenWith(files, /*salvage=*/true).sequence, 6u);
  files[kManifestName] = {1, 2, 3};
  EXPECT_EQ(OpenWith(files).status.code(), Code::kCorrupt);
  EXPECT_EQ(OpenWith(files, /*salvage=*/true).sequence, 6u);
}

TEST_F(LogDamageTest, AnOperationThatTheEngineRefusesIsDamage) {
  Write(/*close=*/true);
  auto files = FilesOnDisk();
  SimulatedDisk::Bytes& segment = files[segment_];
  const uint64_t at = Offsets(segment)[3];
  LogRecordHeader header;
  memcpy(&header, segment.data() + at, sizeof(header));
  segment[at + sizeof(header) + sizeof(LogOperationHead) + 4] = 9;  // a map that is not there
  header.crc = LogRecordCrc(header, segment.data() + at + sizeof(header));
  memcpy(segment.data() + at, &header, sizeof(header));
  const Outcome outcome = OpenWith(files);
  EXPECT_EQ(outcome.status.code(), Code::kCorrupt);
  EXPECT_NE(outcome.status.message().find("offset " + std::to_string(at)), std::string::npos);
  EXPECT_EQ(OpenWith(files, /*salvage=*/true).sequence, 3u);
}

TEST_F(LogDamageTest, AReplayThatHasPartedFromTheWriterIsNoticedAtThatRecord) {
  Write(/*close=*/true);
  const auto files = FilesOnDisk();
  const std::vector<uint64_t> offsets = Offsets(files.at(segment_));
  for (uint64_t record = 0; record < 6; ++record) {
    for (int field = 0; field < 3; ++field) {
      auto changed = files;
      uint8_t* bytes = changed[segment_].data() + offsets[record];
      LogRecordHeader header;
      memcpy(&header, bytes, sizeof(header));
      header.shapes += field == 0;
      header.maps += field == 1;
      header.next_node += field == 2;
      header.crc = LogRecordCrc(header, bytes + sizeof(header));
      memcpy(bytes, &header, sizeof(header));
      const Outcome outcome = OpenWith(changed);
      EXPECT_EQ(outcome.status.code(), Code::kCorrupt);
      EXPECT_NE(outcome.status.message().find(segment_ + " at offset " + std::to_string(offsets[record])),
                std::string::npos)
          << outcome.status.message();
      // What is before it is saved, also where that is the snapshot alone.
      const Outcome salvaged = OpenWith(changed, /*salvage=*/true, /*log=*/field != 0);
      ASSERT_TRUE(salvaged.status.ok()) << salvaged.status.message();
      EXPECT_EQ(salvaged.sequence, record);
      EXPECT_EQ(salvaged.recovered.copied_aside, std::vector<std::string>{segment_ + ".damaged"});
    }
  }
}

TEST_F(LogDamageTest, ARefusedOperationInTheFirstBatchLeavesTheSnapshot) {
  Write(/*close=*/true);
  auto files = FilesOnDisk();
  SimulatedDisk::Bytes& segment = files[segment_];
  const uint64_t at = Offsets(segment)[0];
  LogRecordHeader header;
  memcpy(&header, segment.data() + at, sizeof(header));
  segment[at + sizeof(header) + sizeof(LogOperationHead) + 4] = 9;  // not the id of the next map
  header.crc = LogRecordCrc(header, segment.data() + at + sizeof(header));
  memcpy(segment.data() + at, &header, sizeof(header));
  EXPECT_EQ(OpenWith(files).status.code(), Code::kCorrupt);
  for (const bool log : {true, false}) {
    const Outcome outcome = OpenWith(files, /*salvage=*/true, log);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    EXPECT_EQ(outcome.sequence, 0u);
    EXPECT_EQ(outcome.recovered.copied_aside, std::vector<std::string>{segment_ + ".damaged"});
  }
}

// Whoever can read it will come: nothing may be cut there.
TEST_F(LogDamageTest, AnOperationThatIsNotKnownIsOfANewerVersion) {
  Write(/*close=*/true);
  for (const uint64_t record : {0, 3, 5}) {
    auto files = FilesOnDisk();
    SimulatedDisk::Bytes& segment = files[segment_];
    const uint64_t at = Offsets(segment)[record];
    LogRecordHeader header;
    memcpy(&header, segment.data() + at, sizeof(header));
    segment[at + sizeof(header) + sizeof(LogOperationHead)] = 200;
    header.crc = LogRecordCrc(header, segment.data() + at + sizeof(header));
    memcpy(segment.data() + at, &header, sizeof(header));
    for (const bool salvage : {false, true}) {
      for (const bool log : {false, true}) {
        SimulatedDisk disk;
        for (const auto& [name, bytes] : files) disk.Put(name, bytes);
        OpenOptions options = world_.Options(&disk, log);
        options.salvage = salvage;
        OpenedStore store;
        const Status status = world_.Open(&disk, options, &store);
        EXPECT_EQ(status.code(), Code::kVersion);
        EXPECT_NE(status.message().find(segment_ + " at offset " + std::to_string(at)), std::string::npos)
            << status.message();
        EXPECT_EQ(*disk.Contents(segment_), segment);
        EXPECT_FALSE(disk.Has(segment_ + ".damaged"));
      }
    }
  }
}

TEST_F(LogDamageTest, ARightChecksumOverWhatNoWriterWritesIsDamage) {
  Write(/*close=*/false);
  const auto files = FilesOnDisk();
  const uint64_t at = Offsets(files.at(segment_))[5];  // the last: its loss would be a torn tail
  const auto with = [&](const std::function<void(LogRecordHeader*, uint8_t * payload)>& change) {
    auto changed = files;
    uint8_t* bytes = changed[segment_].data() + at;
    LogRecordHeader header;
    memcpy(&header, bytes, sizeof(header));
    change(&header, bytes + sizeof(header));
    header.crc = LogRecordCrc(header, bytes + sizeof(header));
    memcpy(bytes, &header, sizeof(header));
    return OpenWith(changed).status.code();
  };
  EXPECT_EQ(with([](LogRecordHeader* h, uint8_t*) { h->operations += 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader* h, uint8_t*) { h->zero = 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader* h, uint8_t*) { h->flags = 4 | kLogLast; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader* h, uint8_t*) { h->durable = h->sequence; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader*, uint8_t* p) { p[4] = 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader*, uint8_t* p) { p[0] = 15; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader*, uint8_t* p) { p[3] = 0x7F; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader* h, uint8_t* p) { p[h->length - 1] ^= 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](LogRecordHeader*, uint8_t*) {}), Code::kOk);
}

TEST_F(LogDamageTest, ARecordThatIsNotTheNextOneIsNotTaken) {
  Write(/*close=*/false);
  const auto files = FilesOnDisk();
  const uint64_t at = Offsets(files.at(segment_))[5];
  for (const uint64_t sequence : {5, 7, 6}) {
    for (const uint32_t fragment : {0, 1}) {
      auto changed = files;
      uint8_t* bytes = changed[segment_].data() + at;
      LogRecordHeader header;
      memcpy(&header, bytes, sizeof(header));
      header.sequence = sequence;
      header.fragment = fragment;
      header.crc = LogRecordCrc(header, bytes + sizeof(header));
      memcpy(bytes, &header, sizeof(header));
      const Outcome outcome = OpenWith(changed);
      ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
      const bool next = sequence == 6 && fragment == 0;
      EXPECT_EQ(outcome.sequence, next ? 6u : 5u) << sequence << " " << fragment;
      EXPECT_EQ(outcome.recovered.tails.size(), next ? 0u : 1u) << sequence << " " << fragment;
    }
  }
}

TEST_F(LogDamageTest, RemnantsOfAnEarlierLifeOfTheFileDoNotCount) {
  Write(/*close=*/false);
  auto files = FilesOnDisk();
  SimulatedDisk::Bytes& segment = files[segment_];
  const std::vector<uint64_t> offsets = Offsets(segment);
  // Records of another identity, whole and with the very sequence that comes next, directly behind the last
  // one.
  SimulatedDisk::Bytes stale(segment.begin() + static_cast<std::ptrdiff_t>(offsets[4]),
                             segment.begin() + static_cast<std::ptrdiff_t>(offsets[6]));
  for (const uint64_t sequence : {7, 8}) {
    const uint64_t position = sequence == 7 ? 0 : offsets[5] - offsets[4];
    LogRecordHeader header;
    memcpy(&header, stale.data() + position, sizeof(header));
    header.sequence = sequence;
    header.durable = sequence - 1;
    header.identity ^= 0x5555;
    header.crc = LogRecordCrc(header, stale.data() + position + sizeof(header));
    memcpy(stale.data() + position, &header, sizeof(header));
  }
  std::copy(stale.begin(), stale.end(), segment.begin() + static_cast<std::ptrdiff_t>(offsets[6]));
  const Outcome outcome = OpenWith(files);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.sequence, 6u);
  ASSERT_EQ(outcome.recovered.tails.size(), 1u);
  EXPECT_EQ(outcome.recovered.tails[0].offset, offsets[6]);

  // Under this segment's identity the same bytes are the log.
  for (const uint64_t position : {uint64_t{0}, offsets[5] - offsets[4]}) {
    uint8_t* bytes = segment.data() + offsets[6] + position;
    LogRecordHeader header;
    memcpy(&header, bytes, sizeof(header));
    header.identity ^= 0x5555;
    header.crc = LogRecordCrc(header, bytes + sizeof(header));
    memcpy(bytes, &header, sizeof(header));
  }
  SimulatedDisk disk;
  for (const auto& [name, bytes] : files) disk.Put(name, bytes);
  OpenedStore store;
  ASSERT_TRUE(world_.Open(&disk, &store).ok());
  EXPECT_EQ(store.recovered_log.batches, 8u);
}

TEST_F(LogDamageTest, AMissingSegmentIsDamage) {
  // Several segments.
  OpenedStore store;
  ASSERT_TRUE(world_.Open(&disk_, &store).ok());
  ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
  for (int turn = 0; turn < 30; ++turn) {
    Set(&store, "key", std::string(2000, static_cast<char>('a' + turn % 26)));
    world_.EndTurn(&store, true);
    store.log->RunWriter(false);
  }
  const uint64_t segments = store.log->stats().segment;
  ASSERT_GE(segments, 4u);
  store = OpenedStore();
  disk_.SyncAll();
  const auto files = FilesOnDisk();
  for (uint64_t segment = 1; segment <= segments; ++segment) {
    auto without = files;
    without.erase(LogSegmentName(segment));
    const Outcome outcome = OpenWith(without);
    if (segment == segments) {
      EXPECT_TRUE(outcome.status.ok());  // nothing is behind it that could tell
      continue;
    }
    EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << segment;
    EXPECT_TRUE(OpenWith(without, /*salvage=*/true).status.ok()) << segment;
    // And one whose header is gone, while its records are not.
    auto headless = files;
    std::fill_n(headless[LogSegmentName(segment)].begin(), kLogHeaderBytes, uint8_t{0});
    EXPECT_EQ(OpenWith(headless).status.code(), Code::kCorrupt) << segment;
  }
  auto headless = files;
  std::fill_n(headless[LogSegmentName(segments)].begin(), kLogHeaderBytes, uint8_t{0});
  EXPECT_EQ(OpenWith(headless).status.code(), Code::kCorrupt);
}

}  // namespace
}  // namespace forkstore
