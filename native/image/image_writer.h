// Writes an image to a file descriptor: in the forked child, or on a thread beside the owner (FrozenChunks).
// Async-signal-safe calls only, no allocation; what it needs is on the stack or in an ImageWriterSpace mapped
// before the fork.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "image/image_format.h"
#include "image/pace.h"

namespace forkstore {

// Work space. Of a fork it is mapped before, so that the child needs none, and costs the parent address space
// only: no page of it is touched before the child writes to its own copy.
class ImageWriterSpace {
 public:
  // Enough for an image of `source`. Errors: kIo.
  static Status Create(const ImageSource& source, std::unique_ptr<ImageWriterSpace>* space);
  ~ImageWriterSpace();
  ImageWriterSpace(const ImageWriterSpace&) = delete;
  ImageWriterSpace& operator=(const ImageWriterSpace&) = delete;

  // All of them page-aligned, as O_DIRECT wants it, and zero at first.
  ImageHeader* header() const { return reinterpret_cast<ImageHeader*>(memory_); }
  ImageFooter* footer() const { return reinterpret_cast<ImageFooter*>(memory_ + kImageBlockBytes); }
  // What is written passes through here (see WriteData); when writing is over, work space for whatever the
  // child has to read.
  static constexpr uint64_t kStagingBytes = kChunkBytes;
  uint8_t* staging() const { return memory_ + 2 * kImageBlockBytes; }
  uint32_t* checksums() const { return reinterpret_cast<uint32_t*>(staging() + kStagingBytes); }
  uint64_t max_chunks() const { return max_chunks_; }

 private:
  ImageWriterSpace() = default;
  uint8_t* memory_ = nullptr;
  uint64_t memory_bytes_ = 0;
  uint64_t max_chunks_ = 0;
};

// Where the data of an image comes from: chunks of kChunkBytes, the last may be shorter, in the order that suits.
class ImageChunks {
 public:
  virtual ~ImageChunks() = default;
  // One that was not named yet. REQUIRES: there is one.
  virtual uint64_t Next() = 0;
  // Copies the one that Next() has named. False: it cannot be had any more.
  virtual bool Read(uint64_t chunk, uint8_t* to) = 0;
};

// Those of an arena that nobody changes, as a forked child sees it; in their order.
class ArenaChunks : public ImageChunks {
 public:
  explicit ArenaChunks(const ImageSource& source) : source_(source) {}
  uint64_t Next() override { return next_++; }
  bool Read(uint64_t chunk, uint8_t* to) override;

 protected:
  // Nothing before it is read any more.
  uint64_t units_read() const { return unit_; }

 private:
  const ImageSource& source_;
  uint64_t next_ = 0;
  uint64_t unit_ = 0;
};

// Called after each write, and again in each rest, with the bytes written so far; false stops the writer (parent
// has died).
using ImageProgress = bool (*)(void* context, uint64_t bytes_written);

struct ImageWriteResult {
  int error = 0;          // errno of the failed call; 0 = written and synced; ECANCELED = `progress` said no
  const char* call = "";  // its name, a literal: "pwritev", "fsync", ...
  uint64_t file_bytes = 0;
  bool direct = false;  // O_DIRECT to the end
  bool gone = false;    // ImageChunks had no chunk any more; error is ENOBUFS
};

// Writes header, table, data, checksums, footer to `fd`, an empty file, with O_DIRECT when it takes that
// (switched with fcntl; falls back at the first EINVAL), else buffered and paced (sync_file_range
// and posix_fadvise), so that a snapshot does not fill the page cache. The file's blocks are reserved
// first, so that a full disk is known early. Short writes and EINTR are continued. Ends with fsync.
// Rests after each piece as `pace` says. Does not close. REQUIRES: `space` was made for the same source.
ImageWriteResult WriteImage(const ImageSource& source, ImageChunks* chunks, int fd, ImageWriterSpace* space,
                            ImageProgress progress, void* context, const PaceLimits& pace = {});
// The same of ArenaChunks.
ImageWriteResult WriteImage(const ImageSource& source, int fd, ImageWriterSpace* space,
                            ImageProgress progress, void* context, const PaceLimits& pace = {});

}  // namespace forkstore
