// StoreSnapshot: one snapshot of a Store (store.h), from the fork or freeze to its outcome.
//
//   owner                                       watcher thread (store/snapshot.h)
//   Store::PrepareSnapshot(): the strategy
//   Store::StartSnapshot(): cut, fork/freeze -> publishes the image, then, by Log::Published(), the manifest
//                                               Done(): the marks of changed pages go, or come back
//   Store::FinishSnapshot() <--- the caller --- on_done(context)
//
// It may outlive the store: where that is closed meanwhile, StoreRemains has on_done called, and nobody calls
// FinishSnapshot().
//
// Thread safety: the watcher's from the fork or freeze until it calls on_done, the owner's before and after.
// pause_ms() and choice() are the owner's all the time.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "memory/arena.h"
#include "store/snapshot.h"
#include "store/snapshot_strategy.h"

namespace forkstore {

struct SnapshotSettings {
  uint32_t keep = 2;             // so many of the newest generations stay
  uint32_t watchdog_ms = 30000;  // silence after which the writer is stopped
  AskedStrategy asked = AskedStrategy::kAuto;
  uint64_t max_copied_bytes = 0;      // of kCopy; 0: DefaultCopiedBytes()
  uint64_t max_bytes_per_second = 0;  // of the image; 0: no limit
};

// Makes the arena and its unit table such that they can be frozen, if they are not yet: addresses, no memory.
// Errors: kIo.
Status PrepareFreezing(Engine* engine, uint64_t max_copied_bytes);

class StoreSnapshot {
 public:
  // Called once: on the watcher thread, or within Store::StartSnapshot(). It may destroy the StoreSnapshot
  // only where the owner is not in Store::StartSnapshot(), and does not look at it any more.
  using OnDone = void (*)(void* context);

  StoreSnapshot(OnDone on_done, void* context) : on_done_(on_done), context_(context) {}
  StoreSnapshot(const StoreSnapshot&) = delete;
  StoreSnapshot& operator=(const StoreSnapshot&) = delete;

  // REQUIRES: on_done was called. Of one without a writer all but the status is as it is made.
  const SnapshotOutcome& outcome() const { return outcome_; }
  // How long the owner was held up, in milliseconds, from PrepareSnapshot() on; 0 without a writer.
  double pause_ms() const { return pause_ms_; }
  // How it was taken, and why so.
  const StrategyChoice& choice() const { return choice_; }

  // For Snapshots::Start(); `snapshot` is a StoreSnapshot* that was given to Store::CutForSnapshot().
  static void Done(void* snapshot, SnapshotOutcome&& outcome);

 private:
  friend class Store;

  OnDone on_done_;
  void* context_;
  Arena* arena_ = nullptr;
  uint64_t generation_ = 0;
  double pause_ms_ = 0;
  StrategyChoice choice_;
  uint64_t mapped_bytes_ = 0;
  SnapshotOutcome outcome_;
  std::vector<uint32_t> split_;  // huge pages
};

}  // namespace forkstore
