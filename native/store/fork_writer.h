// ForkWriter: an image written by a forked child, from its copy-on-write view.
//
// The child: all signals blocked across the fork, and ignored in it, so that Ctrl-C, or a service manager's
// SIGTERM to the group, reaches the application alone; a limit on the size of files is a failed write; closes
// every descriptor but its own at once; raises its oom_score_adj to 1000, is niced; leaves by _exit; notices
// the parent's death through a pipe. It is cloned without an exit signal, so that no SIGCHLD handler of the
// application ever hears of it, and awaited with __WALL. Where the system makes no such process (qemu-user),
// it has SIGCHLD, and its exit status may go to the application's wait for any child.
#pragma once

#include <memory>

#include "memory/arena.h"
#include "store/directory.h"
#include "store/snapshot.h"

namespace forkstore {

class ForkWriter : public SnapshotWriter {
 public:
  // Forks, on the owner's thread. REQUIRES: the arena's PageKeeper is paused. Errors: kSnapshotFailed, with the
  // errno of the call that failed; *refused: that was the fork itself.
  static Status Fork(Arena* arena, Directory* directory, const SnapshotRequest& request,
                     std::unique_ptr<ForkWriter>* writer, bool* refused);
  ~ForkWriter() override;  // kills the child if it still runs

  double fork_ms() const;
  int64_t child_pid() const;

  Status Begin() override { return Status::Ok(); }
  Heard Listen(uint32_t timeout_ms) override;
  void Stop() override;
  bool can_be_killed() const override { return true; }
  Status End(SnapshotOutcome* outcome) override;
  bool has_ended() const override;
  uint64_t bytes_written() const override;

 private:
  ForkWriter();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
