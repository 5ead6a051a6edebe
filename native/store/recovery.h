// Opening a store: the lock, the newest generation that verifies, or a new store; docs/format.md,
// section 6.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "image/image_format.h"
#include "log/log.h"
#include "log/log_recovery.h"
#include "store/directory.h"
#include "store/snapshot.h"

namespace forkstore {

struct SkippedGeneration {
  uint64_t generation;
  std::string reason;
  bool damaged;  // the file's bytes are wrong; else the disk did not give them
};

struct OpenOptions {
  OpenOptions() = default;  // not an aggregate: the brace form belongs to ArenaOptions
  ArenaOptions arena;
  // 'everysec' and 'commit': OpenedStore::log is there. Else a log that is there is replayed and given up.
  bool log = false;
  // Damage to the log does not refuse: the longest good prefix, after copying the damaged files aside.
  bool salvage = false;
  LogOptions log_options;
  // Snapshots will be by kCopy: all that the first needs is prepared (Store::Open).
  bool prepare_copies = false;
  uint64_t max_copied_bytes = 0;      // of them; 0: the default
  ReplayProgress progress = nullptr;  // of the replay; on the calling thread
  void* progress_context = nullptr;
  // Tests: instead of the directory's own, for log files and manifest. Called once.
  std::unique_ptr<LogFileSystem> (*file_system)(void* context, int directory_fd) = nullptr;
  void* file_system_context = nullptr;
};

// What the log brought, for the `recovered` event (which has something to say when `tails` or `salvaged` is
// not empty) and for stats.
struct RecoveredLog {
  bool found = false;  // there was a manifest
  uint64_t batches = 0;
  uint64_t operations = 0;
  uint64_t writes = 0;  // of these, those that changed what is stored
  uint64_t bytes = 0;   // read
  double replay_ms = 0;
  std::vector<LogTail> tails;             // torn, cut
  std::string salvaged;                   // the damage, when `salvage` has gone over it
  std::vector<std::string> copied_aside;  // names of the copies
};

struct OpenedStore {
  // In this order, so that the snapshots go before the engine, the engine before the log, and the log before the
  // lock is released.
  std::unique_ptr<Directory> directory;  // nullptr: memory only
  std::unique_ptr<Log> log;              // nullptr: durability 'snapshot', or memory only
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Snapshots> snapshots;  // nullptr: memory only

  StoreId store_id{};
  uint64_t generation = 0;       // the one that was loaded (or written by opening)
  uint64_t next_generation = 1;  // for the next snapshot: above every file there is
  uint64_t file_bytes = 0;
  bool created = false;
  bool identity_restored = false;
  std::vector<SkippedGeneration> skipped;  // newer ones that did not verify, newest first
  RecoveredLog recovered_log;
  uint64_t memory_left_bytes = ~uint64_t{0};  // MemoryLeftBytes() when it had been opened
};

// `path` empty: memory only. A new directory gets generation 1, of the empty store, before its identity.
// Generations whose bytes are wrong are renamed to end in `.damaged`, so that they are neither counted as
// generations to keep nor lost; those that the disk did not give (EIO) stay what they are. A log is replayed.
// Blocks on disk: not for the event loop's thread. Errors: kLocked, kCorrupt (nothing verifies, or all images
// are gone; damage to the log or its manifest), kVersion (the newest image is of another version, or the
// directory belongs to the JavaScript engine), kFull (the data needs more than twice max_bytes, or, where the
// process may not reserve as many addresses, more than max_bytes), kIo.
// A store that needs more than max_bytes opens, and is held to it from then on: it grows no further.
Status OpenStore(const std::string& path, const OpenOptions& options, OpenedStore* store);
// Without a log.
Status OpenStore(const std::string& path, const ArenaOptions& options, OpenedStore* store);

}  // namespace forkstore
