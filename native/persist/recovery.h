// Opening a store: the lock, the newest generation that verifies, or a new store; docs/format.md,
// section 6.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "persist/directory.h"
#include "persist/image_format.h"

namespace forkstore {

struct SkippedGeneration {
  uint64_t generation;
  std::string reason;
  bool damaged;  // the file's bytes are wrong; else the disk did not give them
};

struct OpenedStore {
  // In this order, so that the engine goes before the lock is released.
  std::unique_ptr<Directory> directory;  // nullptr: memory only
  std::unique_ptr<Engine> engine;

  StoreId store_id{};
  uint64_t generation = 0;       // the one that was loaded
  uint64_t next_generation = 1;  // for the next snapshot: above every file there is
  uint64_t file_bytes = 0;
  bool created = false;
  bool identity_restored = false;
  std::vector<SkippedGeneration> skipped;  // newer ones that did not verify, newest first
};

// `path` empty: memory only. A new directory gets generation 1, of the empty store, before its identity.
// Generations whose bytes are wrong are renamed to end in `.damaged`, so that they are neither counted as
// generations to keep nor lost; those that the disk did not give (EIO) stay what they are. Blocks on disk:
// not for the event loop's thread. Errors: kLocked, kCorrupt (nothing verifies, or all images are gone),
// kVersion (the newest image is of another version, or the directory belongs to the JavaScript engine), kFull
// (max_bytes is smaller than the data), kIo.
Status OpenStore(const std::string& path, const ArenaOptions& options, OpenedStore* store);

}  // namespace forkstore
