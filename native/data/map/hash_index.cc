#include "data/map/hash_index.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "data/map/hash_path.h"
#include "data/map/hash_segment.h"
#include "data/map/record.h"

namespace forkstore {

namespace {

constexpr uint32_t kLevelBits = kIndexLevelBits;
constexpr uint32_t kMaxLevels = kMaxIndexLevels;
constexpr uint32_t kMaxDepth = kLevelBits * kMaxLevels;
constexpr uint32_t kNodeReferences = 1u << kLevelBits;
constexpr uint64_t kNodeBytes = kNodeReferences * sizeof(uint64_t);

// The part of the bits that selects a reference in a node of this level.
uint32_t Branch(uint32_t bits, uint32_t level) {
  return bits >> (kHashBits - kLevelBits * (level + 1)) & (kNodeReferences - 1);
}

Offset Reference(Offset node, uint32_t branch) {
  return node + branch * sizeof(uint64_t);
}

bool IsNode(uint64_t reference) {
  return (reference & 1) != 0;
}

Status Full() {
  return Status(Code::kFull, "no memory for the index");
}

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, std::string("index: ") + what);
}

}  // namespace

Offset HashIndex::Find(uint64_t hash, const Key& key) const {
  const uint32_t bits = HashBits(hash);
  const uint8_t* base = heap_.arena.base();
  uint64_t reference = heap_.Read<uint64_t>(field_);
  for (uint32_t level = 0; IsNode(reference); level++) {
    reference = LoadWord(base + Reference(reference - 1, Branch(bits, level)));
  }
  if (reference == kNone) return kNone;
  const uint8_t* segment = base + reference;
  const uint64_t* entries = EntriesOf(segment);
  // Nearly every segment of a large index has the full size: ask for the home slot without waiting
  // for the header's line to say so.
  uint32_t slot = HomeSlot(bits, kMaxSlots);
  __builtin_prefetch(entries + slot);
  const uint64_t header_bits = KeyHeaderBits(key);
  const uint32_t slots = HeaderOf(segment).slots;
  if (slots != kMaxSlots) slot = HomeSlot(bits, slots);
  for (;; slot = NextSlot(slot, slots)) {
    const uint64_t entry = entries[slot];
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
    reference = heap_.Read<uint64_t>(Reference(reference - 1, Branch(bits, level)));
  }
  const uint8_t* segment = heap_.At(reference);
  __builtin_prefetch(segment);
  __builtin_prefetch(EntriesOf(segment) + HomeSlot(bits, kMaxSlots));
}

HashIndex::Path HashIndex::Walk(uint32_t bits) const {
  Path path;
  path.fields[0] = field_;
  uint64_t reference = heap_.Read<uint64_t>(field_);
  while (IsNode(reference)) {
    const Offset node = reference - 1;
    const Offset field = Reference(node, Branch(bits, path.levels));
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
      if (segment == kNone) return Full();
      FormatSegment(heap_.Write(segment, kMinSegmentBytes), SlotsIn(kMinSegmentBytes), 0);
      heap_.Mutate<uint64_t>(field_) = segment;
      return Status::Ok();
    }
    const SegmentHeader& header = HeaderOf(heap_.At(path.segment));
    if (header.count < EntryLimit(header.slots)) return Status::Ok();
    // More than one step only when all entries fall into the same half.
    if (header.slots < kMaxSlots) {
      if (!Resize(path, SegmentBytes(header.slots) * 2)) return Full();
    } else {
      Status status = Split(path, bits);
      if (!status.ok()) return status;
    }
  }
}

bool HashIndex::Resize(const Path& path, uint64_t bytes) {
  const uint8_t* from = heap_.At(path.segment);
  const Offset segment = heap_.Allocate(bytes);
  if (segment == kNone) return false;
  uint8_t* to = heap_.Write(segment, bytes);
  FormatSegment(to, SlotsIn(bytes), HeaderOf(from).depth);
  PlaceEntries(to, from);
  Redirect(path, HeaderOf(from).depth, segment);
  heap_.Free(path.segment);
  return true;
}

