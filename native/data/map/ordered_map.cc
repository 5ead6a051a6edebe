#include "data/map/ordered_map.h"

#include <cstring>
#include <vector>

#include "data/value/value_body.h"

namespace forkstore {

void Graveyard::Bury(const MapContents& contents) {
  if (contents.index == kNone && contents.order_top == kNone) return;
  graves_.push_back(contents);
  ++buried_;
}

bool Graveyard::Free(MapContents* grave, uint32_t* budget) {
  return OrderTrie::Reclaim(heap_, &grave->order_top, &grave->order_height, budget, &OrderTrie::FreePayload,
                            &heap_) &&
         HashIndex::Reclaim(heap_, &grave->index, budget);
}

bool Graveyard::ReclaimBefore(uint64_t mark, uint32_t budget) {
  while (!graves_.empty() && buried_ - graves_.size() < mark) {
    if (!Free(&graves_.front(), &budget)) return false;
    graves_.pop_front();
  }
  return true;
}

bool Graveyard::ReclaimSince(uint64_t mark, uint32_t budget) {
  if (buried_ <= mark) return false;
  while (buried_ > mark && budget > 0) {
    if (!Free(&graves_.back(), &budget)) break;
    graves_.pop_back();
    --buried_;
  }
  return true;
}

void Graveyard::ForgetSince(uint64_t mark) {
  for (; buried_ > mark; --buried_) graves_.pop_back();
}

bool IndexOfName(const Key& name, uint32_t* index) {
  if (name.kind != KeyKind::kLatin1 || name.bytes == 0 || name.bytes > 10) return false;
  if (name.data[0] == '0' && name.bytes > 1) return false;
  uint64_t number = 0;
  for (uint64_t i = 0; i < name.bytes; ++i) {
    if (name.data[i] < '0' || name.data[i] > '9') return false;
    number = number * 10 + (name.data[i] - '0');
  }
  *index = static_cast<uint32_t>(number);
  return number < 0xFFFFFFFF;
}

Status OrderedMap::Set(const Key& key, const uint8_t* value, uint64_t value_bytes, bool* inserted,
                       uint64_t sequence) {
  if (key.bytes > kMaxKeyBytes || value_bytes > kMaxValueBytes ||
      RecordBytes(key.bytes, value_bytes) > kSegmentBytes) {
    return Status(Code::kTooLarge, "an entry of over 1 GiB");
  }
  const uint64_t hash = key.Hash(seed_);
  const Offset record = Index().Find(hash, key);
  *inserted = record == kNone;
  return record == kNone ? Insert(hash, key, value, value_bytes, sequence)
                         : Overwrite(hash, record, key, value, value_bytes);
}

Offset OrderedMap::NewRecord(uint64_t sequence, const Key& key, const uint8_t* value, uint64_t value_bytes) {
  const uint64_t bytes = RecordBytes(key.bytes, value_bytes);
  const Offset record = heap_.AllocateData(bytes);
  if (record == kNone) return kNone;
  uint8_t* memory = heap_.Write(record, bytes);
  const uint64_t distance = BuildRecordHead(memory, sequence, key);
  std::memcpy(memory + distance, value, value_bytes);
  return record;
}

Status OrderedMap::Insert(uint64_t hash, const Key& key, const uint8_t* value, uint64_t value_bytes,
                          uint64_t sequence) {
  const bool at_end = sequence == kAtEnd;
  if (at_end) sequence = heap_.Read<MapHeader>(header_).next_sequence;
  if (sequence > kMaxSequence) return Status(Code::kFull, "the map's sequence numbers are used up");
  const Offset record = NewRecord(sequence, key, value, value_bytes);
  if (record == kNone) return Status(Code::kFull, "no memory for an entry");
  HashIndex index = Index();
  Status status = index.Reserve(hash);
  if (status.ok()) {
    status = Order().Insert(sequence, record);
    if (!status.ok()) index.Unreserve(hash);
  }
  if (!status.ok()) {
    heap_.Free(record);
    return status;
  }
  index.Insert(hash, record);
  if (at_end) {
    Field<uint64_t>(offsetof(MapHeader, next_sequence)) = sequence + 1;
  }
  ++Field<uint64_t>(offsetof(MapHeader, entries));
  return Status::Ok();
}

Status OrderedMap::Overwrite(uint64_t hash, Offset record, const Key& key, const uint8_t* value,
                             uint64_t value_bytes) {
  const uint64_t bytes = RecordBytes(key.bytes, value_bytes);
  const uint64_t capacity = heap_.Capacity(record);
  const bool fits = bytes <= capacity;
  if (!fits || capacity - bytes >= capacity / 2) {
    const uint64_t sequence = LoadWord(heap_.At(record)) & kMaxSequence;
    const Offset moved = NewRecord(sequence, key, value, value_bytes);
    if (moved != kNone) {
      Index().Replace(hash, record, moved);
      Order().Replace(sequence, moved);
      heap_.Free(record);
      return Status::Ok();
    }
    // A smaller value must not fail because a smaller block cannot be had.
    if (!fits) return Status(Code::kFull, "no memory for an entry");
  }
  const Offset place = record + RecordValueDistance(heap_.At(record));
  // The caller's bytes may be this very value.
  std::memmove(heap_.Write(place, value_bytes), value, value_bytes);
  return Status::Ok();
}

bool OrderedMap::Delete(const Key& key) {
  const uint64_t hash = key.Hash(seed_);
  HashIndex index = Index();
  const Offset record = index.Find(hash, key);
  if (record == kNone) return false;
  index.Remove(hash, record);
  Order().Remove(LoadWord(heap_.At(record)) & kMaxSequence);
  heap_.Free(record);
  --Field<uint64_t>(offsetof(MapHeader, entries));
  return true;
}

MapContents OrderedMap::Detach() {
  const MapHeader header = heap_.Read<MapHeader>(header_);
  // next_sequence stays: an iteration under way goes on with what is added from now on.
  Field<uint64_t>(offsetof(MapHeader, entries)) = 0;
  Field<uint64_t>(offsetof(MapHeader, index)) = kNone;
  Field<uint64_t>(offsetof(MapHeader, order)) = kNone;
  Field<uint32_t>(offsetof(MapHeader, order_height)) = 0;
  return MapContents{header.index, header.order, header.order_height};
}

void OrderedMap::SkipSequences(uint64_t next) {
  if (next_sequence() < next) Field<uint64_t>(offsetof(MapHeader, next_sequence)) = next;
}

uint32_t OrderedMap::Scan(uint64_t from_sequence, uint32_t limit, Offset* records) const {
  return Order().Scan(from_sequence, limit, records);
}

// Records are checked one by one, and then looked up in the index batch by batch, so that the cache
// misses of a batch overlap.
struct OrderedMap::Restoring {
  static constexpr uint32_t kBatch = 32;

