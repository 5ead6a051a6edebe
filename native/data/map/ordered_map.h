// OrderedMap: a JavaScript Map in the arena: records found through a HashIndex and ordered by an
// OrderTrie. Layout of its header: docs/format.md, section 4 "Map header".
//
// Every method does bounded work (a split of one segment, one node of each trie), whatever the map's
// size; Clear() detaches everything in constant time and the blocks are given back by Reclaim().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/status.h"
#include "data/map/hash_index.h"
#include "data/map/order_trie.h"
#include "data/map/record.h"
#include "data/value/key.h"
#include "data/value/node.h"
#include "data/value/value.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint64_t kMapHeaderBytes = 64;

// The header as it lies in the arena; the name follows. A new map is all 0 but next_sequence = 1, id and
// name. OrderedMap keeps entries, next_sequence, index, order and order_height; the rest is its owner's, and
// is never written, nor is a write recorded that covers it.
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
  uint64_t holder;
};
static_assert(sizeof(MapHeader) == kMapHeaderBytes);

// What a cleared map held.
struct MapContents {
  uint64_t index = 0;
  Offset order_top = kNone;
  uint32_t order_height = 0;
};

// What cleared maps have left behind, nodes excepted (see Tree::DropHolder). Scratch state: after a restart
// unreached blocks are free anyway.
class Graveyard {
 public:
  explicit Graveyard(Heap heap) : heap_(heap) {}
  void Bury(const MapContents& contents);
  // Frees up to `budget` blocks; true when nothing is left.
  bool Reclaim(uint32_t budget) { return ReclaimBefore(Mark(), budget); }
  // Only of what was buried before `mark`: for what an open undo scope has not touched, with Undo::Suspended.
  bool ReclaimBefore(uint64_t mark, uint32_t budget);
  // About `budget` blocks of what was buried since `mark`, within the undo scope that has begun there, which
  // takes them back; false when there are none.
  bool ReclaimSince(uint64_t mark, uint32_t budget);
  bool empty() const { return graves_.empty(); }

  // For an undo scope that is taken back: forgets what was buried since `mark`.
  uint64_t Mark() const { return buried_; }
  void ForgetSince(uint64_t mark);

 private:
  // True when nothing of it is left.
  bool Free(MapContents* grave, uint32_t* budget);

  Heap heap_;
  std::deque<MapContents> graves_;
  uint64_t buried_ = 0;  // since the store was opened, those forgotten excepted
};

// How far MoveSome has got in a map.
struct MapMoveCursor {
  bool in_index = false;
  uint64_t from = 0;
};

// The number of an array index ("0", "1", .. "4294967294"); false for any other name.
bool IndexOfName(const Key& name, uint32_t* index);

class OrderedMap {
 public:
  static constexpr uint64_t kAtEnd = ~uint64_t{0};

  // `header`: arena offset of a MapHeader.
  OrderedMap(Heap heap, Offset header, HashSeed seed) : heap_(heap), header_(header), seed_(seed) {}

  Offset header() const { return header_; }
  // What the next new entry gets.
  uint64_t next_sequence() const { return heap_.Read<MapHeader>(header_).next_sequence; }
  // New entries get `next` and those behind it from now on; those in between never.
  void SkipSequences(uint64_t next);
  uint64_t size() const { return heap_.Read<MapHeader>(header_).entries; }

  // Arena offset of the value's root slot, or kNone.
  Offset Find(const Key& key) const {
    const Offset record = FindRecord(key);
    return record == kNone ? kNone : record + RecordValueDistance(heap_.At(record));
  }
  // The record, or kNone.
  Offset FindRecord(const Key& key) const { return Index().Find(key.Hash(seed_), key); }

  // Stores a checked value under a checked key: in the old record when it fits its block and wastes
  // less than half of it, else in a new one at the same place of the order. A new key goes to the end, or to
  // `sequence`, which is free and below what next_sequence began with. Errors: kFull, kTooLarge; then nothing
  // has changed. *inserted tells a new key from an old one.
  Status Set(const Key& key, const uint8_t* value, uint64_t value_bytes, bool* inserted,
             uint64_t sequence = kAtEnd);
  // False when there is no such key.
  bool Delete(const Key& key);
  void Clear(Graveyard* graveyard) { graveyard->Bury(Detach()); }
  // Empties the map in constant time.
  MapContents Detach();

  // As OrderTrie::Scan, from a sequence number.
  uint32_t Scan(uint64_t from_sequence, uint32_t limit, Offset* records) const;

  // Emptying units (block_mover.h; ordered_map_move.cc): moves records and what finds them, from where the
  // cursor is until the mover's work is done. True when the whole map has been gone over. The map may have
  // changed in any way since the last step; its header stays where it is.
  bool MoveSome(MapMoveCursor* cursor, BlockMover* mover);

  // Loading: claims and checks index, order and records; values by CheckValue; every record is found under
  // its hash, keys are distinct; counts agree; sequences are below nextSequence. Errors: kCorrupt.
  // Where a value is a NODE slot, the node is appended to *nodes, for the tree to check (nullptr: not
  // allowed).
  Status Restore(const ShapeTable& shapes, ValueScratch* scratch, std::vector<NodeId>* nodes = nullptr);
  // The same for the members of a TABLE: keys are names, and index names have the index as their sequence.
  Status RestoreTable(const ShapeTable& shapes, ValueScratch* scratch, std::vector<NodeId>* nodes);

 private:
  struct Restoring;
  static bool RestoreRecord(void* context, uint64_t sequence, Offset record);
  struct Moving;
  static void MoveRecord(void* context, uint64_t sequence, Offset field);

  HashIndex Index() const { return HashIndex(heap_, header_ + offsetof(MapHeader, index)); }
  OrderTrie Order() const {
    return OrderTrie(heap_, header_ + offsetof(MapHeader, order),
                     header_ + offsetof(MapHeader, order_height));
  }
  template <typename T>
  T& Field(size_t distance) {
    return heap_.Mutate<T>(header_ + distance);
  }
  Status RestoreEntries(Restoring* restoring);
  Status Insert(uint64_t hash, const Key& key, const uint8_t* value, uint64_t value_bytes, uint64_t sequence);
  Status Overwrite(uint64_t hash, Offset record, const Key& key, const uint8_t* value, uint64_t value_bytes);
  // A new block with this record in it, or kNone.
  Offset NewRecord(uint64_t sequence, const Key& key, const uint8_t* value, uint64_t value_bytes);

  Heap heap_;
  Offset header_;
  HashSeed seed_;
};

}  // namespace forkstore
