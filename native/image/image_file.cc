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

  Status ReadFresh(uint64_t position, void* out, uint64_t bytes, uint64_t* touched) override {
    *touched = bytes;
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t from = position + done;
      if (from < looked_from_ || from >= data_end_) LookForData(from);
      if (from < data_begin_) {
        *touched = std::min(*touched, done);
        done += std::min(data_begin_ - from, bytes - done);
        continue;
      }
      const uint64_t data = std::min(data_end_ - from, bytes - done);
      Status status = ReadAt(from, static_cast<uint8_t*>(out) + done, data);
      if (!status.ok()) return status;
      done += data;
    }
    return Status::Ok();
  }

 private:
  // Sets [data_begin_, data_end_) to the first data from `from` on, or to what follows the end. REQUIRES: a
  // multiple of 4096 within the file.
  void LookForData(uint64_t from) {
    looked_from_ = from;
    if (!FindData(fd_.get(), from, &data_begin_, &data_end_)) {
      data_begin_ = from;
      data_end_ = size_;
    } else if (data_begin_ == data_end_) {
      data_begin_ = data_end_ = size_ + kImageBlockBytes;
    }
    data_begin_ = data_begin_ / kImageBlockBytes * kImageBlockBytes;
    data_end_ = RoundUp(data_end_, kImageBlockBytes);
  }

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
  // Between the first two is a hole, between the last two is data.
  uint64_t looked_from_ = 0;
  uint64_t data_begin_ = 0;
  uint64_t data_end_ = 0;
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
