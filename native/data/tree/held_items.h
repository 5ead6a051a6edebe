// HeldItems: items that have left long arrays and are kept, so that whoever took them out can read them
// later: lists of parts of tries that left as they were (tree_cut.h). The items are detached like all that
// has been dropped, nothing can change them any more, and nothing of what they are made of is given back
// until the list is let go. Nothing of this is saved, and no operation depends on it.
//
// A list is read chunk by chunk, in order, each of a bounded size. A chunk is given again until the reader
// says, with its next call, that it has it: so a reader may fail in the middle. What lies in the arena can be
// spilled, read out to memory outside of it, where memory is short: it reads the same from there.
//
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "base/status.h"
#include "data/map/order_trie.h"
#include "data/node/node_registry.h"
#include "data/value/shape.h"

namespace forkstore {

class HeldItems {
 public:
  using Parts = std::vector<OrderTrie::Part>;

  // Items that one chunk holds; fewer where they are large.
  static constexpr uint32_t kMostAtOnce = 512;

  HeldItems(Heap heap, const NodeRegistry* nodes, const ShapeTable* shapes)
      : heap_(heap), nodes_(nodes), shapes_(shapes) {}

  // Parts of an array of which the item at position `start` was the first to leave. `number`: new, and higher
  // than all before.
  void Add(uint64_t number, Parts parts, uint64_t start);
  bool Has(uint64_t number) const { return lists_.count(number) != 0; }
  bool empty() const { return lists_.empty(); }

  // Appends the chunk behind the first `taken` items (holes do not count), at most `most` items, as one array
  // without holes to *out, and writes the index of each among all that left to indexes[]. *count: 0, and
  // nothing is appended, when there are no more. REQUIRES: `taken` is what it was at the last call, or that
  // and all that it gave; most > 0; room for kMostAtOnce indexes. Errors: kNotFound; kInvalid for another
  // `taken`; kTooLarge when one item alone is too large for a value, and will be again.
  Status Read(uint64_t number, uint64_t taken, uint32_t most, std::vector<uint8_t>* out, uint32_t* indexes,
              uint32_t* count);

  // Forgets the list; what it still had in the arena is the caller's.
  Parts Take(uint64_t number);
  // Reads out all of the oldest list that is in the arena; what it was made of goes to *parts. Its number; 0
  // when there is none. An item that is too large for a value ends the list: reading it fails there.
  uint64_t Spill(Parts* parts);

 private:
  struct Chunk {
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> indexes;
  };
  // Where an item is: which part, and its number in it.
  struct Place {
    size_t part = 0;
    uint64_t sequence = 0;
  };
  struct List {
    Parts parts;  // in order
    uint64_t start = 0;
    uint64_t taken = 0;       // items that the reader has for sure
    uint32_t given = 0;       // behind those: of the last chunk
    Place place;              // of the first item that the reader may not have
    Place next;               // behind the chunk
    uint32_t limit;           // items that are likely to make a chunk of the right size
    bool is_spilled = false;  // `chunks` are what is left, in place of the parts
    bool is_cut_off = false;  // what would come behind them cannot be read
    std::deque<Chunk> chunks;
  };

  // What the reader has goes.
  static bool Advance(List* list, uint64_t taken);
  Status ReadParts(List* list, uint32_t most, std::vector<uint8_t>* out, uint32_t* indexes, uint32_t* count);
  // Up to `limit` items from list.place on; *next: where to go on.
  uint32_t Gather(const List& list, uint32_t limit, uint32_t* indexes, Place* next);

  Heap heap_;
  const NodeRegistry* nodes_;
  const ShapeTable* shapes_;
  std::map<uint64_t, List> lists_;
  Slot slots_[kMostAtOnce];  // for Gather()
};

}  // namespace forkstore
