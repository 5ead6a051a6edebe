// StoreSnapshot: one snapshot of a Store (store.h), from the fork to its outcome.
//
//   owner                                       watcher thread (store/snapshot.h)
//   Store::PrepareSnapshot(): threads rest
//   Store::StartSnapshot(): cut, fork --------> publishes the image, then, by Log::Published(), the manifest
//                                               Done(): the marks of changed pages go, or come back
//   Store::FinishSnapshot() <--- the caller --- on_done(context)
//
// It may outlive the store: where that is closed meanwhile, StoreRemains has on_done called, and nobody calls
// FinishSnapshot().
//
// Thread safety: the watcher's from the fork until it calls on_done, the owner's before and after. pause_ms()
// is the owner's all the time.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/arena.h"
#include "store/snapshot.h"

namespace forkstore {

class StoreSnapshot {
 public:
  // Called once: on the watcher thread, or within Store::StartSnapshot(). It may destroy the StoreSnapshot
  // only where the owner is not in Store::StartSnapshot(), and does not look at it any more.
  using OnDone = void (*)(void* context);

  StoreSnapshot(OnDone on_done, void* context) : on_done_(on_done), context_(context) {}
  StoreSnapshot(const StoreSnapshot&) = delete;
  StoreSnapshot& operator=(const StoreSnapshot&) = delete;

  // REQUIRES: on_done was called. Of one without a child all but the status is as it is made.
  const SnapshotOutcome& outcome() const { return outcome_; }
  // How long the owner was held up, in milliseconds, from PrepareSnapshot() on; 0 without a child.
  double pause_ms() const { return pause_ms_; }

  // For SnapshotProcess::Start(); `snapshot` is a StoreSnapshot* that was given to Store::CutForSnapshot().
  static void Done(void* snapshot, SnapshotOutcome&& outcome);

 private:
  friend class Store;

  OnDone on_done_;
  void* context_;
  Arena* arena_ = nullptr;
  uint64_t generation_ = 0;
  double pause_ms_ = 0;
  SnapshotOutcome outcome_;
  std::vector<uint32_t> split_;  // huge pages
};

}  // namespace forkstore
