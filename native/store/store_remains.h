// StoreRemains: what is left of a store that has been closed, until it has been given back. That takes time
// in proportion to the data (memory is unmapped) and waits for threads, so the owner may leave it to another
// thread.
//
// Thread safety: one thread at a time, any.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "log/log.h"
#include "store/directory.h"
#include "store/snapshot.h"

namespace forkstore {

struct StoreRemains {
  // In this order, so that what writes to the directory goes before its lock is released. The snapshots go
  // first: their watcher uses all the others.
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Log> log;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Snapshots> snapshots;

  bool empty() const { return engine == nullptr; }

  // Kills a running snapshot's child, or waits for its thread's next piece (its on_done is called before this
  // returns), joins the threads, unmaps the memory, and releases the lock last. The destructor does the same.
  // What the log's OnProgress was given must live until then.
  void Release() {
    snapshots.reset();
    engine.reset();
    log.reset();
    directory.reset();
  }
};

}  // namespace forkstore
