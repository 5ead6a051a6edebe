// Record: one entry of a map, in one block: header, key, value; docs/format.md, section 4.
#pragma once

#include <cstdint>

#include "data/key.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 48) - 1;

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
// Just the distance to the value: the hot path of a lookup.
uint64_t RecordValueDistance(const uint8_t* record);

// Bytes that a record takes with a key and a value of these lengths (value_bytes a multiple of 8).
uint64_t RecordBytes(uint64_t key_bytes, uint64_t value_bytes);
// Writes header, key, padding; returns the distance to the value, which the caller writes.
uint64_t BuildRecordHead(uint8_t* record, uint64_t sequence, const Key& key);

}  // namespace forkstore
