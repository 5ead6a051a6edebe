// OrderedMap: a JavaScript Map in the arena: records found through a HashIndex and ordered by an
// OrderTrie. Layout of its header: docs/format.md, section 4 "Map header".
//
// Every method does bounded work (a split of one segment, one node of each trie), whatever the map's
// size; Clear() detaches everything in constant time and the blocks are given back by Reclaim().
#pragma once

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

// What cleared maps have left behind. Scratch state: after a restart unreached blocks are free anyway.
class Graveyard {
 public:
  explicit Graveyard(Heap heap) : heap_(heap) {}
  void Bury(uint64_t index, Offset order_top, uint32_t order_height);
  // Frees up to `budget` blocks; true when nothing is left.
  bool Reclaim(uint32_t budget);
  bool empty() const { return graves_.empty(); }

 private:
  struct Grave { uint64_t index; Offset order_top; uint32_t order_height; };
  Heap heap_;
  std::deque<Grave> graves_;
};

class OrderedMap {
 public:
  OrderedMap(Heap heap, Offset header, HashSeed seed);

  Offset header() const { return header_; }
  uint64_t size() const;

  // Arena offset of the value's root slot, or kNone.
  Offset Find(const Key& key) const;
  // The record, or kNone.
  Offset FindRecord(const Key& key) const;

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
  // its hash; counts agree; sequences are below nextSequence. Errors: kCorrupt.
  Status Restore(const ShapeTable& shapes, ValueScratch* scratch);

 private:
  Heap heap_;
  Offset header_;
  HashSeed seed_;
};

}  // namespace forkstore
