#include "data/hash_index.h"

#include <algorithm>
#include <cstring>

#include "data/record.h"

namespace forkstore {

namespace {

constexpr uint32_t kBits = 29;        // of the hash, kept with each entry
constexpr uint32_t kRecordBits = 35;  // the rest of an entry: record / 8
constexpr uint32_t kLevelBits = 8;
constexpr uint32_t kMaxLevels = 3;
constexpr uint32_t kMaxDepth = kLevelBits * kMaxLevels;
constexpr uint32_t kNodeReferences = 1u << kLevelBits;
constexpr uint64_t kNodeBytes = kNodeReferences * sizeof(uint64_t);

struct SegmentHeader {
  uint32_t count;
  uint16_t slots;
  uint8_t depth;
  uint8_t zero;
  uint64_t zeros;
};
static_assert(sizeof(SegmentHeader) == 16);

constexpr uint64_t kHeaderBytes = sizeof(SegmentHeader);
constexpr uint64_t kMinSegmentBytes = 128;
constexpr uint64_t kMaxSegmentBytes = 4096;
constexpr uint32_t SlotsIn(uint64_t bytes) {
  return static_cast<uint32_t>((bytes - kHeaderBytes) / sizeof(uint64_t));
}
constexpr uint64_t SegmentBytes(uint32_t slots) {
  return kHeaderBytes + slots * sizeof(uint64_t);
}
constexpr uint32_t kMaxSlots = SlotsIn(kMaxSegmentBytes);

// How many entries a segment takes before it is split. At 27/32 a search for an absent key, the longest
// there is, reads about 20 slots.
constexpr uint32_t Limit(uint32_t slots) {
  return slots * 27 / 32;
}

uint32_t HashBits(uint64_t hash) {
  return static_cast<uint32_t>(hash >> kRecordBits);
}

// The part of the bits that selects a reference in a node of this level.
uint32_t Branch(uint32_t bits, uint32_t level) {
  return bits >> (kBits - kLevelBits * (level + 1)) & (kNodeReferences - 1);
}

uint32_t Home(uint32_t bits, uint32_t slots) {
  return static_cast<uint32_t>(uint64_t{bits * 0x9E3779B1u} * slots >> 32);
}

uint64_t MakeEntry(uint32_t bits, Offset record) {
  return uint64_t{bits} << kRecordBits | record / 8;
}
uint32_t EntryBits(uint64_t entry) {
  return static_cast<uint32_t>(entry >> kRecordBits);
}
Offset EntryRecord(uint64_t entry) {
  return (entry & ((uint64_t{1} << kRecordBits) - 1)) * 8;
}

bool IsNode(uint64_t reference) {
  return (reference & 1) != 0;
}

// A segment's memory seen as header and slots.
const SegmentHeader* HeaderAt(const uint8_t* segment) {
  return reinterpret_cast<const SegmentHeader*>(segment);
}
const uint64_t* EntriesAt(const uint8_t* segment) {
  return reinterpret_cast<const uint64_t*>(segment + kHeaderBytes);
}

uint32_t Next(uint32_t position, uint32_t slots) {
  return position + 1 == slots ? 0 : position + 1;
}

// Makes an empty segment of writable memory.
void Format(uint8_t* segment, uint32_t slots, uint32_t depth) {
  std::memset(segment, 0, SegmentBytes(slots));
  SegmentHeader* header = reinterpret_cast<SegmentHeader*>(segment);
  header->slots = static_cast<uint16_t>(slots);
  header->depth = static_cast<uint8_t>(depth);
}

// Puts an entry into writable memory. REQUIRES: two slots are empty.
void Place(uint8_t* segment, uint64_t entry) {
  SegmentHeader* header = reinterpret_cast<SegmentHeader*>(segment);
  uint64_t* entries = reinterpret_cast<uint64_t*>(segment + kHeaderBytes);
  const uint32_t slots = header->slots;
  uint32_t position = Home(EntryBits(entry), slots);
  while (entries[position] != 0) position = Next(position, slots);
  entries[position] = entry;
  header->count++;
}

// The position of an entry that may be absent: then that of an empty slot. *twin tells whether another
// entry with the same bits came before.
uint32_t Seek(const uint8_t* segment, uint64_t entry, bool* twin) {
  const uint32_t slots = HeaderAt(segment)->slots;
  const uint64_t* entries = EntriesAt(segment);
  uint32_t position = Home(EntryBits(entry), slots);
  while (entries[position] != 0 && entries[position] != entry) {
    if (EntryBits(entries[position]) == EntryBits(entry)) *twin = true;
    position = Next(position, slots);
  }
  return position;
}

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, what);
}

}  // namespace

