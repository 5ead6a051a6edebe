// What closing a store leaves is given back on another thread than the event loop's.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/log_watch.h"
#include "store/store_remains.h"

namespace forkstore {

struct ClosedStore {
  // In this order, so that the log, whose threads call the watch, goes before it. The watch goes on the
  // environment's thread, which it is of.
  std::unique_ptr<LogWatch> log_watch;
  StoreRemains remains;
};

// Releases the remains on a thread of the environment's pool. The promise resolves when the lock is free.
// Where there can be no such work, it is done at once. `closed` may be nullptr.
Napi::Value ReleaseInBackground(Napi::Env env, std::unique_ptr<ClosedStore> closed);

}  // namespace forkstore
