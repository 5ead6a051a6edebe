// CopyWriter: an image written by a thread, out of frozen pages (memory/frozen_pages.h), while the owner goes
// on: no child, no page table copied, no fault taken.
#pragma once

#include <memory>

#include "store/snapshot.h"

namespace forkstore {

class CopyWriter : public SnapshotWriter {
 public:
  // For what is frozen, or is about to be; no thread yet. All that it is given outlives it.
  CopyWriter(FrozenPages* pages, FrozenTable* table, Directory* directory, const ImageSource& source,
             const PaceLimits& pace);
  ~CopyWriter() override;  // waits until the thread has ended, and the disk has answered

  // Starts the thread. Errors: also those of Directory::Check().
  Status Begin() override;
  Heard Listen(uint32_t timeout_ms) override;
  // The thread sees it after its next piece, and ends.
  void Stop() override;
  bool can_be_killed() const override { return false; }
  // Without kEnd, the thread is given up: it goes on until its next piece is written, removes its file, and ends.
  Status End(SnapshotOutcome* outcome) override;
  bool has_ended() const override;
  uint64_t bytes_written() const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
