// Engine: the whole state of one store in memory. apply() is the only way it changes.
//
// Thread safety: one thread. Load() may run on another thread before the engine is handed over.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/ordered_map.h"
#include "data/shape.h"
#include "data/tree.h"
#include "engine/operation.h"
#include "memory/heap.h"
#include "memory/page_keeper.h"

namespace forkstore {

// What an operation has to say to its caller besides kOk.
struct ApplyResult {
  bool changed =
      false;  // SET: the key is new; DELETE, DELETE_MEMBER, DELETE_ITEM: it was there; ADOPT: it was packed
  double number = 0;  // INCREMENT: the new number; DEFINE_SHAPE, CREATE_MAP: the id; ADOPT: the node
};

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
  // nothing. Any bytes whatever are a legal argument (8-aligned). Errors: kInvalid; kFull; kTooLarge;
  // kNotFound and kWrongType as status.h says; kDetached when the node is not in the tree.
  Status Apply(const uint8_t* operation, uint64_t size, ApplyResult* result);

  // Transactions, nested: everything that Apply() does between Begin() and Rollback() is taken back, except
  // that shapes and maps that were made stay (maps empty), and node numbers go on from the highest there was.
  // In a transaction nothing is reclaimed, and what is freed can be used only after its end. Errors of Commit
  // and Rollback: kInvalid when none is open.
  void Begin();
  Status Commit();
  Status Rollback();
  bool in_transaction() const;
  // What the last Rollback() did not take back, as operations: applied in their order to the state at its
  // Begin(), they give the state after it. For a log, which must have them.
  std::vector<std::vector<uint8_t>> TakeSurvivors();

  // Lets a helper thread populate memory ahead and collapse huge pages; without one, the engine works
  // the same. Errors: kIo.
  Status StartPageKeeper();

  // Maps by id (from 1); the pointer stays valid as long as the engine. nullptr when there is none.
  OrderedMap* map(uint32_t id);
  // The id of the map with this name, or 0.
  uint32_t FindMap(const Key& name) const;
  std::vector<std::pair<uint32_t, Key>> maps() const;
  uint32_t map_count() const;

  // One bounded step of giving memory back: up to `budget` blocks of cleared maps and of dropped subtrees,
  // then surplus pages to the kernel; true when nothing is left to do. Nothing in a transaction. Apply() does
  // some of it on its own. Does not resume a page keeper that somebody else has paused.
  bool Reclaim(uint32_t budget);

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
