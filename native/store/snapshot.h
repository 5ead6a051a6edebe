// SnapshotProcess: one snapshot: the fork, the child that writes, and the thread of the parent that
// watches it, publishes the file and reports.
//
//   owner thread            watcher thread                    child
//   Start(): fork --------> reads progress from a pipe <----- writes the image, fsync
//   returns at once         kills it when silent too long     reports copied bytes, _exit
//                           waitpid, Publish, on_done()
//
// The owner waits for no disk: the child makes its file, the watcher publishes or removes it.
//
// The child: all signals blocked across the fork, and ignored in it, so that Ctrl-C, or a service manager's
// SIGTERM to the group, reaches the application alone; a limit on the size of files is a failed write; closes
// every descriptor but its own at once; raises its oom_score_adj to 1000, is niced; leaves by _exit; notices
// the parent's death through a pipe. It is cloned without an exit signal, so that no SIGCHLD handler of the
// application ever hears of it, and awaited with __WALL. Where the system makes no such process (qemu-user),
// it has SIGCHLD, and its exit status may go to the application's wait for any child.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "image/image_format.h"
#include "memory/arena.h"
#include "store/directory.h"

namespace forkstore {

struct SnapshotOutcome {
  Status status;  // kOk, or kSnapshotFailed with the cause in the message and system_errno
  uint64_t generation = 0;
  std::string path;    // of the published image
  uint64_t bytes = 0;  // of the file
  uint64_t entries = 0;
  double fork_ms = 0;               // the fork call alone
  double duration_ms = 0;           // from Start to published
  uint64_t copied_bytes = 0;        // memory copied by copy-on-write meanwhile (smaps of the child)
  bool copied_bytes_known = false;  // false: the child could not read its smaps, copied_bytes is 0
};

struct SnapshotRequest {
  ImageSource source;
  uint32_t keep = 2;
  uint32_t watchdog_ms = 30000;  // silence after which the child is killed
  // Called on the watcher thread when the image is published, before older generations are removed; may
  // block. Unless it returns kOk the snapshot has failed, and every image stays where it is. *named: those
  // that must not be removed. With a log: Log::PublishedHook and the log.
  Status (*published)(void* context, uint64_t generation, uint32_t keep,
                      std::vector<uint64_t>* named) = nullptr;
  void* published_context = nullptr;
};

class SnapshotProcess {
 public:
  // Called once, on the watcher thread, after a Start() that has succeeded; by the destructor's return at the
  // latest. Must not destroy the SnapshotProcess. The child is gone by then.
  using OnDone = void (*)(void* context, SnapshotOutcome&& outcome);

  // Forks. REQUIRES: the arena's PageKeeper is paused; the arena, its allocator's table and `directory`
  // outlive the process. Exposes the arena for the fork and hides it again. The caller does
  // Arena::BeginSave, and EndSave, or CancelSave when this fails. *process may hold the last one, whose
  // on_done has been called: the new watcher joins its thread, so that the owner does not wait for it to end.
  // Errors: kSnapshotFailed (fork, pipe, thread failed; temp file gone; on_done is not called; *process is as
  // it was).
  static Status Start(Arena* arena, Directory* directory, const SnapshotRequest& request, OnDone on_done,
                      void* context, std::unique_ptr<SnapshotProcess>* process);

  // Kills the child if it still runs (the outcome is then a failure), and joins the watcher.
  ~SnapshotProcess();

  int64_t child_pid() const;
  uint64_t bytes_written() const;  // progress, for stats

 private:
  SnapshotProcess() = default;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
