// One segment of a HashIndex: a small hash table of hash bits and record offsets with linear probing;
// docs/format.md, section 4 "Index".
//
//   u32 count | u16 slots | u8 depth | u8 0 | u64 0 || slot 0 | slot 1 | ...     128 to 4096 bytes
//   slot: 0, or 29 bits of the hash << 35 | record / 8
//
// Invariant: going from an entry's home slot to the entry, and round the end, no slot is empty; at least
// one slot of a segment is.
#pragma once

#include <cstdint>
#include <cstring>

#include "memory/layout.h"

namespace forkstore {

inline constexpr uint32_t kHashBits = 29;    // of the hash, kept with each entry
inline constexpr uint32_t kRecordBits = 35;  // the rest of an entry: record / 8

struct SegmentHeader {
  uint32_t count;
  uint16_t slots;
  uint8_t depth;  // bits of the hash that all entries share
  uint8_t zero;
  uint64_t zeros;
};
static_assert(sizeof(SegmentHeader) == 16);

inline constexpr uint64_t kMinSegmentBytes = 128;
inline constexpr uint64_t kMaxSegmentBytes = 4096;

constexpr uint32_t SlotsIn(uint64_t bytes) {
  return static_cast<uint32_t>((bytes - sizeof(SegmentHeader)) / sizeof(uint64_t));
}
constexpr uint64_t SegmentBytes(uint32_t slots) {
  return sizeof(SegmentHeader) + slots * sizeof(uint64_t);
}
inline constexpr uint32_t kMaxSlots = SlotsIn(kMaxSegmentBytes);

// How many entries a segment takes before it is split. At 27/32 a search for an absent key, the longest
// there is, reads about 20 slots.
constexpr uint32_t EntryLimit(uint32_t slots) {
  return slots * 27 / 32;
}

inline uint32_t HashBits(uint64_t hash) {
  return static_cast<uint32_t>(hash >> kRecordBits);
}

inline uint32_t HomeSlot(uint32_t bits, uint32_t slots) {
  return static_cast<uint32_t>(uint64_t{bits * 0x9E3779B1u} * slots >> 32);
}
inline uint32_t NextSlot(uint32_t slot, uint32_t slots) {
  return slot + 1 == slots ? 0 : slot + 1;
}
// How far round it is from one slot to another.
inline uint32_t SlotDistance(uint32_t from, uint32_t to, uint32_t slots) {
  return to >= from ? to - from : to + slots - from;
}

inline uint64_t MakeEntry(uint32_t bits, Offset record) {
  return uint64_t{bits} << kRecordBits | record / 8;
}
inline uint32_t EntryBits(uint64_t entry) {
  return static_cast<uint32_t>(entry >> kRecordBits);
}
inline Offset EntryRecord(uint64_t entry) {
  return (entry & ((uint64_t{1} << kRecordBits) - 1)) * 8;
}

// Any memory may be seen as a segment before it is checked; nothing below CheckSegment() is for such.
inline const SegmentHeader& HeaderOf(const uint8_t* segment) {
  return *reinterpret_cast<const SegmentHeader*>(segment);
}
inline SegmentHeader& HeaderOf(uint8_t* segment) {
  return *reinterpret_cast<SegmentHeader*>(segment);
}
inline const uint64_t* EntriesOf(const uint8_t* segment) {
  return reinterpret_cast<const uint64_t*>(segment + sizeof(SegmentHeader));
}
inline uint64_t* EntriesOf(uint8_t* segment) {
  return reinterpret_cast<uint64_t*>(segment + sizeof(SegmentHeader));
}

// Why the bytes are no segment, or nullptr. REQUIRES: `capacity` bytes, at least kMinSegmentBytes, can be
// read. `prefix`: the bits that all entries have to share, as many as the header's depth says.
const char* CheckSegment(const uint8_t* segment, uint64_t capacity, uint32_t prefix);

// Makes an empty segment.
void FormatSegment(uint8_t* segment, uint32_t slots, uint32_t depth);
// Puts an entry in. REQUIRES: two slots are empty.
void PlaceEntry(uint8_t* segment, uint64_t entry);
// Puts all entries of one segment into another. REQUIRES: they leave a slot empty.
void PlaceEntries(uint8_t* to, const uint8_t* from);
// Takes the entry in this slot out, and moves those behind it up so that the invariant holds.
void EraseEntry(uint8_t* segment, uint32_t slot);

// The slot of an entry, or where it is absent an empty slot: where it could be put. *twin is set when
// another entry with the same bits of hash stands before it.
inline uint32_t SeekEntry(const uint8_t* segment, uint64_t entry, bool* twin) {
  const uint32_t slots = HeaderOf(segment).slots;
  const uint64_t* entries = EntriesOf(segment);
  uint32_t slot = HomeSlot(EntryBits(entry), slots);
  while (entries[slot] != 0 && entries[slot] != entry) {
    if (EntryBits(entries[slot]) == EntryBits(entry)) *twin = true;
    slot = NextSlot(slot, slots);
  }
  return slot;
}

}  // namespace forkstore