// The way to a segment: fields[k] holds the reference to nodes[k], fields[levels] that to the segment.
struct HashIndex::Path {
  uint32_t levels = 0;
  Offset fields[kMaxLevels + 1] = {};
  Offset nodes[kMaxLevels] = {};
  Offset segment = kNone;  // kNone: the index is empty
};

Offset HashIndex::Find(uint64_t hash, const Key& key) const {
  const uint32_t bits = HashBits(hash);
  const uint8_t* base = heap_.arena.base();
  uint64_t reference = heap_.Read<uint64_t>(field_);
  for (uint32_t level = 0; IsNode(reference); level++) {
    reference = LoadWord(base + (reference - 1) + Branch(bits, level) * sizeof(uint64_t));
  }
  if (reference == kNone) return kNone;
  const uint8_t* segment = base + reference;
  const uint64_t* entries = EntriesAt(segment);
  // Nearly every segment of a large index has the full size: ask for the home slot without waiting
  // for the header's line to say so.
  uint32_t position = Home(bits, kMaxSlots);
  __builtin_prefetch(entries + position);
  const uint64_t header_bits = KeyHeaderBits(key);
  const uint32_t slots = HeaderAt(segment)->slots;
  if (slots != kMaxSlots) position = Home(bits, slots);
  for (;; position = Next(position, slots)) {
    const uint64_t entry = entries[position];
    if (entry == 0) return kNone;
    if (EntryBits(entry) != bits) continue;
    const Offset record = EntryRecord(entry);
    // The value is read next, and often lies in the line behind.
    __builtin_prefetch(base + record + 64);
    if (RecordHasKey(base + record, header_bits, key)) return record;
  }
}

void HashIndex::Prefetch(uint64_t hash) const {
  const uint32_t bits = HashBits(hash);
  uint64_t reference = heap_.Read<uint64_t>(field_);
  for (uint32_t level = 0; IsNode(reference); level++) {
    reference = heap_.Read<uint64_t>(reference - 1 + Branch(bits, level) * sizeof(uint64_t));
  }
  const uint8_t* segment = heap_.At(reference);
  __builtin_prefetch(segment);
  __builtin_prefetch(EntriesAt(segment) + Home(bits, kMaxSlots));
}

HashIndex::Path HashIndex::Walk(uint32_t bits) const {
  Path path;
  path.fields[0] = field_;
  uint64_t reference = heap_.Read<uint64_t>(field_);
  while (IsNode(reference)) {
    const Offset node = reference - 1;
    const Offset field = node + Branch(bits, path.levels) * sizeof(uint64_t);
    path.nodes[path.levels] = node;
    path.levels++;
    path.fields[path.levels] = field;
    reference = heap_.Read<uint64_t>(field);
  }
  path.segment = reference;
  return path;
}

void HashIndex::Redirect(const Path& path, uint32_t depth, Offset segment) {
  if (path.levels == 0) {
    heap_.Mutate<uint64_t>(field_) = segment;
    return;
  }
  const Offset node = path.nodes[path.levels - 1];
  const uint64_t span = uint64_t{1} << (kLevelBits * path.levels - depth);
  const uint64_t branch = (path.fields[path.levels] - node) / sizeof(uint64_t);
  const Offset first = node + (branch & ~(span - 1)) * sizeof(uint64_t);
  uint8_t* references = heap_.Write(first, span * sizeof(uint64_t));
  std::fill_n(reinterpret_cast<uint64_t*>(references), span, segment);
}