  const OrderedMap* map;
  const ShapeTable* shapes;
  ValueScratch* scratch;
  std::vector<NodeId>* nodes;
  bool is_table;
  uint64_t next_sequence;
  uint64_t entries = 0;
  uint32_t pending = 0;
  uint64_t hashes[kBatch];
  Offset records[kBatch];
  std::vector<Offset> suspects;  // another record might hide these

  // Whether an entry with this key may stand at this place.
  bool InPlace(const Key& key, uint64_t sequence) const {
    if (!is_table) return sequence > 0 && sequence < next_sequence;
    if (key.kind > KeyKind::kUtf16) return false;
    uint32_t index = 0;
    if (IndexOfName(key, &index)) return sequence == index;
    return sequence >= kFirstNameSequence && sequence < next_sequence;
  }

  bool LookUpPending() {
    const HashIndex index = map->Index();
    for (uint32_t i = 0; i < pending; i++) index.Prefetch(hashes[i]);
    for (uint32_t i = 0; i < pending; i++) {
      bool behind_twin = false;
      if (!index.Contains(hashes[i], records[i], &behind_twin)) return false;
      if (behind_twin) suspects.push_back(records[i]);
    }
    pending = 0;
    return true;
  }
};

bool OrderedMap::RestoreRecord(void* context, uint64_t sequence, Offset record) {
  Restoring* restoring = static_cast<Restoring*>(context);
  const Heap& heap = restoring->map->heap_;
  const uint64_t capacity = heap.allocator.CapacityIfBlock(record);
  if (capacity == 0) return false;
  RecordView view;
  const uint8_t* bytes = heap.At(record);
  if (!ReadUncheckedRecord(bytes, capacity, &view)) return false;
  if (view.sequence != sequence || !CheckKey(view.key).ok() || !restoring->InPlace(view.key, sequence)) {
    return false;
  }
  uint64_t value_bytes = 0;
  const uint8_t* value = bytes + view.value_distance;
  Slot slot{};
  if (capacity - view.value_distance >= sizeof(slot)) std::memcpy(&slot, value, sizeof(slot));
  if (restoring->nodes != nullptr && IsNodeSlot(slot)) {
    value_bytes = sizeof(slot);
    restoring->nodes->push_back(SlotNode(slot));
  } else {
    Status status = CheckValue(value, capacity - view.value_distance, *restoring->shapes, restoring->scratch,
                               &value_bytes);
    // In a TABLE every container is a node.
    if (!status.ok() || (restoring->is_table && IsContainer(slot))) return false;
  }
  if (!heap.allocator.MarkLive(record, view.value_distance + value_bytes)) return false;
  restoring->entries++;
  restoring->hashes[restoring->pending] = view.key.Hash(restoring->map->seed_);
  restoring->records[restoring->pending] = record;
  restoring->pending++;
  return restoring->pending < Restoring::kBatch || restoring->LookUpPending();
}

Status OrderedMap::Restore(const ShapeTable& shapes, ValueScratch* scratch, std::vector<NodeId>* nodes) {
  Restoring restoring{};
  restoring.shapes = &shapes;
  restoring.scratch = scratch;
  restoring.nodes = nodes;
  return RestoreEntries(&restoring);
}

Status OrderedMap::RestoreTable(const ShapeTable& shapes, ValueScratch* scratch, std::vector<NodeId>* nodes) {
  Restoring restoring{};
  restoring.shapes = &shapes;
  restoring.scratch = scratch;
  restoring.nodes = nodes;
  restoring.is_table = true;
  return RestoreEntries(&restoring);
}

Status OrderedMap::RestoreEntries(Restoring* restoring) {
  const MapHeader header = heap_.Read<MapHeader>(header_);
  const uint64_t first = restoring->is_table ? kFirstNameSequence : 1;
  if (header.next_sequence < first || header.next_sequence > kMaxSequence + 1) {
    return Status(Code::kCorrupt, "map: bad next sequence number");
  }
  restoring->map = this;
  restoring->next_sequence = header.next_sequence;
  uint64_t index_entries = 0;
  Status status = Index().Restore(&index_entries);
  if (!status.ok()) return status;
  status = Order().Restore(&RestoreRecord, restoring);
  if (!status.ok()) return status;
  if (!restoring->LookUpPending()) return Status(Code::kCorrupt, "map: an entry is not in the index");
  if (restoring->entries != index_entries || restoring->entries != header.entries) {
    return Status(Code::kCorrupt, "map: counts differ");
  }
  // Every record is checked by now, so that keys may be compared.
  for (const Offset record : restoring->suspects) {
    if (FindRecord(ReadRecord(heap_, record).key) != record) {
      return Status(Code::kCorrupt, "map: two entries with the same key");
    }
  }
  return Status::Ok();
}

}  // namespace forkstore
