// FileDescriptor: closes what it holds. And open(), read() and write() that begin again after a signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace forkstore {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { Reset(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);  // keeps errno, so that it may follow a failed call

 private:
  int fd_;
};

// openat(); -1 and errno on failure.
int OpenRetrying(int directory_fd, const char* path, int flags, unsigned mode = 0);
// The same for a regular file that lies in the directory itself, which may hold anything under any name: it
// waits for no other end of a FIFO and for no device, and follows no link. -1 and errno: ELOOP for a symbolic
// link, EISDIR for a directory, ENXIO for whatever else is no regular file.
int OpenRegular(int directory_fd, const char* name, int flags, unsigned mode = 0);
// The next bytes of a file from `from` on that lie in no hole: [*begin, *end), empty where there are none;
// holes read as 0, and take no memory unless they are read. False: the file system cannot tell.
bool FindData(int fd, uint64_t from, uint64_t* begin, uint64_t* end);
// Whether `name` in the directory is the very file that `fd` is. 0; ENOENT: it is gone, or another; or an
// errno.
int FindAgain(int directory_fd, const char* name, int fd);
// Whether both are open on one file. False also where either is not open.
bool IsSameFile(int fd, int other);
// The directory has been removed: nothing that is written into it will ever be found.
bool IsRemoved(int directory_fd);
// fsync(); false and errno on failure. Only EINTR is retried: after any other failure the kernel may have
// dropped what it could not write, and a second fsync would lie.
bool SyncRetrying(int fd);
// What errno means, in words; safe on every thread, unlike strerror().
std::string ErrorText(int error);
// All of it, or false and errno.
bool WriteFully(int fd, const void* data, size_t bytes);
// Bytes read, fewer than `bytes` only at the end of the file; -1 and errno on failure.
int64_t ReadFully(int fd, void* out, size_t bytes);

}  // namespace forkstore
