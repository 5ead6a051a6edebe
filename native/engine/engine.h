// Engine: the whole state of one store in memory. apply() is the only way it changes.
//
// Thread safety: one thread. Load() may run on another thread before the engine is handed over.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/map/ordered_map.h"
#include "data/tree/tree.h"
#include "data/value/shape.h"
#include "engine/counts.h"
#include "engine/operation.h"
#include "memory/heap.h"
#include "memory/page_keeper.h"

namespace forkstore {

// What an operation has to say to its caller besides kOk.
struct ApplyResult {
  bool changed =
      false;  // SET: the key is new; DELETE, DELETE_MEMBER, DELETE_ITEM: it was there; ADOPT: it was packed
  double number = 0;  // INCREMENT: the new number; DEFINE_SHAPE, CREATE_MAP: the id; ADOPT: the node
  uint64_t held = 0;  // SPLICE, when its items are to be held: their list; 0: they were of a LIST, and went
};

// What becomes of items that a SPLICE removes: a wish of the caller, no part of the operation.
enum class RemovedItems { kGo, kHeld };

// Whether an operation that was taken has changed nothing at all, so that a log can do without it.
bool IsIdle(const uint8_t* operation, const ApplyResult& result);

class Engine {
 public:
  // An empty store with a random seed. Errors: kIo, kInvalid, kFull.
  static Status CreateEmpty(const ArenaOptions& options, std::unique_ptr<Engine>* engine);
  // Over an arena whose units have been read from an image: checks everything (format.md, section 5,
  // last paragraph). Errors: kCorrupt.
  static Status Load(std::unique_ptr<Arena> arena, const std::vector<uint32_t>& table,
                     uint64_t expected_entries, uint64_t expected_writes, std::unique_ptr<Engine>* engine);
  ~Engine();

  // Decodes and checks one operation completely, then changes the arena. A refused one changes
  // nothing. Any bytes whatever are a legal argument (8-aligned). Nothing that a later operation can refer
  // to depends on how much memory there is, or on anything else but the state and the operation
  // (docs/design.md, "Replay"). Errors: kInvalid; kVersion (a code that is not known); kFull; kTooLarge;
  // kNotFound and kWrongType as status.h says; kDetached when the node is not in the tree. kHeld: for a
  // SPLICE of an array; REQUIRES: no transaction is open.
  Status Apply(const uint8_t* operation, uint64_t size, ApplyResult* result,
               RemovedItems removed = RemovedItems::kGo);

  // Items that are held (data/tree/held_items.h), as Tree has them. Apply() reads them out of the arena where
  // it finds no room otherwise; nothing that it decides depends on them.
  Status ReadHeld(uint64_t held, uint64_t taken, uint32_t most, std::vector<uint8_t>* out, uint32_t* indexes,
                  uint32_t* count);
  void DropHeld(uint64_t held);

  // Transactions, nested: everything that Apply() does between Begin() and Rollback() is taken back, except
  // that shapes and maps that were made stay (maps empty), and node numbers go on from the highest there was.
  // A map that was dropped comes back, and takes the place of one that was made with its name meanwhile. In a
  // transaction nothing is reclaimed, and what is freed can be used only after its end. Errors of Commit and
  // Rollback: kInvalid when none is open.
  void Begin();
  Status Commit();
  Status Rollback();
  bool in_transaction() const;
  // What the last Rollback() did not take back, as operations: applied in their order to the state at its
  // Begin(), they give the state after it. For a log, which must have them.
  std::vector<std::vector<uint8_t>> TakeSurvivors();

  // Lets a helper thread populate memory ahead and collapse huge pages, once there is enough to do; without
  // one, the engine works the same.
  void StartPageKeeper();

  // Maps by id (from 1); nullptr when there is none. The pointer stays valid until maps_version() changes.
  OrderedMap* map(uint32_t id);
  uint64_t maps_version() const;
  // The id of the map with this name, or 0.
  uint32_t FindMap(const Key& name) const;
  Key MapName(uint32_t id) const;  // REQUIRES: there is one
  // Up to `limit` ids of maps from `from` on, ascending; fewer mean that there are no more.
  uint32_t ScanMaps(uint64_t from, uint32_t limit, uint32_t* ids) const;
  uint64_t live_maps() const;
  // The highest id that was ever given.
  uint32_t map_count() const;

  // One bounded step of giving memory back: up to `budget` blocks of cleared maps and of dropped subtrees;
  // then of units with few live blocks, where that pays, and no snapshot is under way; then surplus pages to
  // the kernel. True when nothing is left to do. Nothing in a transaction. Apply() does some of it on its
  // own. Does not resume a page keeper that somebody else has paused.
  bool Reclaim(uint32_t budget);
  // One step of emptying units whether it pays or not, of about `budget` blocks; true when all has been gone
  // over, or it cannot be done now.
  bool Compact(uint32_t budget);
  // Blocks that have been moved by either, ever: when it has changed, every place in the arena that was found
  // before may be wrong. Apply() moves none but those it changes.
  uint64_t moved_blocks() const;

  EngineCounts counts() const;
  ShapeTable& shapes();
  // To read from; it changes by Apply() alone.
  const Tree& tree() const;
  Arena* arena();
  PageKeeper* page_keeper();  // nullptr before StartPageKeeper()
  Allocator* allocator();
  uint64_t workspace_bytes() const;  // outside the arena, kept for the next patch
  uint64_t writes() const;           // operations applied in the life of the store
  uint64_t entries() const;          // in all maps

 private:
  Engine() = default;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
