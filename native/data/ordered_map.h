// OrderedMap: a JavaScript Map in the arena: records found through a HashIndex and ordered by an
// OrderTrie. Layout of its header: docs/format.md, section 4 "Map header".
//
// Every method does bounded work (a split of one segment, one node of each trie), whatever the map's
// size; Clear() detaches everything in constant time and the blocks are given back by Reclaim().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/status.h"
#include "data/hash_index.h"
#include "data/key.h"
#include "data/order_trie.h"
#include "data/record.h"
#include "data/value.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint64_t kMapHeaderBytes = 64;

// The header as it lies in the arena; the name follows. A new map is all 0 but next_sequence = 1, id and
// name. OrderedMap keeps entries, next_sequence, index, order and order_height; the rest is its owner's.
struct MapHeader {
  uint64_t next;
  uint64_t entries;
  uint64_t next_sequence;
  uint64_t index;
  uint64_t order;
  uint32_t order_height;
  uint32_t id;
  uint32_t name_kind;
  uint32_t name_bytes;
  uint64_t zero;
};
static_assert(sizeof(MapHeader) == kMapHeaderBytes);

// What cleared maps have left behind. Scratch state: after a restart unreached blocks are free anyway.
class Graveyard {
 public:
  explicit Graveyard(Heap heap) : heap_(heap) {}
  void Bury(uint64_t index, Offset order_top, uint32_t order_height);
  // Frees up to `budget` blocks; true when nothing is left.
  bool Reclaim(uint32_t budget);
  bool empty() const { return graves_.empty(); }

 private:
  struct Grave {
    uint64_t index;
    Offset order_top;
    uint32_t order_height;
  };
  Heap heap_;
  std::deque<Grave> graves_;
};

class OrderedMap {
 public:
  // `header`: arena offset of a MapHeader.
  OrderedMap(Heap heap, Offset header, HashSeed seed) : heap_(heap), header_(header), seed_(seed) {}

  Offset header() const { return header_; }
  uint64_t size() const { return heap_.Read<MapHeader>(header_).entries; }

  // Arena offset of the value's root slot, or kNone.
  Offset Find(const Key& key) const {
    const Offset record = FindRecord(key);
    return record == kNone ? kNone : record + RecordValueDistance(heap_.At(record));
  }
  // The record, or kNone.
  Offset FindRecord(const Key& key) const { return Index().Find(key.Hash(seed_), key); }

  // Stores a checked value under a checked key: in the old record when it fits its block and wastes
  // less than half of it, else in a new one at the same place of the order. Errors: kFull, kTooLarge;
  // then nothing has changed. *inserted tells a new key from an old one.
  Status Set(const Key& key, const uint8_t* value, uint64_t value_bytes, bool* inserted);
  // False when there is no such key.
  bool Delete(const Key& key);
  void Clear(Graveyard* graveyard);

  // As OrderTrie::Scan, from a sequence number.
  uint32_t Scan(uint64_t from_sequence, uint32_t limit, Offset* records) const;

  // Loading: claims and checks index, order and records; values by CheckValue; every record is found under
  // its hash, keys are distinct; counts agree; sequences are below nextSequence. Errors: kCorrupt.
  Status Restore(const ShapeTable& shapes, ValueScratch* scratch);

 private:
  struct Restoring;
  static bool RestoreRecord(void* context, uint64_t sequence, Offset record);

  HashIndex Index() const { return HashIndex(heap_, header_ + offsetof(MapHeader, index)); }
  OrderTrie Order() const {
    return OrderTrie(heap_, header_ + offsetof(MapHeader, order),
                     header_ + offsetof(MapHeader, order_height));
  }
  MapHeader& Header() { return heap_.Mutate<MapHeader>(header_); }
  Status Insert(uint64_t hash, const Key& key, const uint8_t* value, uint64_t value_bytes);
  Status Overwrite(uint64_t hash, Offset record, const Key& key, const uint8_t* value, uint64_t value_bytes);
  // A new block with this record in it, or kNone.
  Offset NewRecord(uint64_t sequence, const Key& key, const uint8_t* value, uint64_t value_bytes);

  Heap heap_;
  Offset header_;
  HashSeed seed_;
};

}  // namespace forkstore
