#include "engine/transaction.h"

namespace forkstore {

Savepoint TransactionStack::Open() {
  Savepoint savepoint;
  savepoint.tree = tree_->GarbageMark();
  savepoint.buried = graveyard_->Mark();
  savepoint.entries = *entries_;
  savepoint.shapes = shapes_->count();
  savepoint.next_node = tree_->next_node();
  savepoint.bytes = undo_->Begin();
  return savepoint;
}

void TransactionStack::TakeBack(const Savepoint& savepoint) {
  undo_->Rollback(savepoint.bytes);
  graveyard_->ForgetSince(savepoint.buried);
  tree_->ForgetGarbageSince(savepoint.tree);
  *entries_ = savepoint.entries;
}

void TransactionStack::Begin(uint32_t maps) {
  Savepoint savepoint = Open();
  savepoint.maps = maps;
  savepoints_.push_back(savepoint);
}

void TransactionStack::Commit() {
  savepoints_.pop_back();
  Keep();
}

Savepoint TransactionStack::Rollback() {
  const Savepoint savepoint = savepoints_.back();
  savepoints_.pop_back();
  TakeBack(savepoint);
  return savepoint;
}

}  // namespace forkstore
