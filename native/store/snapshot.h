// Snapshots: the snapshots of one store, one at a time: who writes, and the thread that watches the writer,
// publishes the file and reports.
//
//   owner thread               watcher thread                 writer: a forked child, or a thread
//   Start(): fork or freeze    Begin() ---------------------> (a thread starts)
//   returns at once            Listen() <-------------------- writes the image, fsync
//                              stops it when silent too long
//                              End(), Publish, on_done()
//
// The owner waits for no disk, and starts no thread but the watcher, once: it stays for all snapshots.
//
// A writer that is a thread cannot be killed while it waits for the disk. Then the snapshot has failed, and
// ones by kCopy are refused until the disk has answered. Whoever destroys the Snapshots waits as long.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "image/image_format.h"
#include "image/pace.h"
#include "memory/allocator.h"
#include "store/directory.h"
#include "store/snapshot_writer.h"

namespace forkstore {

struct SnapshotRequest {
  SnapshotStrategy strategy = SnapshotStrategy::kFork;
  ImageSource source{};
  // Of kCopy: how much memory copies may take at one time, and what the frozen table is of.
  uint64_t max_copied_bytes = 0;
  FrozenTable* frozen_table = nullptr;
  uint32_t keep = 2;
  uint32_t watchdog_ms = 30000;  // silence after which the writer is stopped
  PaceLimits pace;
  // Called on the watcher thread when the image is published, before older generations are removed; may
  // block. Unless it returns kOk the snapshot has failed, and every image stays where it is. *named: those
  // that must not be removed. With a log: Log::PublishedHook and the log.
  Status (*published)(void* context, uint64_t generation, uint32_t keep,
                      std::vector<uint64_t>* named) = nullptr;
  void* published_context = nullptr;
};

class Snapshots {
 public:
  // Called once, on the watcher thread, after a Start() that has succeeded; by the destructor's return at the
  // latest. Must not destroy the Snapshots. A child is gone by then; a thread has ended, or nothing of what it
  // reads counts (it may go on reading until its next piece: the arena must outlive the Snapshots).
  using OnDone = void (*)(void* context, SnapshotOutcome&& outcome);

  // Both outlive it. No thread yet.
  Snapshots(Arena* arena, Directory* directory);
  // Stops a writer that still runs (the outcome is then a failure), and joins the watcher.
  ~Snapshots();
  Snapshots(const Snapshots&) = delete;
  Snapshots& operator=(const Snapshots&) = delete;

  // Starts the watcher, so that no Start() has to. Errors: kIo.
  Status StartWatcher();

  // kFork: forks. REQUIRES: the arena's PageKeeper is paused. Exposes the arena for the fork and hides it
  // again. kCopy: freezes the arena and the table. REQUIRES: both can be frozen (FrozenPages::is_created).
  // For both: the arena, its allocator's table and the directory outlive the snapshot. The caller does
  // Arena::BeginSave before, and EndSave (and Thaw, the owner) after on_done, or CancelSave when this fails.
  // REQUIRES: on_done of the last one was called.
  // Errors: kSnapshotFailed (fork, pipe, thread failed; temp file gone; on_done is not called; all is as it was).
  Status Start(const SnapshotRequest& request, OnDone on_done, void* context);
  // Of the snapshot under way; for tests, and for stats. 0: there is none.
  int64_t child_pid() const;
  uint64_t bytes_written() const;
  // The last Start() failed because the system did not let the process fork.
  bool fork_refused() const;
  // A writer by kCopy still waits for the disk, though its snapshot has failed.
  bool is_stuck() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
