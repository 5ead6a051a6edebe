#include "image/paced_file.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace forkstore {

PacedFile::PacedFile(int fd) : fd_(fd) {
  const int flags = fcntl(fd, F_GETFL);
  direct_ = flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

bool PacedFile::Fail(const char* call, int error) {
  call_ = call;
  error_ = error;
  return false;
}

bool PacedFile::StopDirect() {
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) return Fail("fcntl", errno);
  direct_ = false;
  return true;
}

bool PacedFile::Reserve(uint64_t bytes) {
  int result;
  do {
    result = fallocate(fd_, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  // Anything but "no room" (EOPNOTSUPP, ENOSYS, ...) leaves it to the writes to succeed or fail.
  if (result != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) return Fail("fallocate", errno);
  return true;
}

bool PacedFile::WriteAt(uint64_t position, const void* data, uint64_t bytes) {
  const Piece piece{position, bytes};
  iovec left{const_cast<void*>(data), bytes};
  while (left.iov_len > 0) {
    const ssize_t written = pwritev(fd_, &left, 1, static_cast<off_t>(position));
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EINVAL && direct_) {
        if (!StopDirect()) return false;
        continue;
      }
      return Fail("pwritev", errno);
    }
    if (written == 0) return Fail("pwritev", EIO);
    const auto count = static_cast<uint64_t>(written);
    written_bytes_ += count;
    position += count;
    left = {static_cast<uint8_t*>(left.iov_base) + count, left.iov_len - count};
  }
  return direct_ || Pace(piece);
}

bool PacedFile::Pace(Piece piece) {
  if (!paceable_) return true;
  // Starts writing the newest, and waits for the oldest, which then leaves the cache.
  Piece& oldest = under_way_[pieces_ % kMostUnderWay];
  const auto start = [this](const Piece& one, unsigned flags) {
    return sync_file_range(fd_, static_cast<off_t>(one.position), static_cast<off_t>(one.bytes), flags);
  };
  constexpr unsigned kWait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  const bool is_full = pieces_ >= kMostUnderWay;
  if (start(piece, SYNC_FILE_RANGE_WRITE) != 0 || (is_full && start(oldest, kWait) != 0)) {
    // A failed write is told once for each open file: here, and then fsync would no longer know of it.
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT) return Fail("sync_file_range", errno);
    if (errno != EINTR) paceable_ = false;  // this file system has no such thing
    return true;
  }
  if (is_full) {
    posix_fadvise(fd_, static_cast<off_t>(oldest.position), static_cast<off_t>(oldest.bytes),
                  POSIX_FADV_DONTNEED);
  }
  oldest = piece;
  ++pieces_;
  return true;
}

bool PacedFile::Sync() {
  int result;
  do {
    result = fsync(fd_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return Fail("fsync", errno);
  if (!direct_) posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  return true;
}

}  // namespace forkstore
