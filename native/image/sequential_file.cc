#include "image/sequential_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace forkstore {

namespace {

// Buffered writing lets this much collect in the page cache before the kernel has to write it; twice
// as much is dirty at the most.
constexpr uint64_t kPaceBytes = 8 * 1024 * 1024;

}  // namespace

SequentialFile::SequentialFile(int fd) : fd_(fd) {
  const int flags = fcntl(fd, F_GETFL);
  direct_ = flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

bool SequentialFile::Fail(const char* call, int error) {
  call_ = call;
  error_ = error;
  return false;
}

bool SequentialFile::StopDirect() {
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) return Fail("fcntl", errno);
  direct_ = false;
  paced_ = position_;
  return true;
}

bool SequentialFile::Reserve(uint64_t bytes) {
  int result;
  do {
    result = fallocate(fd_, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  // Anything but "no room" (EOPNOTSUPP, ENOSYS, ...) leaves it to the writes to succeed or fail.
  if (result != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) return Fail("fallocate", errno);
  return true;
}

bool SequentialFile::Write(iovec* pieces, int count) {
  while (count > 0) {
    const ssize_t written = pwritev(fd_, pieces, count, static_cast<off_t>(position_));
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EINVAL && direct_) {
        if (!StopDirect()) return false;
        continue;
      }
      return Fail("pwritev", errno);
    }
    if (written == 0) return Fail("pwritev", EIO);
    position_ += static_cast<uint64_t>(written);
    uint64_t left = static_cast<uint64_t>(written);
    while (count > 0 && left >= pieces->iov_len) {
      left -= pieces->iov_len;
      ++pieces;
      --count;
    }
    if (left > 0 && count > 0) {
      pieces->iov_base = static_cast<uint8_t*>(pieces->iov_base) + left;
      pieces->iov_len -= left;
    }
  }
  return direct_ || Pace();
}

bool SequentialFile::Write(const void* data, uint64_t bytes) {
  iovec piece{const_cast<void*>(data), bytes};
  return Write(&piece, 1);
}

bool SequentialFile::Pace() {
  if (!paceable_ || position_ - paced_ < 2 * kPaceBytes) return true;
  // Starts writing the newer window, and waits for the older one, which then leaves the cache.
  const off_t older = static_cast<off_t>(paced_);
  const off_t newer = static_cast<off_t>(paced_ + kPaceBytes);
  const off_t newer_bytes = static_cast<off_t>(position_) - newer;
  constexpr unsigned kWait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (sync_file_range(fd_, newer, newer_bytes, SYNC_FILE_RANGE_WRITE) != 0 ||
      sync_file_range(fd_, older, kPaceBytes, kWait) != 0) {
    // A failed write is told once for each open file: here, and then fsync would no longer know of it.
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT) return Fail("sync_file_range", errno);
    if (errno != EINTR) paceable_ = false;  // this file system has no such thing
    return true;
  }
  posix_fadvise(fd_, older, kPaceBytes, POSIX_FADV_DONTNEED);
  paced_ += kPaceBytes;
  return true;
}

bool SequentialFile::Sync() {
  int result;
  do {
    result = fsync(fd_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return Fail("fsync", errno);
  if (!direct_) posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  return true;
}

}  // namespace forkstore