Status HashIndex::Reserve(uint64_t hash) {
  const uint32_t bits = HashBits(hash);
  for (;;) {
    const Path path = Walk(bits);
    if (path.segment == kNone) {
      const Offset segment = heap_.Allocate(kMinSegmentBytes);
      if (segment == kNone) return Status(Code::kFull, "no memory for an index");
      Format(heap_.Write(segment, kMinSegmentBytes), SlotsIn(kMinSegmentBytes), 0);
      heap_.Mutate<uint64_t>(field_) = segment;
      return Status::Ok();
    }
    const SegmentHeader* header = HeaderAt(heap_.At(path.segment));
    if (header->count < Limit(header->slots)) return Status::Ok();
    // More than one step only when all entries fall into the same half.
    Status status = header->slots < kMaxSlots ? Grow(path) : Split(path, bits);
    if (!status.ok()) return status;
  }
}

Status HashIndex::Grow(const Path& path) {
  const uint8_t* from = heap_.At(path.segment);
  const uint32_t old_slots = HeaderAt(from)->slots;
  const uint32_t depth = HeaderAt(from)->depth;
  const uint64_t bytes = SegmentBytes(old_slots) * 2;
  const Offset segment = heap_.Allocate(bytes);
  if (segment == kNone) return Status(Code::kFull, "no memory to grow an index");
  uint8_t* to = heap_.Write(segment, bytes);
  Format(to, SlotsIn(bytes), depth);
  for (uint32_t i = 0; i < old_slots; i++) {
    if (EntriesAt(from)[i] != 0) Place(to, EntriesAt(from)[i]);
  }
  Redirect(path, depth, segment);
  heap_.Free(path.segment);
  return Status::Ok();
}

// The old segment keeps the entries whose next bit is 0; a new one takes the others.
Status HashIndex::Split(const Path& path, uint32_t bits) {
  uint64_t old[kMaxSlots];
  const uint8_t* from = heap_.At(path.segment);
  const uint32_t depth = HeaderAt(from)->depth;
  if (depth == kMaxDepth) return Status(Code::kFull, "too many keys with nearly the same hash");
  const uint32_t slots = HeaderAt(from)->slots;
  std::memcpy(old, EntriesAt(from), slots * sizeof(uint64_t));
  const uint32_t next_bit = uint32_t{1} << (kBits - 1 - depth);
  uint32_t moving = 0;
  for (uint32_t i = 0; i < slots; i++) moving += (EntryBits(old[i]) & next_bit) != 0;

  // Where all goes into one half (never by chance) the other one need not take 4 KiB.
  uint64_t bytes = kMinSegmentBytes;
  while (bytes < kMaxSegmentBytes && Limit(SlotsIn(bytes)) < moving + moving / 4) bytes *= 2;
  const bool deeper = depth == kLevelBits * path.levels;
  const Offset node = deeper ? heap_.Allocate(kNodeBytes) : kNone;
  if (deeper && node == kNone) return Status(Code::kFull, "no memory for an index node");
  const Offset sibling = heap_.Allocate(bytes);
  if (sibling == kNone) {
    if (deeper) heap_.Free(node);
    return Status(Code::kFull, "no memory to split an index segment");
  }

  uint8_t* zeros = heap_.Write(path.segment, SegmentBytes(slots));
  uint8_t* ones = heap_.Write(sibling, bytes);
  Format(zeros, slots, depth + 1);
  Format(ones, SlotsIn(bytes), depth + 1);
  for (uint32_t i = 0; i < slots; i++) {
    if (old[i] != 0) Place((EntryBits(old[i]) & next_bit) != 0 ? ones : zeros, old[i]);
  }
  if (deeper) {
    uint64_t* references = reinterpret_cast<uint64_t*>(heap_.Write(node, kNodeBytes));
    std::fill_n(references, kNodeReferences / 2, path.segment);
    std::fill_n(references + kNodeReferences / 2, kNodeReferences / 2, sibling);
    heap_.Mutate<uint64_t>(path.fields[path.levels]) = node + 1;
    return Status::Ok();
  }
  Path half = path;
  half.fields[path.levels] =
      path.nodes[path.levels - 1] + Branch(bits | next_bit, path.levels - 1) * sizeof(uint64_t);
  Redirect(half, depth + 1, sibling);
  return Status::Ok();
}