// The old segment keeps the entries whose next bit is 0; a new one takes the others.
Status HashIndex::Split(const Path& path, uint32_t bits) {
  uint8_t old[kMaxSegmentBytes];
  const uint32_t slots = HeaderOf(heap_.At(path.segment)).slots;
  const uint32_t depth = HeaderOf(heap_.At(path.segment)).depth;
  if (depth == kMaxDepth) return Status(Code::kFull, "too many keys with nearly the same hash");
  std::memcpy(old, heap_.At(path.segment), SegmentBytes(slots));
  const uint32_t next_bit = 1u << (kHashBits - 1 - depth);
  const auto moves = [next_bit](uint64_t entry) { return (EntryBits(entry) & next_bit) != 0; };
  const auto moving = static_cast<uint32_t>(std::count_if(EntriesOf(old), EntriesOf(old) + slots, moves));

  // Where all goes into one half (never by chance) the other one need not take 4 KiB.
  uint64_t bytes = kMinSegmentBytes;
  while (bytes < kMaxSegmentBytes && EntryLimit(SlotsIn(bytes)) < moving + moving / 4) bytes *= 2;
  const bool deeper = depth == kLevelBits * path.levels;
  const Offset node = deeper ? heap_.Allocate(kNodeBytes) : kNone;
  if (deeper && node == kNone) return Full();
  const Offset sibling = heap_.Allocate(bytes);
  if (sibling == kNone) {
    if (deeper) heap_.Free(node);
    return Full();
  }

  uint8_t* zeros = heap_.Write(path.segment, SegmentBytes(slots));
  uint8_t* ones = heap_.Write(sibling, bytes);
  FormatSegment(zeros, slots, depth + 1);
  FormatSegment(ones, SlotsIn(bytes), depth + 1);
  for (uint32_t i = 0; i < slots; i++) {
    const uint64_t entry = EntriesOf(old)[i];
    if (entry != 0) PlaceEntry(moves(entry) ? ones : zeros, entry);
  }
  if (deeper) {
    uint64_t* references = reinterpret_cast<uint64_t*>(heap_.Write(node, kNodeBytes));
    std::fill_n(references, kNodeReferences / 2, path.segment);
    std::fill_n(references + kNodeReferences / 2, kNodeReferences / 2, sibling);
    heap_.Mutate<uint64_t>(path.fields[path.levels]) = node + 1;
    return Status::Ok();
  }
  Path half = path;
  half.fields[path.levels] = Reference(path.nodes[path.levels - 1], Branch(bits | next_bit, path.levels - 1));
  Redirect(half, depth + 1, sibling);
  return Status::Ok();
}

void HashIndex::Insert(uint64_t hash, Offset record) {
  const Offset segment = Walk(HashBits(hash)).segment;
  const uint64_t entry = MakeEntry(HashBits(hash), record);
  EntryAt(segment, entry) = entry;
  heap_.Mutate<SegmentHeader>(segment).count++;
}

void HashIndex::Replace(uint64_t hash, Offset from, Offset to) {
  const Offset segment = Walk(HashBits(hash)).segment;
  EntryAt(segment, MakeEntry(HashBits(hash), from)) = MakeEntry(HashBits(hash), to);
}

// Where the entry is or, when it is absent, can be put; to be written.
uint64_t& HashIndex::EntryAt(Offset segment, uint64_t entry) {
  bool twin = false;
  const uint32_t slot = SeekEntry(heap_.At(segment), entry, &twin);
  return heap_.Mutate<uint64_t>(segment + sizeof(SegmentHeader) + slot * sizeof(uint64_t));
}

// The segment, to be written in its count and in the slots from this one to the next empty one: what an
// erasure moves. To announce all of it would have a transaction save 4 KiB for each deletion.
uint8_t* HashIndex::WritableRun(Offset segment, uint32_t slot) {
  const uint32_t slots = HeaderOf(heap_.At(segment)).slots;
  const uint64_t* entries = EntriesOf(heap_.At(segment));
  uint32_t end = slot;
  while (end < slots && entries[end] != 0) end++;
  if (end == slots) return heap_.Write(segment, SegmentBytes(slots));  // the run may go on at the beginning
  heap_.Write(segment + SegmentBytes(slot), (end - slot) * sizeof(uint64_t));
  return heap_.Write(segment, sizeof(SegmentHeader));
}

void HashIndex::Remove(uint64_t hash, Offset record) {
  const uint32_t bits = HashBits(hash);
  const Offset segment = Walk(bits).segment;
  bool twin = false;
  const uint32_t slot = SeekEntry(heap_.At(segment), MakeEntry(bits, record), &twin);
  EraseEntry(WritableRun(segment, slot), slot);
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
    const SegmentHeader& header = HeaderOf(heap_.At(path.segment));
    if (path.levels == 0) {
      if (header.count == 0) {
        heap_.Mutate<uint64_t>(field_) = kNone;
        heap_.Free(path.segment);
        return;
      }
      const uint64_t bytes = SegmentBytes(header.slots) / 2;
      if (bytes < kMinSegmentBytes || header.count > EntryLimit(SlotsIn(bytes)) / 2) return;
      if (!Resize(path, bytes)) return;
    } else if (header.depth == kLevelBits * (path.levels - 1)) {
      // All references of the node are to this segment.
      heap_.Mutate<uint64_t>(path.fields[path.levels - 1]) = path.segment;
      heap_.Free(path.nodes[path.levels - 1]);
    } else if (!MergeWithBuddy(path, bits)) {
      return;
    }
  }
}

