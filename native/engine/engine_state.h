// What the engine is made of; for the .cc files of this folder, and for nobody else.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "data/tree/tree.h"
#include "engine/compaction.h"
#include "engine/engine.h"
#include "engine/map_table.h"
#include "engine/root.h"
#include "engine/transaction.h"
#include "memory/undo.h"

namespace forkstore {

struct Engine::State {
  State(std::unique_ptr<Arena> arena_in, std::unique_ptr<Allocator> allocator_in);

  const RootBlock& root() const { return heap.Read<RootBlock>(kRootOffset); }
  HashSeed seed() const { return {root().seed[0], root().seed[1]}; }

  // engine.cc
  Status Dispatch(const Operation& operation, ApplyResult* result);
  // Gives back a little of what was dropped, in proportion to the blocks that have been taken since there
  // were `blocks_before`.
  void ReclaimSome(uint64_t blocks_before);
  // All that can be given back at once; whether there was any.
  bool ReclaimAll();
  // Reads items that are held out of the arena, one list, and gives back what they were made of; false when
  // there is none, or a transaction is open: it shares the node table with them.
  bool ReclaimHeld();
  // Lets others have about so many bytes of what the open transactions have deleted; false when there is no
  // more.
  bool LendDeleted(uint64_t bytes);
  // Why there is no room: how much there is, and how much was asked for.
  Status Full() const;
  // compaction.cc
  // Not while a snapshot's child shares the pages: each block that moves would have two of them copied.
  bool CanCompact() const;
  // One step, of about `budget` blocks; true when the pass, which it begins if need be, is through. REQUIRES:
  // CanCompact().
  bool CompactSome(uint32_t budget);

  // One huge patch must not hold on to its memory for ever.
  void ReleaseWorkspace();
  // That the bytes are one value, and nothing else.
  Status CheckWhole(const uint8_t* value, uint64_t bytes);
  // Ends the scope of one operation: takes it back, with the shapes that it defined, when it failed.
  void Close(const Savepoint& before, const Status& status);

  // engine_load.cc
  Status RestoreMaps(std::vector<Tree::RestoredMap>* restored);

  // map_operations.cc
  Status CreateMap(const Operation& operation, ApplyResult* result);
  Status DropMap(OrderedMap* map, const Operation& operation, ApplyResult* result);
  void Empty(OrderedMap* map);
  Status DefineShape(const Operation& operation, ApplyResult* result);
  Status DispatchToMap(const Operation& operation, ApplyResult* result);
  Status Set(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status Delete(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status Patch(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status Increment(OrderedMap* map, const Operation& operation, ApplyResult* result);
  // Replaces the value of an entry that is there by what `patch` makes of it.
  Status MergeInto(OrderedMap* map, const Key& key, Offset value, const uint8_t* patch, uint64_t patch_bytes);
  // The value's place when it is a node; kNone when it is packed, or there is none.
  Offset AdoptedValue(OrderedMap* map, const Key& key) const {
    if (heap.Read<MapHeader>(map->header()).holder == 0) return kNone;
    const Offset value = map->Find(key);
    return value != kNone && IsNodeSlot(heap.Read<Slot>(value)) ? value : kNone;
  }
  // Adds to the number in a slot; kNone: to none, and nothing is written.
  Status Add(Offset slot, double amount, double* sum);
  // Adds a field that a packed object lacks.
  Status AddField(OrderedMap* map, const Key& key, Offset value, const uint8_t* name, uint64_t name_bytes,
                  Slot number);

  // survivors.cc
  void RollBack();

  // tree_operations.cc
  Status DispatchToNode(const Operation& operation, ApplyResult* result);
  Status ChangeNode(const Operation& operation, ApplyResult* result);
  // True: the operation has been done, by writing one slot over another, which needs no undo.
  bool Overwrite(const Operation& operation);
  Status CheckPermutation(const Operation& operation);
  Status Adopt(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status SkipNodes(const Operation& operation, ApplyResult* result);
  // PATCH and INCREMENT of an entry that is a node.
  Status PatchNode(NodeId node, const uint8_t* patch);
  Status IncrementNode(NodeId node, const StringBytes& field, double amount, double* number);

  std::unique_ptr<Arena> arena;
  std::unique_ptr<Allocator> allocator;
  Undo undo;
  mutable Heap heap;
  ShapeTable shapes;
  MapTable maps;
  Graveyard graveyard;
  Compaction compaction;
  ValueScratch scratch;
  Tree tree;
  uint64_t entries = 0;
  TransactionStack transactions;
  std::vector<std::vector<uint8_t>> survivors;
  uint64_t taken_blocks = 0;                       // by operations that have not given any back in return
  bool ran_full = false;                           // in the transaction that is open
  RemovedItems removed_items = RemovedItems::kGo;  // by the operation that is applied
  std::vector<uint8_t> merged;
  // Words, so that the value in it is 8-aligned.
  std::vector<uint64_t> one_field;
  std::unique_ptr<PageKeeper> keeper;  // last: its thread is joined before the arena goes
};

}  // namespace forkstore