void HashIndex::Insert(uint64_t hash, Offset record) {
  const uint32_t bits = HashBits(hash);
  const Path path = Walk(bits);
  const uint64_t entry = MakeEntry(bits, record);
  bool twin = false;
  const uint32_t position = Seek(heap_.At(path.segment), entry, &twin);
  heap_.Mutate<uint64_t>(path.segment + kHeaderBytes + position * sizeof(uint64_t)) = entry;
  heap_.Mutate<uint32_t>(path.segment)++;
}

void HashIndex::Replace(uint64_t hash, Offset from, Offset to) {
  const uint32_t bits = HashBits(hash);
  const Offset segment = Walk(bits).segment;
  bool twin = false;
  const uint32_t position = Seek(heap_.At(segment), MakeEntry(bits, from), &twin);
  heap_.Mutate<uint64_t>(segment + kHeaderBytes + position * sizeof(uint64_t)) = MakeEntry(bits, to);
}

void HashIndex::Remove(uint64_t hash, Offset record) {
  const uint32_t bits = HashBits(hash);
  const Offset segment = Walk(bits).segment;
  const uint32_t slots = HeaderAt(heap_.At(segment))->slots;
  bool twin = false;
  uint32_t hole = Seek(heap_.At(segment), MakeEntry(bits, record), &twin);
  SegmentHeader* header = reinterpret_cast<SegmentHeader*>(heap_.Write(segment, SegmentBytes(slots)));
  uint64_t* entries = reinterpret_cast<uint64_t*>(header + 1);
  // Close the gap: every entry behind it that does not have its home behind the hole moves up.
  for (uint32_t i = Next(hole, slots); entries[i] != 0; i = Next(i, slots)) {
    const uint32_t home = Home(EntryBits(entries[i]), slots);
    const uint32_t from_home = i >= home ? i - home : i + slots - home;
    const uint32_t from_hole = i >= hole ? i - hole : i + slots - hole;
    if (from_home < from_hole) continue;
    entries[hole] = entries[i];
    hole = i;
  }
  entries[hole] = 0;
  header->count--;
  Shrink(bits);
}

void HashIndex::Unreserve(uint64_t hash) {
  Shrink(HashBits(hash));
}

// Undoes splits and growth that the entries left no longer need, from the segment of these bits upwards.
void HashIndex::Shrink(uint32_t bits) {
  for (;;) {
    const Path path = Walk(bits);
    if (path.segment == kNone) return;
    const SegmentHeader* header = HeaderAt(heap_.At(path.segment));
    if (path.levels > 0) {
      if (header->depth == kLevelBits * (path.levels - 1)) {
        heap_.Mutate<uint64_t>(path.fields[path.levels - 1]) = path.segment;
        heap_.Free(path.nodes[path.levels - 1]);
      } else if (!MergeWithBuddy(path, bits)) {
        return;
      }
      continue;
    }
    if (header->count == 0) {
      heap_.Mutate<uint64_t>(field_) = kNone;
      heap_.Free(path.segment);
      return;
    }
    const uint64_t bytes = SegmentBytes(header->slots) / 2;
    if (bytes < kMinSegmentBytes || header->count > Limit(SlotsIn(bytes)) / 2) return;
    const Offset smaller = heap_.Allocate(bytes);
    if (smaller == kNone) return;
    uint8_t* to = heap_.Write(smaller, bytes);
    Format(to, SlotsIn(bytes), 0);
    for (uint32_t i = 0; i < header->slots; i++) {
      const uint64_t entry = EntriesAt(heap_.At(path.segment))[i];
      if (entry != 0) Place(to, entry);
    }
    heap_.Mutate<uint64_t>(field_) = smaller;
    heap_.Free(path.segment);
    return;
  }
}

