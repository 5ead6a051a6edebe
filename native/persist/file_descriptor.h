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
