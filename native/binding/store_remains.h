// StoreRemains: what is left of a store that has been closed, until it has been given back. That takes time
// in proportion to the data (memory is unmapped) and waits for threads, so the event loop leaves it to
// another thread.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/log_watch.h"
#include "persist/recovery.h"
#include "persist/snapshot.h"

namespace forkstore {

struct StoreRemains {
  // In this order, so that what writes to the directory goes before its lock is released, and the log, whose
  // threads call the watch, before that.
  std::unique_ptr<LogWatch> log_watch;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Log> log;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<SnapshotProcess> snapshot;

  // Kills a running snapshot's child, joins the threads, unmaps the memory, and releases the lock last. Any
  // thread; the destructor, which does the same, on the environment's, since the log watch is its own.
  void Release();
};

// Releases on a thread of the environment's pool. The promise resolves when the lock is free. Where there can
// be no such work, it is done at once.
Napi::Value ReleaseInBackground(Napi::Env env, std::unique_ptr<StoreRemains> remains);

}  // namespace forkstore
