// MapTable: which maps there are, by id and by name; and what transactions need to know of them.
//
// Ids rise and are never used again; `mapCount` in the root block is the highest one that was given. The
// headers of the maps in the arena are a list, newest first, so strictly descending in id. A map that is
// dropped is taken out of the list through its neighbour, which this table finds by id.
//
// Within a transaction a dropped map is only set aside: its header stays in the list, which no undo scope
// records, until the outermost transaction is committed. A rollback brings it back under its name. When
// another map was made with that name meanwhile, that one goes.
//
// No call walks over all maps. Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/map/ordered_map.h"
#include "memory/undo.h"

namespace forkstore {

class MapTable {
 public:
  // `undo` outlives the table.
  MapTable(Heap heap, Undo* undo) : heap_(heap), undo_(undo) {}

  // nullptr when there is none. The pointer stays valid until version() changes.
  OrderedMap* Find(uint32_t id);
  // Its id, or 0.
  uint32_t FindName(const Key& name) const;
  Key NameOf(uint32_t id) const;  // REQUIRES: there is one
  uint64_t size() const { return names_.size(); }
  // Another number whenever a map may have gone or come back.
  uint64_t version() const { return version_; }
  // Up to `limit` ids from `from` on that are in use, ascending; fewer mean that there are no more.
  uint32_t Scan(uint64_t from, uint32_t limit, uint32_t* ids) const;

  // Adds the map whose header lies there; nullptr when its name is taken.
  OrderedMap* Add(Offset header, HashSeed seed);
  // Takes out an empty map (see OrderedMap::Clear) that there is.
  void Drop(uint32_t id);
  // To be called where a map's next_sequence has risen: a rollback must not let it fall.
  void NoteInsertion(uint32_t id);

  // Transactions; `Begin` before the undo scope begins, `Commit` after it has ended.
  void Begin();
  void Commit();
  // Around the undo: before it, and after it.
  void BeforeRollback();
  void AfterRollback();

 private:
  struct Entry {
    OrderedMap map;
    bool is_dropped = false;
    size_t noted = 0;  // the place of its newest insertion in insertions_, + 1; 0: none
  };
  struct Insertion {
    uint32_t id;
    size_t before;          // what Entry::noted was
    uint64_t sequence = 0;  // BeforeRollback(): next_sequence
  };
  // Where an open transaction began in each list.
  struct Scope {
    size_t insertions;
    size_t dropped;
  };
  using Entries = std::map<uint32_t, Entry>;

  Key NameAt(Offset header) const;
  // Takes the header out of the list and frees it.
  void Remove(Entries::iterator entry);
  void PassInsertionsOn(size_t since);

  Heap heap_;
  Undo* undo_;
  // Trees, not hash tables, which are rebuilt as a whole when they grow.
  Entries entries_;
  std::map<std::string, uint32_t> names_;
  Entries::iterator last_found_ = entries_.end();
  uint64_t version_ = 1;
  std::vector<Scope> scopes_;
  std::vector<Insertion> insertions_;  // one for each map and scope at most
  std::vector<uint32_t> dropped_;      // in the transactions that are open, oldest first
};

}  // namespace forkstore
