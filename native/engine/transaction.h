// Transactions: scopes of undo (memory/undo.h), with what a store keeps outside of its arena.
//
// Two kinds of scope: of one operation that may fail half-way, and of a transaction, which holds operations
// and other transactions (savepoints). Both save and restore the same things; a transaction's rollback, in
// addition, keeps shapes, maps and the numbering of nodes: JavaScript has seen them. Engine does that part.
#pragma once

#include <cstdint>
#include <vector>

#include "data/map/ordered_map.h"
#include "data/tree/tree.h"
#include "memory/undo.h"

namespace forkstore {

// What the state was when a scope began.
struct Savepoint {
  Undo::Position bytes;
  Tree::Mark tree;
  uint64_t buried = 0;   // Graveyard::Mark()
  uint64_t entries = 0;  // in all maps
  uint32_t shapes = 0;
  uint32_t maps = 0;
  NodeId next_node = 0;
};

class TransactionStack {
 public:
  // All outlive the stack. `entries` is the engine's counter.
  TransactionStack(Undo* undo, Tree* tree, Graveyard* graveyard, const ShapeTable* shapes, uint64_t* entries)
      : undo_(undo), tree_(tree), graveyard_(graveyard), shapes_(shapes), entries_(entries) {}

  // Scopes of one operation: opened, and then either kept or taken back, before anything else.
  Savepoint Open();
  void Keep() { undo_->Commit(); }
  void TakeBack(const Savepoint& savepoint);

  // Transactions. `maps`: how many there are.
  void Begin(uint32_t maps);
  bool is_open() const { return !savepoints_.empty(); }
  // REQUIRES: is_open().
  const Savepoint& outermost() const { return savepoints_.front(); }
  const Savepoint& innermost() const { return savepoints_.back(); }
  void Commit();
  // Ends the innermost one; returns where it began.
  Savepoint Rollback();

 private:
  Undo* undo_;
  Tree* tree_;
  Graveyard* graveyard_;
  const ShapeTable* shapes_;
  uint64_t* entries_;
  std::vector<Savepoint> savepoints_;  // of the transactions that are open, outermost first
};

}  // namespace forkstore
