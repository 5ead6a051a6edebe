// Truncation at every byte and a flip of every bit of a small log of three segments and of its manifest: the
// right state, a prefix with a report, or a refusal; never another state.
//
// Each one is read as opening reads it (LogDamageTest::Read); complete openings, which take many times as
// long, are made of a part, and must come to the same.
#include "testing/log_damage.h"

namespace forkstore {
namespace {

class LogEveryBitTest : public LogDamageTest, public testing::WithParamInterface<bool> {
 protected:
  struct Record {
    std::string file;
    uint64_t begin;
    uint64_t end;
    LogRecordHeader header;
  };

  // Eight batches over three segments, one of them in fragments that lie in two; a sync after every other
  // batch, but not after the last. Closed or not.
  void WriteChain(bool close) {
    world_.log_options.segment_bytes = kLogHeaderBytes + 640;
    world_.log_options.fragment_bytes = 96;
    OpenedStore store;
    ASSERT_TRUE(world_.Open(&disk_, &store).ok());
    ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
    for (int turn = 0; turn < 8; ++turn) {
      const int changes = turn == 3 ? 4 : 1;
      for (int i = 0; i < changes; ++i) {
        Set(&store, "key" + std::to_string((turn + i) % 4),
            std::string(static_cast<size_t>(turn * 5 + i), static_cast<char>('v' + i)));
      }
      world_.EndTurn(&store, turn % 2 == 1);
      store.log->RunWriter(/*deadline_passed=*/turn == 7);
    }
    ASSERT_EQ(store.log->durable_sequence(), 8u);
    if (close) {
      store.log->BeginClose();
      store.log->RunWriter();
    }
    store = OpenedStore();
    disk_.SyncAll();
    files_ = FilesOnDisk();
    for (const auto& [name, bytes] : files_) {
      uint64_t segment;
      if (!ParseLogSegmentName(name, &segment)) continue;
      segments_.push_back(name);
      const std::vector<uint64_t> offsets = Offsets(bytes);
      for (size_t i = 0; i + 1 < offsets.size(); ++i) {
        records_.push_back({name, offsets[i], offsets[i + 1], {}});
        memcpy(&records_.back().header, bytes.data() + offsets[i], sizeof(LogRecordHeader));
        witnessed_ = std::max(witnessed_, records_.back().header.durable);
      }
    }
    ASSERT_EQ(segments_.size(), 3u);
    bool crosses = false;
    for (size_t i = 1; i < records_.size(); ++i) {
      crosses = crosses || (records_[i].header.fragment > 0 && records_[i].file != records_[i - 1].file);
    }
    ASSERT_TRUE(crosses);
    ASSERT_GE(witnessed_, close ? 8u : 4u);
  }

  // That both ways of reading have come to the same.
  void Compare(const Outcome& read, const Outcome& opened, const std::string& what) {
    EXPECT_EQ(read.status.code(), opened.status.code()) << what << ": " << opened.status.message();
    EXPECT_EQ(read.status.message(), opened.status.message()) << what;
    EXPECT_EQ(read.sequence, opened.sequence) << what;
    ASSERT_EQ(read.recovered.tails.size(), opened.recovered.tails.size()) << what;
    for (size_t i = 0; i < read.recovered.tails.size(); ++i) {
      EXPECT_EQ(read.recovered.tails[i].file, opened.recovered.tails[i].file) << what;
      EXPECT_EQ(read.recovered.tails[i].offset, opened.recovered.tails[i].offset) << what;
      EXPECT_EQ(read.recovered.tails[i].bytes, opened.recovered.tails[i].bytes) << what;
    }
  }

