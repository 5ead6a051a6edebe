// What runs in the forked child of a snapshot: async-signal-safe calls only, no allocation, no return.
#pragma once

#include <cstdint>

#include "image/image_format.h"
#include "image/image_writer.h"

namespace forkstore {

// What the child tells its parent, through a pipe. Small enough for writes to be atomic.
struct ChildMessage {
  uint64_t bytes_written;
  uint64_t copied_bytes;
  uint32_t final;  // 1: the last message; the file is written and synced, or `error` says why not
  uint32_t copied_bytes_known;  // 0: /proc/self/smaps could not be read
  int32_t error;                // errno of the failed call
  char call[36];                // its name
};
static_assert(sizeof(ChildMessage) == 64);

// Prepared by the parent before the fork.
struct ChildTask {
  ImageSource source;
  ImageWriterSpace* space;
  int directory;  // where the image is written
  PaceLimits pace;
  int progress;             // the pipe's end for writing, O_NONBLOCK
  char temporary_name[64];  // of the file, which the child makes; one that is there is removed
};

// REQUIRES: all signals are blocked.
[[noreturn]] void RunSnapshotChild(const ChildTask& task);

}  // namespace forkstore
