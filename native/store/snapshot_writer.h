// SnapshotWriter: who writes one image while the owner goes on: a forked child (fork_writer.h), or a thread
// over frozen pages (copy_writer.h). Snapshots (snapshot.h) watches it, and publishes what it has written.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace forkstore {

enum class SnapshotStrategy : uint8_t { kFork, kCopy };

// What failed, as the failure of a snapshot.
inline Status AsSnapshotFailure(const Status& cause) {
  return Status(Code::kSnapshotFailed, cause.message(), cause.system_errno());
}

struct SnapshotOutcome {
  Status status;  // kOk, or kSnapshotFailed with the cause in the message and system_errno
  SnapshotStrategy strategy = SnapshotStrategy::kFork;
  uint64_t generation = 0;
  std::string path;    // of the published image
  uint64_t bytes = 0;  // of the file
  uint64_t entries = 0;
  double fork_ms = 0;      // the fork call alone
  double duration_ms = 0;  // from Start to published
  // Memory copied meanwhile: by copy-on-write (smaps of the child); or, by kCopy, the most at one time.
  uint64_t copied_bytes = 0;
  bool copied_bytes_known = false;  // false: the child could not read its smaps, copied_bytes is 0
  bool copies_exceeded = false;     // kCopy failed because max_copied_bytes were not enough
  // What MemoryLeftBytes() said in the end.
  uint64_t memory_left_bytes = ~uint64_t{0};
};

// Thread safety: the watcher's, but for Stop().
class SnapshotWriter {
 public:
  enum class Heard { kNothing, kProgress, kEnd };

  virtual ~SnapshotWriter() = default;  // waits for the end of the writer

  // Before all else, away from the owner. Errors: kSnapshotFailed; the outcome then.
  virtual Status Begin() = 0;
  // Waits up to `timeout_ms` for news. kEnd: nothing more will come, and nothing but End() is called.
  virtual Heard Listen(uint32_t timeout_ms) = 0;
  // Ends the writing as soon as can be. Any thread, more than once.
  virtual void Stop() = 0;
  // Whether Stop() ends it whatever it waits for: a process can be killed, a thread cannot.
  virtual bool can_be_killed() const = 0;
  // After End(): false only for a writer that was given up, and still waits for the disk. Any thread.
  virtual bool has_ended() const = 0;
  // How it ended: kOk when the image has been written and is on disk. Tells what it knows. Where the watcher
  // gave up on a writer that cannot be killed, this comes without kEnd.
  virtual Status End(SnapshotOutcome* outcome) = 0;

  virtual uint64_t bytes_written() const = 0;  // any thread
};

}  // namespace forkstore