  Files files_;
  std::vector<std::string> segments_;
  std::vector<Record> records_;  // of all segments, the closing mark included
  uint64_t witnessed_ = 0;       // the last batch of which a later record says that it was on disk
};

TEST_P(LogEveryBitTest, TruncationAtEveryByte) {
  ASSERT_NO_FATAL_FAILURE(WriteChain(/*close=*/GetParam()));
  ASSERT_EQ(Read(files_).sequence, 8u);
  for (const std::string& name : segments_) {
    const SimulatedDisk::Bytes& whole = files_.at(name);
    for (uint64_t length = 0; length < whole.size(); ++length) {
      const std::string what = name + " cut to " + std::to_string(length);
      Files cut = files_;
      cut[name].resize(length);
      const Outcome outcome = Read(cut);
      if (length % 61 == 0 || length >= kLogHeaderBytes - 8) {
        ASSERT_NO_FATAL_FAILURE(Compare(outcome, OpenWith(cut), what));
      }
      if (name != segments_.back()) {
        // The segment behind it says what must have been here.
        EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << what;
        EXPECT_NE(outcome.status.message().find(".log at offset "), std::string::npos) << what;
        continue;
      }
      // Nothing is behind it: a torn tail. All whole batches are there, and the rest is reported, if anything
      // but zeros is left of it.
      ASSERT_TRUE(outcome.status.ok()) << what << ": " << outcome.status.message();
      uint64_t sequence = 0;
      uint64_t end = 0;  // of what counts in this file
      for (const Record& record : records_) {
        if (record.file == name && record.end > length) break;
        if ((record.header.flags & (kLogLast | kLogMark)) == 0) continue;
        sequence = record.header.sequence;
        if (record.file == name) end = record.end;
      }
      if (length >= kLogHeaderBytes && end == 0) end = kLogHeaderBytes;
      EXPECT_EQ(outcome.sequence, sequence) << what;
      const bool torn = std::any_of(whole.begin() + static_cast<std::ptrdiff_t>(end),
                                    whole.begin() + static_cast<std::ptrdiff_t>(length),
                                    [](uint8_t byte) { return byte != 0; });
      const std::vector<LogTail>& tails = outcome.recovered.tails;
      const bool told = !tails.empty() && tails.back().file == name;
      ASSERT_EQ(told, torn) << what;
      if (torn) {
        EXPECT_EQ(tails.back().offset, end) << what;
        EXPECT_LE(tails.back().bytes, length - end) << what;
      }
    }
  }
}

TEST_P(LogEveryBitTest, FlipOfEveryBitOfASegment) {
  const bool closed = GetParam();
  ASSERT_NO_FATAL_FAILURE(WriteChain(closed));
  uint64_t cut = 0;
  uint64_t refused = 0;
  for (const std::string& name : segments_) {
    Files flipped = files_;
    SimulatedDisk::Bytes& bytes = flipped[name];
    for (uint64_t at = 0; at < bytes.size(); ++at) {
      // The headers of both logs are alike, and their last 4000 bytes are nothing but reserved.
      if (closed && at >= 96 && at < kLogHeaderBytes) continue;
      const Record* record = nullptr;
      for (const Record& each : records_) {
        if (each.file == name && each.begin <= at && at < each.end) record = &each;
      }
      for (uint64_t bit = 0; bit < 8; ++bit) {
        bytes[at] ^= static_cast<uint8_t>(1 << bit);
        const Outcome outcome = Read(flipped);
        const std::string what = name + " byte " + std::to_string(at) + " bit " + std::to_string(bit) + ": " +
                                 outcome.status.message();
        const bool reserved = at >= 96 && at < kLogHeaderBytes;
        if (bit == at % 8 && (!reserved || at % 61 == 0)) {
          ASSERT_NO_FATAL_FAILURE(Compare(outcome, OpenWith(flipped), what));
        }
        bytes[at] ^= static_cast<uint8_t>(1 << bit);
        const bool mark = record != nullptr && record->header.flags == kLogMark;
        const bool witnessed =
            record != nullptr && !mark && (name != segments_.back() || record->header.sequence <= witnessed_);
        if (at < kLogHeaderBytes || witnessed) {
          const uint64_t offset = at < kLogHeaderBytes ? 0 : record->begin;
          EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << what;
          EXPECT_NE(outcome.status.message().find(name + " at offset " + std::to_string(offset) + ":"),
                    std::string::npos)
              << what;
          ++refused;
          continue;
        }
        // In the last group that was synced before a crash, in the closing mark, or behind the end.
        ASSERT_TRUE(outcome.status.ok()) << what;
        EXPECT_EQ(outcome.sequence, record == nullptr || mark ? 8 : record->header.sequence - 1) << what;
        ASSERT_EQ(outcome.recovered.tails.size(), 1u) << what;
        EXPECT_EQ(outcome.recovered.tails[0].file, name) << what;
        ++cut;
      }
    }
  }
  EXPECT_GT(cut, closed ? 8 * sizeof(LogRecordHeader) - 1 : 1000);
  EXPECT_GT(refused, 8u * 3 * 96);
}

INSTANTIATE_TEST_SUITE_P(NotClosedAndClosed, LogEveryBitTest, testing::Bool());

// Of one entry and of two; complete openings, since there are few bytes.
TEST_F(LogDamageTest, EveryByteAndBitOfTheManifest) {
  OpenedStore store;
  ASSERT_TRUE(world_.Open(&disk_, &store).ok());
  ASSERT_TRUE(store.log->Start(nullptr, nullptr).ok());
  for (const uint64_t entries : {1, 2}) {
    Set(&store, "key", std::string(entries * 10, 'v'));
    world_.EndTurn(&store, true);
    store.log->RunWriter();
    disk_.SyncAll();
    const Files files = FilesOnDisk();
    const uint64_t size = files.at(kManifestName).size();
    ASSERT_EQ(size, 64 + entries * 32);
    const auto expect_refusal = [&](const Files& damaged, const std::string& what) {
      // The lock is the open store's.
      const auto path = std::exchange(world_.path, world_.temporary.path() + "/damaged");
      const Outcome outcome = OpenWith(damaged);
      world_.path = path;
      EXPECT_EQ(outcome.status.code(), Code::kCorrupt) << what << ": " << outcome.status.message();
      EXPECT_EQ(outcome.status.message().find("manifest: "), 0u) << what;
    };
    for (uint64_t at = 0; at < size; ++at) {
      Files damaged = files;
      damaged[kManifestName].resize(at);
      expect_refusal(damaged, "cut to " + std::to_string(at));
      for (int bit = 0; bit < 8; ++bit) {
        damaged = files;
        damaged[kManifestName][at] ^= static_cast<uint8_t>(1 << bit);
        expect_refusal(damaged, "byte " + std::to_string(at) + " bit " + std::to_string(bit));
      }
    }
    ASSERT_TRUE(world_.Snapshot(&disk_, &store).ok());
  }
}

}  // namespace
}  // namespace forkstore
