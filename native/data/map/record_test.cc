#include "data/map/record.h"

#include <random>
#include <vector>

#include "testing/heap.h"

namespace forkstore {
namespace {

Key MakeKey(const std::vector<uint8_t>& bytes, KeyKind kind = KeyKind::kLatin1) {
  return Key{kind, bytes.data(), bytes.size()};
}

std::vector<uint8_t> RandomBytes(uint64_t count, std::mt19937_64* random) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((*random)());
  return bytes;
}

std::vector<uint8_t> Build(uint64_t sequence, const Key& key, uint64_t value_bytes) {
  std::vector<uint8_t> record(RecordBytes(key.bytes, value_bytes), 0xEE);
  EXPECT_EQ(BuildRecordHead(record.data(), sequence, key), record.size() - value_bytes);
  return record;
}

constexpr uint64_t kLengths[] = {0,  1,  2,  6,  7,  8,  9,  15,     16,     17,     20,     24,
                                 31, 32, 63, 64, 65, 72, 80, 0x3FFD, 0x3FFE, 0x3FFF, 0x4000, 100'001};

TEST(Record, BytesAreThoseOfTheFormat) {
  const uint8_t name[] = {'A', 'd', 'a'};
  const std::vector<uint8_t> record = Build(0x0102, Key{KeyKind::kUtf16, name, 3}, 8);
  // Sequence in bits 0..47, kind in 48..49, length in 50..63.
  const std::vector<uint8_t> expected = {2, 1, 0, 0, 0,    0,    1 | 3 << 2, 0,    'A',  'd',  'a',  0,
                                         0, 0, 0, 0, 0xEE, 0xEE, 0xEE,       0xEE, 0xEE, 0xEE, 0xEE, 0xEE};
  EXPECT_EQ(record, expected);
}

TEST(Record, ReadsWhatWasBuilt) {
  std::mt19937_64 random(1);
  HeapForTest heap;
  for (const uint64_t length : kLengths) {
    for (uint32_t kind = 0; kind < 4; kind++) {
      const std::vector<uint8_t> bytes = RandomBytes(length, &random);
      const Key key = MakeKey(bytes, static_cast<KeyKind>(kind));
      const uint64_t sequence = random() & kMaxSequence;
      const std::vector<uint8_t> record = Build(sequence, key, 16);
      EXPECT_EQ(record.size() % 8, 0u);
      EXPECT_EQ(RecordValueDistance(record.data()), record.size() - 16);

      RecordView view;
      ASSERT_TRUE(ReadUncheckedRecord(record.data(), record.size(), &view));
      EXPECT_EQ(view.sequence, sequence);
      EXPECT_TRUE(view.key == key);
      EXPECT_EQ(view.value_distance, record.size() - 16);

      const Offset block = heap.heap().Allocate(record.size());
      std::memcpy(heap.heap().Write(block, record.size()), record.data(), record.size());
      view = ReadRecord(heap.heap(), block);
      EXPECT_EQ(view.sequence, sequence);
      EXPECT_TRUE(view.key == key);
      EXPECT_EQ(view.value_distance, record.size() - 16);
    }
  }
}

TEST(Record, HasOnlyItsOwnKey) {
  std::mt19937_64 random(2);
  for (const uint64_t length : kLengths) {
    std::vector<uint8_t> bytes = RandomBytes(length, &random);
    const std::vector<uint8_t> record = Build(7, MakeKey(bytes), 0);
    EXPECT_TRUE(RecordHasKey(record.data(), KeyHeaderBits(MakeKey(bytes)), MakeKey(bytes)));
    const Key other_kind = MakeKey(bytes, KeyKind::kBigint);
    EXPECT_FALSE(RecordHasKey(record.data(), KeyHeaderBits(other_kind), other_kind));
    const uint64_t step = length < 100 ? 1 : length / 50;
    for (uint64_t i = 0; i < length; i += step) {
      bytes[i] ^= 1;
      EXPECT_FALSE(RecordHasKey(record.data(), KeyHeaderBits(MakeKey(bytes)), MakeKey(bytes)))
          << length << " " << i;
      bytes[i] ^= 1;
    }
    for (const uint64_t cut : {uint64_t{1}, uint64_t{2}, uint64_t{8}}) {
      if (cut > length) continue;
      const Key shorter{KeyKind::kLatin1, bytes.data(), length - cut};
      EXPECT_FALSE(RecordHasKey(record.data(), KeyHeaderBits(shorter), shorter));
    }
    bytes.push_back(0);  // as the padding has it
    EXPECT_FALSE(RecordHasKey(record.data(), KeyHeaderBits(MakeKey(bytes)), MakeKey(bytes)));
  }
}

TEST(Record, UncheckedBytesAreRefused) {
  std::mt19937_64 random(3);
  RecordView view;
  for (const uint64_t length : kLengths) {
    const std::vector<uint8_t> bytes = RandomBytes(length, &random);
    std::vector<uint8_t> record = Build(7, MakeKey(bytes), 0);
    for (uint64_t capacity = 0; capacity<record.size(); capacity += record.size()> 100 ? 97 : 1) {
      // A copy of exactly this size, so that the sanitizer sees a byte read too far.
      const std::vector<uint8_t> cut(record.begin(), record.begin() + static_cast<ptrdiff_t>(capacity));
      EXPECT_FALSE(ReadUncheckedRecord(cut.data(), capacity, &view)) << length << " " << capacity;
    }
    const uint64_t end = (length < kLongKey ? 8 : 12) + length;
    for (uint64_t i = end; i < record.size(); i++) {
      record[i] = 1;
      EXPECT_FALSE(ReadUncheckedRecord(record.data(), record.size(), &view)) << "padding";
      record[i] = 0;
    }
  }
  // A short key in the long form.
  std::vector<uint8_t> record(24, 0);
  const uint64_t header = kLongKey << 50 | 1;
  std::memcpy(record.data(), &header, 8);
  record[8] = 4;
  EXPECT_FALSE(ReadUncheckedRecord(record.data(), record.size(), &view));
}

TEST(Record, AnyBytesMayBeRead) {
  std::mt19937_64 random(4);
  uint32_t accepted = 0;
  for (uint32_t i = 0; i < 200'000; i++) {
    std::vector<uint8_t> bytes = RandomBytes(random() % 64, &random);
    if (bytes.size() >= 8) bytes[7] = static_cast<uint8_t>(random() % 4 == 0 ? 0xFF : 0);
    RecordView view;
    if (!ReadUncheckedRecord(bytes.data(), bytes.size(), &view)) continue;
    accepted++;
    ASSERT_LE(view.value_distance, bytes.size());
    ASSERT_LE(view.key.data + view.key.bytes, bytes.data() + view.value_distance);
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace forkstore
