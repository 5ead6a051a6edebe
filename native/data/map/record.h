// Record: one entry of a map, in one block: header, key, value; docs/format.md, section 4.
#pragma once

#include <cstdint>
#include <cstring>

#include "data/value/key.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 48) - 1;
// In the header's field for the key's length: the length follows in a u32 of its own.
inline constexpr uint64_t kLongKey = 0x3FFF;

struct RecordView {
  uint64_t sequence = 0;
  Key key;
  uint64_t value_distance = 0;  // from the start of the record to its value
};

// REQUIRES: `record` is a live record that was built or checked.
RecordView ReadRecord(const Heap& heap, Offset record);
// The same for bytes that nobody has checked: false unless header and key lie within `capacity`
// bytes and padding is 0. Does not judge the value or whether the key is canonical.
bool ReadUncheckedRecord(const uint8_t* record, uint64_t capacity, RecordView* out);

// Bytes that a record takes with a key and a value of these lengths (value_bytes a multiple of 8).
uint64_t RecordBytes(uint64_t key_bytes, uint64_t value_bytes);
// Writes header, key, padding; returns the distance to the value, which the caller writes.
uint64_t BuildRecordHead(uint8_t* record, uint64_t sequence, const Key& key);

// The hot path of a lookup, hence here and not in record.cc.

inline uint64_t LoadWord(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Just the distance to the value. REQUIRES: as ReadRecord.
inline uint64_t RecordValueDistance(const uint8_t* record) {
  const uint64_t length = LoadWord(record) >> 50;
  if (length != kLongKey) return 8 + RoundUp(length, 8);
  uint32_t long_length;
  std::memcpy(&long_length, record + 8, sizeof(long_length));
  return RoundUp(12 + uint64_t{long_length}, 8);
}

// The top 16 bits of the header of any record with a key of this kind and length.
inline uint64_t KeyHeaderBits(const Key& key) {
  const uint64_t length = key.bytes < kLongKey ? key.bytes : kLongKey;
  return static_cast<uint64_t>(key.kind) | length << 2;
}

// Whether the record's key is `key`; `header_bits` = KeyHeaderBits(key). REQUIRES: as ReadRecord.
inline bool RecordHasKey(const uint8_t* record, uint64_t header_bits, const Key& key) {
  if (LoadWord(record) >> 48 != header_bits) return false;
  const uint8_t* stored = record + 8;
  const uint64_t bytes = key.bytes;
  if (bytes > 64) {
    if (bytes >= kLongKey) {
      uint32_t long_length;
      std::memcpy(&long_length, stored, sizeof(long_length));
      if (long_length != bytes) return false;
      stored += sizeof(long_length);
    }
    return std::memcmp(stored, key.data, bytes) == 0;
  }
  // Keys are short: whole words, the last of them overlapping, beat a call of memcmp.
  if (bytes >= 8) {
    const uint64_t last = bytes - 8;
    for (uint64_t i = 0; i < last; i += 8) {
      if (LoadWord(stored + i) != LoadWord(key.data + i)) return false;
    }
    return LoadWord(stored + last) == LoadWord(key.data + last);
  }
  for (uint64_t i = 0; i < bytes; i++) {
    if (stored[i] != key.data[i]) return false;
  }
  return true;
}

}  // namespace forkstore
