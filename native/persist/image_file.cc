#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "persist/file_descriptor.h"
#include "persist/image_reader.h"

namespace forkstore {

namespace {

Status TooShort() {
  return Status(Code::kCorrupt, "image: the file ends too early");
}

class DiskImageFile : public ImageFile {
 public:
  DiskImageFile(FileDescriptor fd, uint64_t size, std::string path)
      : fd_(std::move(fd)), size_(size), path_(std::move(path)) {}

  uint64_t size() const override { return size_; }

  Status ReadAt(uint64_t position, void* out, uint64_t bytes) override {
    uint8_t* next = static_cast<uint8_t*>(out);
    while (bytes > 0) {
      const ssize_t got = pread(fd_.get(), next, bytes, static_cast<off_t>(position));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EINVAL && StopDirect()) continue;
      if (got < 0) return Status(Code::kIo, "cannot read " + path_ + ": " + ErrorText(errno), errno);
      if (got == 0) return TooShort();
      next += got;
      position += static_cast<uint64_t>(got);
      bytes -= static_cast<uint64_t>(got);
    }
    return Status::Ok();
  }

 private:
  // True once: some file systems take O_DIRECT at open() and refuse it at the first read.
  bool StopDirect() {
    const int flags = fcntl(fd_.get(), F_GETFL);
    const bool stopped =
        flags >= 0 && (flags & O_DIRECT) != 0 && fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) == 0;
    if (!stopped) errno = EINVAL;
    return stopped;
  }

  FileDescriptor fd_;
  uint64_t size_;
  std::string path_;
};

class MemoryImageFile : public ImageFile {
 public:
  MemoryImageFile(const void* data, uint64_t bytes)
      : data_(static_cast<const uint8_t*>(data)), size_(bytes) {}

  uint64_t size() const override { return size_; }

  Status ReadAt(uint64_t position, void* out, uint64_t bytes) override {
    if (position > size_ || bytes > size_ - position) return TooShort();
    memcpy(out, data_ + position, bytes);
    return Status::Ok();
  }

 private:
  const uint8_t* data_;
  uint64_t size_;
};

}  // namespace

Status ImageFile::Open(const std::string& path, std::unique_ptr<ImageFile>* file) {
  // O_NONBLOCK: opening a FIFO of that name must not wait for a writer.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  FileDescriptor fd(OpenRetrying(AT_FDCWD, path.c_str(), kFlags | O_DIRECT));
  if (!fd.valid() && errno == EINVAL) fd.Reset(OpenRetrying(AT_FDCWD, path.c_str(), kFlags));
  if (!fd.valid()) return Status(Code::kIo, "cannot open " + path + ": " + ErrorText(errno), errno);
  // Not fstat(): programs that call it do not load with C libraries before 2.33.
  struct statx status;
  if (statx(fd.get(), "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status) != 0) {
    return Status(Code::kIo, "cannot examine " + path + ": " + ErrorText(errno), errno);
  }
  if (!S_ISREG(status.stx_mode)) return Status(Code::kCorrupt, path + " is not a regular file");
  *file = std::make_unique<DiskImageFile>(std::move(fd), status.stx_size, path);
  return Status::Ok();
}

std::unique_ptr<ImageFile> ImageFile::FromMemory(const void* data, uint64_t bytes) {
  return std::make_unique<MemoryImageFile>(data, bytes);
}

}  // namespace forkstore