// Needs no memory: the larger segment of the two takes everything.
// REQUIRES: the segment's depth is more than that of the node it is referred to from.
bool HashIndex::MergeWithBuddy(const Path& path, uint32_t bits) {
  const SegmentHeader& own = HeaderOf(heap_.At(path.segment));
  const uint32_t depth = own.depth;
  const uint32_t buddy_bits = bits ^ 1u << (kHashBits - depth);
  const uint64_t buddy =
      heap_.Read<uint64_t>(Reference(path.nodes[path.levels - 1], Branch(buddy_bits, path.levels - 1)));
  if (IsNode(buddy)) return false;
  const SegmentHeader& other = HeaderOf(heap_.At(buddy));
  if (other.depth != depth) return false;
  // Half of the limit, so that a key set and deleted in turn does not split and merge each time.
  if (own.count + other.count > EntryLimit(std::max(own.slots, other.slots)) / 2) return false;
  const Offset stays = own.slots >= other.slots ? path.segment : buddy;
  const Offset goes = stays == buddy ? path.segment : buddy;
  uint8_t* merged = heap_.Write(stays, SegmentBytes(HeaderOf(heap_.At(stays)).slots));
  PlaceEntries(merged, heap_.At(goes));
  HeaderOf(merged).depth--;
  Redirect(path, depth - 1, stays);
  heap_.Free(goes);
  return true;
}

namespace {

// References already dealt with are set to 0, so that the next call goes on behind them.
bool ReclaimNode(Heap heap, Offset node, uint32_t* budget) {
  for (uint32_t i = 0; i < kNodeReferences;) {
    const Offset field = Reference(node, i);
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
  if (level >= kMaxLevels) return Corrupt("too many levels");
  if (!heap_.allocator.MarkLive(node, kNodeBytes)) return Corrupt("bad node");
  for (uint32_t i = 0; i < kNodeReferences;) {
    const Offset field = Reference(node, i);
    const uint64_t reference = heap_.Read<uint64_t>(field);
    const uint32_t path = prefix | i << (kHashBits - kLevelBits * (level + 1));
    if (IsNode(reference)) {
      Status status = RestoreNode(reference - 1, level + 1, path, entries);
      if (!status.ok()) return status;
      i++;
      continue;
    }
    Status status = RestoreSegment(reference, level + 1, path, entries);
    if (!status.ok()) return status;
    const uint32_t depth = HeaderOf(heap_.At(reference)).depth;
    const uint32_t span = 1u << (kLevelBits * (level + 1) - depth);
    if (i % span != 0) return Corrupt("misplaced segment");
    for (uint32_t k = 1; k < span; k++) {
      if (heap_.Read<uint64_t>(field + k * sizeof(uint64_t)) != reference) {
        return Corrupt("a segment's references differ");
      }
    }
    i += span;
  }
  return Status::Ok();
}

// `level`: nodes on the way to the segment.
Status HashIndex::RestoreSegment(Offset segment, uint32_t level, uint32_t prefix, uint64_t* entries) {
  const uint64_t capacity = heap_.allocator.CapacityIfBlock(segment);
  if (capacity < kMinSegmentBytes) return Corrupt("bad segment");
  const char* wrong = CheckSegment(heap_.At(segment), capacity, prefix);
  if (wrong != nullptr) return Corrupt(wrong);
  const SegmentHeader& header = HeaderOf(heap_.At(segment));
  const uint32_t least_depth = level == 0 ? 0 : kLevelBits * (level - 1);
  if (header.depth < least_depth || header.depth > kLevelBits * level) return Corrupt("bad depth");
  if (!heap_.allocator.MarkLive(segment, SegmentBytes(header.slots))) return Corrupt("bad segment");
  *entries += header.count;
  return Status::Ok();
}

bool HashIndex::Contains(uint64_t hash, Offset record, bool* behind_twin) const {
  const uint32_t bits = HashBits(hash);
  const Offset segment = Walk(bits).segment;
  *behind_twin = false;
  if (segment == kNone) return false;
  const uint32_t slot = SeekEntry(heap_.At(segment), MakeEntry(bits, record), behind_twin);
  return EntriesOf(heap_.At(segment))[slot] != 0;
}

}  // namespace forkstore
