#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "files/file_descriptor.h"
#include "image/image_reader.h"

namespace forkstore {

namespace {

Status TooShort() {
  return Status(Code::kCorrupt, "image: the file ends too early");
}

class DiskImageFile : public ImageFile {
 public:
  DiskImageFile(FileDescriptor fd, uint64_t size, std::string name)
      : fd_(std::move(fd)), size_(size), name_(std::move(name)) {}

  uint64_t size() const override { return size_; }

  Status ReadAt(uint64_t position, void* out, uint64_t bytes) override {
    uint8_t* next = static_cast<uint8_t*>(out);
    while (bytes > 0) {
      const ssize_t got = pread(fd_.get(), next, bytes, static_cast<off_t>(position));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EINVAL && StopDirect()) continue;
      if (got < 0) return Status(Code::kIo, "cannot read " + name_ + ": " + ErrorText(errno), errno);
      if (got == 0) return TooShort();
      next += got;
      position += static_cast<uint64_t>(got);
      bytes -= static_cast<uint64_t>(got);
    }
    return Status::Ok();
  }

  void NextData(uint64_t from, uint64_t* begin, uint64_t* end) override {
    if (!FindData(fd_.get(), from, begin, end)) return ImageFile::NextData(from, begin, end);
    if (*begin == *end) *begin = *end = size_;
    *begin = *begin / kImageBlockBytes * kImageBlockBytes;
    *end = RoundUp(*end, kImageBlockBytes);
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
  std::string name_;
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

Status ImageFile::Open(int directory_fd, const std::string& name, std::unique_ptr<ImageFile>* file) {
  FileDescriptor fd(OpenRegular(directory_fd, name.c_str(), O_RDONLY | O_DIRECT));
  if (!fd.valid() && errno == EINVAL) fd.Reset(OpenRegular(directory_fd, name.c_str(), O_RDONLY));
  if (!fd.valid()) {
    // What is no file at all holds no image, and will not.
    const bool other = errno == ENXIO || errno == EISDIR;
    return Status(other ? Code::kCorrupt : Code::kIo, "cannot open " + name + ": " + ErrorText(errno), errno);
  }
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return Status(Code::kIo, "cannot examine " + name + ": " + ErrorText(errno), errno);
  *file = std::make_unique<DiskImageFile>(std::move(fd), static_cast<uint64_t>(size), name);
  return Status::Ok();
}

std::unique_ptr<ImageFile> ImageFile::FromMemory(const void* data, uint64_t bytes) {
  return std::make_unique<MemoryImageFile>(data, bytes);
}

}  // namespace forkstore
