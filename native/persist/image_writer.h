// Writes an image to a file descriptor. Runs in the forked child: async-signal-safe calls only, no
// allocation; what it needs is on the stack or in static memory reserved before the fork.
#pragma once

#include <cstdint>

#include "persist/image_format.h"

namespace forkstore {

// Work space, mapped by the parent before the fork (mmap, page-aligned), so that the child needs none.
class ImageWriterSpace;

// Called after each chunk with the bytes written so far; false stops the writer (parent has died).
using ImageProgress = bool (*)(void* context, uint64_t bytes_written);

struct ImageWriteResult {
  int error = 0;              // errno of the failed call; 0 = written and synced
  const char* call = "";      // its name, a literal: "open", "pwritev", "fsync", ...
  uint64_t file_bytes = 0;
};

// Writes header, table, data, checksums, footer to `fd` with O_DIRECT when the file takes it
// (switched with fcntl; falls back at the first EINVAL), else buffered and paced (sync_file_range
// and posix_fadvise), so that a snapshot does not fill the page cache. Short writes and EINTR are
// continued. Ends with fsync. Does not close.
ImageWriteResult WriteImage(const ImageSource& source, int fd, ImageWriterSpace* space,
                            ImageProgress progress, void* context);

}  // namespace forkstore