// Needs no memory: the larger segment of the two takes everything.
// REQUIRES: the segment's depth is more than that of the node it is referred to from.
bool HashIndex::MergeWithBuddy(const Path& path, uint32_t bits) {
  const uint32_t depth = HeaderAt(heap_.At(path.segment))->depth;
  const uint32_t buddy_bits = bits ^ uint32_t { 1 } << (kBits - depth);
  const Offset node = path.nodes[path.levels - 1];
  const uint64_t reference =
      heap_.Read<uint64_t>(node + Branch(buddy_bits, path.levels - 1) * sizeof(uint64_t));
  if (IsNode(reference)) return false;
  const SegmentHeader* own = HeaderAt(heap_.At(path.segment));
  const SegmentHeader* other = HeaderAt(heap_.At(reference));
  if (other->depth != depth) return false;
  // Half of the limit, so that a key set and deleted in turn does not split and merge each time.
  if (own->count + other->count > Limit(std::max(own->slots, other->slots)) / 2) return false;
  const bool own_stays = own->slots >= other->slots;
  const Offset stays = own_stays ? path.segment : reference;
  const Offset goes = own_stays ? reference : path.segment;
  const uint8_t* from = heap_.At(goes);
  SegmentHeader* to =
      reinterpret_cast<SegmentHeader*>(heap_.Write(stays, SegmentBytes(HeaderAt(heap_.At(stays))->slots)));
  for (uint32_t i = 0; i < HeaderAt(from)->slots; i++) {
    if (EntriesAt(from)[i] != 0) Place(reinterpret_cast<uint8_t*>(to), EntriesAt(from)[i]);
  }
  to->depth = static_cast<uint8_t>(depth - 1);
  Redirect(path, depth - 1, stays);
  heap_.Free(goes);
  return true;
}

namespace {

// References already dealt with are set to 0, so that the next call goes on behind them.
bool ReclaimNode(Heap heap, Offset node, uint32_t* budget) {
  for (uint32_t i = 0; i < kNodeReferences;) {
    const Offset field = node + i * sizeof(uint64_t);
    const uint64_t reference = heap.Read<uint64_t>(field);
    uint32_t neighbours = 1;
    if (reference != kNone) {
      if (IsNode(reference)) {
        if (!ReclaimNode(heap, reference - 1, budget)) return false;
      } else {
        if (*budget == 0) return false;
        while (i + neighbours < kNodeReferences &&
               heap.Read<uint64_t>(field + neighbours * sizeof(uint64_t)) == reference) {
          neighbours++;
        }
        heap.Free(reference);
        --*budget;
      }
      std::memset(heap.Write(field, neighbours * sizeof(uint64_t)), 0, neighbours * sizeof(uint64_t));
    }
    i += neighbours;
  }
  if (*budget == 0) return false;
  heap.Free(node);
  --*budget;
  return true;
}

}  // namespace

bool HashIndex::Reclaim(Heap heap, uint64_t* reference, uint32_t* budget) {
  if (*reference == kNone) return true;
  if (IsNode(*reference)) {
    if (!ReclaimNode(heap, *reference - 1, budget)) return false;
  } else {
    if (*budget == 0) return false;
    heap.Free(*reference);
    --*budget;
  }
  *reference = kNone;
  return true;
}

Status HashIndex::Restore(uint64_t* entries) {
  *entries = 0;
  const uint64_t reference = heap_.Read<uint64_t>(field_);
  if (reference == kNone) return Status::Ok();
  if (IsNode(reference)) return RestoreNode(reference - 1, 0, 0, entries);
  return RestoreSegment(reference, 0, 0, entries);
}

