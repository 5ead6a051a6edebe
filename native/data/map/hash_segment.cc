#include "data/map/hash_segment.h"

namespace forkstore {

const char* CheckSegment(const uint8_t* segment, uint64_t capacity, uint32_t prefix) {
  const SegmentHeader& header = HeaderOf(segment);
  uint64_t bytes = kMinSegmentBytes;
  while (bytes < kMaxSegmentBytes && SlotsIn(bytes) < header.slots) bytes *= 2;
  if (SlotsIn(bytes) != header.slots || bytes > capacity) return "a segment of impossible size";
  if (header.depth > kHashBits || header.zero != 0 || header.zeros != 0) return "bad segment header";

  const uint32_t slots = header.slots;
  const uint64_t* entries = EntriesOf(segment);
  uint32_t empty = 0;
  while (empty < slots && entries[empty] != 0) empty++;
  if (empty == slots) return "a segment without an empty slot";
  // Once round from an empty slot: the last `run` slots are in use, and an entry's home has to be
  // one of them or where it is itself.
  uint32_t count = 0;
  uint32_t run = 0;
  uint32_t slot = empty;
  for (uint32_t step = 0; step < slots; step++, slot = NextSlot(slot, slots)) {
    if (entries[slot] == 0) {
      run = 0;
      continue;
    }
    const uint32_t bits = EntryBits(entries[slot]);
    if (SlotDistance(HomeSlot(bits, slots), slot, slots) > run) return "an entry cannot be reached";
    if ((bits ^ prefix) >> (kHashBits - header.depth) != 0) return "an entry in the wrong segment";
    run++;
    count++;
  }
  return count == header.count ? nullptr : "a segment with a wrong count";
}

void FormatSegment(uint8_t* segment, uint32_t slots, uint32_t depth) {
  std::memset(segment, 0, SegmentBytes(slots));
  HeaderOf(segment).slots = static_cast<uint16_t>(slots);
  HeaderOf(segment).depth = static_cast<uint8_t>(depth);
}

void PlaceEntry(uint8_t* segment, uint64_t entry) {
  const uint32_t slots = HeaderOf(segment).slots;
  uint64_t* entries = EntriesOf(segment);
  uint32_t slot = HomeSlot(EntryBits(entry), slots);
  while (entries[slot] != 0) slot = NextSlot(slot, slots);
  entries[slot] = entry;
  HeaderOf(segment).count++;
}

void PlaceEntries(uint8_t* to, const uint8_t* from) {
  const uint32_t slots = HeaderOf(from).slots;
  for (uint32_t i = 0; i < slots; i++) {
    if (EntriesOf(from)[i] != 0) PlaceEntry(to, EntriesOf(from)[i]);
  }
}

void EraseEntry(uint8_t* segment, uint32_t slot) {
  const uint32_t slots = HeaderOf(segment).slots;
  uint64_t* entries = EntriesOf(segment);
  uint32_t hole = slot;
  for (uint32_t i = NextSlot(hole, slots); entries[i] != 0; i = NextSlot(i, slots)) {
    // An entry may move up to the hole unless its home lies behind it.
    const uint32_t home = HomeSlot(EntryBits(entries[i]), slots);
    if (SlotDistance(home, i, slots) < SlotDistance(hole, i, slots)) continue;
    entries[hole] = entries[i];
    hole = i;
  }
  entries[hole] = 0;
  HeaderOf(segment).count--;
}

}  // namespace forkstore
