#include "data/map/record.h"

namespace forkstore {

namespace {

// Where the key's bytes begin.
uint64_t KeyDistance(uint64_t key_bytes) {
  return key_bytes < kLongKey ? 8 : 12;
}

uint64_t HeadBytes(uint64_t key_bytes) {
  return RoundUp(KeyDistance(key_bytes) + key_bytes, 8);
}

}  // namespace

RecordView ReadRecord(const Heap& heap, Offset record) {
  const uint8_t* bytes = heap.At(record);
  const uint64_t header = LoadWord(bytes);
  RecordView view;
  view.sequence = header & kMaxSequence;
  view.key.kind = static_cast<KeyKind>(header >> 48 & 3);
  view.key.bytes = header >> 50;
  if (view.key.bytes == kLongKey) {
    uint32_t long_length;
    std::memcpy(&long_length, bytes + 8, sizeof(long_length));
    view.key.bytes = long_length;
  }
  view.key.data = bytes + KeyDistance(view.key.bytes);
  view.value_distance = HeadBytes(view.key.bytes);
  return view;
}

bool ReadUncheckedRecord(const uint8_t* record, uint64_t capacity, RecordView* out) {
  if (capacity < 8) return false;
  const uint64_t header = LoadWord(record);
  uint64_t key_bytes = header >> 50;
  if (key_bytes == kLongKey) {
    if (capacity < 12) return false;
    uint32_t long_length;
    std::memcpy(&long_length, record + 8, sizeof(long_length));
    // A short key in the long form would never be found: lookups compare the header's bits.
    if (long_length < kLongKey) return false;
    key_bytes = long_length;
  }
  const uint64_t head_bytes = HeadBytes(key_bytes);
  if (head_bytes > capacity) return false;
  for (uint64_t i = KeyDistance(key_bytes) + key_bytes; i < head_bytes; i++) {
    if (record[i] != 0) return false;
  }
  out->sequence = header & kMaxSequence;
  out->key.kind = static_cast<KeyKind>(header >> 48 & 3);
  out->key.data = record + KeyDistance(key_bytes);
  out->key.bytes = key_bytes;
  out->value_distance = head_bytes;
  return true;
}

uint64_t RecordBytes(uint64_t key_bytes, uint64_t value_bytes) {
  return HeadBytes(key_bytes) + value_bytes;
}

uint64_t BuildRecordHead(uint8_t* record, uint64_t sequence, const Key& key) {
  const uint64_t header = sequence | KeyHeaderBits(key) << 48;
  const uint64_t head_bytes = HeadBytes(key.bytes);
  // The last word first: the key then overwrites all of it but the padding.
  std::memset(record + head_bytes - 8, 0, 8);
  std::memcpy(record, &header, sizeof(header));
  if (key.bytes >= kLongKey) {
    const uint32_t long_length = static_cast<uint32_t>(key.bytes);
    std::memcpy(record + 8, &long_length, sizeof(long_length));
  }
  if (key.bytes != 0) std::memcpy(record + KeyDistance(key.bytes), key.data, key.bytes);
  return head_bytes;
}

}  // namespace forkstore