// `level` nodes are on the way to this one, and have fixed the top 8 * level bits of `prefix`.
Status HashIndex::RestoreNode(Offset node, uint32_t level, uint32_t prefix, uint64_t* entries) {
  if (level >= kMaxLevels) return Corrupt("index: too many levels");
  if (!heap_.allocator.MarkLive(node, kNodeBytes)) return Corrupt("index: bad node");
  for (uint32_t i = 0; i < kNodeReferences;) {
    const Offset field = node + i * sizeof(uint64_t);
    const uint64_t reference = heap_.Read<uint64_t>(field);
    const uint32_t path = prefix | i << (kBits - kLevelBits * (level + 1));
    if (IsNode(reference)) {
      Status status = RestoreNode(reference - 1, level + 1, path, entries);
      if (!status.ok()) return status;
      i++;
      continue;
    }
    Status status = RestoreSegment(reference, level + 1, path, entries);
    if (!status.ok()) return status;
    const uint32_t depth = HeaderAt(heap_.At(reference))->depth;
    const uint32_t span = 1u << (kLevelBits * (level + 1) - depth);
    if (i % span != 0) return Corrupt("index: misplaced segment");
    for (uint32_t k = 1; k < span; k++) {
      if (heap_.Read<uint64_t>(field + k * sizeof(uint64_t)) != reference) {
        return Corrupt("index: a segment's references differ");
      }
    }
    i += span;
  }
  return Status::Ok();
}

// `level`: nodes on the way to the segment.
Status HashIndex::RestoreSegment(Offset segment, uint32_t level, uint32_t prefix, uint64_t* entries) {
  if (heap_.allocator.CapacityIfBlock(segment) < kMinSegmentBytes) {
    return Corrupt("index: bad segment");
  }
  const SegmentHeader header = *HeaderAt(heap_.At(segment));
  uint64_t bytes = kMinSegmentBytes;
  while (bytes < kMaxSegmentBytes && SlotsIn(bytes) < header.slots) bytes *= 2;
  if (SlotsIn(bytes) != header.slots || header.zero != 0 || header.zeros != 0) {
    return Corrupt("index: bad segment header");
  }
  const uint32_t least_depth = level == 0 ? 0 : kLevelBits * (level - 1);
  if (header.depth < least_depth || header.depth > kLevelBits * level) {
    return Corrupt("index: bad segment depth");
  }
  if (!heap_.allocator.MarkLive(segment, bytes)) return Corrupt("index: bad segment");

  const uint32_t slots = header.slots;
  const uint64_t* all = EntriesAt(heap_.At(segment));
  uint32_t empty = 0;
  while (empty < slots && all[empty] != 0) empty++;
  if (empty == slots) return Corrupt("index: a segment without an empty slot");
  // Once around from an empty slot: `run` slots since the last empty one are in use, and an entry's home
  // has to be among them or where it is itself.
  uint32_t count = 0;
  uint32_t run = 0;
  for (uint32_t step = 0, i = empty; step < slots; step++, i = Next(i, slots)) {
    if (all[i] == 0) {
      run = 0;
      continue;
    }
    const uint32_t bits = EntryBits(all[i]);
    const uint32_t home = Home(bits, slots);
    const uint32_t from_home = i >= home ? i - home : i + slots - home;
    if (from_home > run) return Corrupt("index: an entry cannot be reached");
    if ((bits ^ prefix) >> (kBits - header.depth) != 0) {
      return Corrupt("index: an entry in the wrong segment");
    }
    run++;
    count++;
  }
  if (count != header.count) return Corrupt("index: wrong count");
  *entries += count;
  return Status::Ok();
}

bool HashIndex::Contains(uint64_t hash, Offset record, bool* behind_twin) const {
  const uint32_t bits = HashBits(hash);
  const Offset segment = Walk(bits).segment;
  *behind_twin = false;
  if (segment == kNone) return false;
  const uint32_t position = Seek(heap_.At(segment), MakeEntry(bits, record), behind_twin);
  return EntriesAt(heap_.At(segment))[position] != 0;
}

}  // namespace forkstore
