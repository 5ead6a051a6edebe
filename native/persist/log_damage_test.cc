// Truncation at every byte and a flip of every bit of a small log and its manifest: the right state, a prefix
// with a report, or a refusal; never another state. What salvaging makes of it. Remnants of a file's earlier
// life.
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "persist/log_world_for_test.h"

namespace forkstore {
namespace {

class LogDamageTest : public testing::Test {
 protected:
  // Six batches in three syncs, over two segments; the last one closed or not.
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
  Outcome OpenWith(const std::map<std::string, SimulatedDisk::Bytes>& files, bool salvage = false,
                   bool log = true) {
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
    // Two states may be equal, but none of these are.
    outcome.sequence = 1000;
    for (const auto& [sequence, state] : world_.states) {
      if (state == dump) outcome.sequence = sequence;
    }
    EXPECT_NE(outcome.sequence, 1000u) << "a state that never was";
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
  std::map<std::string, SimulatedDisk::Bytes> Files() {
    std::map<std::string, SimulatedDisk::Bytes> files;
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

TEST_F(LogDamageTest, TruncationAtEveryByte) {
  Write(/*close=*/true);
  const auto files = Files();
  const SimulatedDisk::Bytes whole = files.at(segment_);
  const std::vector<uint64_t> offsets = Offsets(whole);  // 6 records and the mark
  ASSERT_EQ(offsets.size(), 8u);
  for (uint64_t length = 0; length <= whole.size(); length += length < kLogHeaderBytes - 8 ? 97 : 1) {
    auto cut = files;
    cut[segment_].resize(length);
    const Outcome outcome = OpenWith(cut);
    if (length < kLogHeaderBytes) {
      EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << length;
      continue;
    }
    ASSERT_TRUE(outcome.status.ok()) << length << outcome.status.message();
    uint64_t records = 0;
    while (records + 1 < offsets.size() && offsets[records + 1] <= length) ++records;
    EXPECT_EQ(outcome.sequence, std::min<uint64_t>(records, 6)) << length;
    const bool torn = std::any_of(whole.begin() + static_cast<std::ptrdiff_t>(offsets[records]),
                                  whole.begin() + static_cast<std::ptrdiff_t>(length),
                                  [](uint8_t byte) { return byte != 0; });
    ASSERT_EQ(outcome.recovered.tails.size(), torn ? 1u : 0u) << length;
    if (torn) {
      const LogTail& tail = outcome.recovered.tails[0];
      EXPECT_EQ(tail.file, segment_);
      EXPECT_EQ(tail.offset, offsets[records]);
      EXPECT_LE(tail.bytes, length - tail.offset);
    }
  }
}

TEST_F(LogDamageTest, FlipOfEveryBit) {
  for (const bool close : {true, false}) {
    disk_.~SimulatedDisk();
    new (&disk_) SimulatedDisk();
    world_.states = {{0, ""}};
    Write(close);
    const auto files = Files();
    const std::vector<uint64_t> offsets = Offsets(files.at(segment_));
    // The last batch that some later record bears witness for: without a closing mark, those before the last
    // sync.
    const uint64_t witnessed = close ? 6 : 4;
    uint64_t cut = 0;
    uint64_t refused = 0;
    for (const std::string& name : {segment_, std::string(kManifestName)}) {
      for (uint64_t at = 0; at < files.at(name).size(); ++at) {
        if (name == segment_ && at >= 96 && at < kLogHeaderBytes && at % 311 != 0) continue;  // all alike
        if (name == segment_ && at >= offsets.back() && at % 97 != 0) continue;               // preallocated
        for (int bit = static_cast<int>(at % 3); bit < 8; bit += 3) {
          auto flipped = files;
          flipped[name][at] ^= static_cast<uint8_t>(1 << bit);
          const Outcome outcome = OpenWith(flipped);
          const std::string what = name + " byte " + std::to_string(at) + " bit " + std::to_string(bit) +
                                   (close ? ", closed: " : ": ") + outcome.status.message();
          if (name == kManifestName || at < kLogHeaderBytes) {
            EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << what;
            ++refused;
            continue;
          }
          // Which record it is in.
          uint64_t record = 0;
          while (record + 1 < offsets.size() && offsets[record + 1] <= at) ++record;
          if (record < witnessed) {
            EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << what;
            EXPECT_NE(
                outcome.status.message().find(segment_ + " at offset " + std::to_string(offsets[record])),
                std::string::npos)
                << what;
            ++refused;
          } else {
            ASSERT_TRUE(outcome.status.ok()) << what;
            EXPECT_EQ(outcome.sequence, std::min<uint64_t>(record, 6)) << what;
            EXPECT_EQ(outcome.recovered.tails.size(), 1u) << what;
            ++cut;
          }
        }
      }
    }
    EXPECT_GT(cut, 50u);
    EXPECT_GT(refused, 500u);
  }
}

TEST_F(LogDamageTest, SalvageTakesTheLongestGoodPrefixAndKeepsACopy) {
  Write(/*close=*/true);
  const auto files = Files();
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
  auto files = Files();
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
  auto files = Files();
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

TEST_F(LogDamageTest, ARightChecksumOverWhatNoWriterWritesIsDamage) {
  Write(/*close=*/false);
  const auto files = Files();
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
  const auto files = Files();
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
  auto files = Files();
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
  const auto files = Files();
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
