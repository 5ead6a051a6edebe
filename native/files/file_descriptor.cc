#include "files/file_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace forkstore {

void FileDescriptor::Reset(int fd) {
  const int saved = errno;
  if (fd_ >= 0) close(fd_);  // never retried: Linux has released the number whatever close() says
  fd_ = fd;
  errno = saved;
}

int OpenRetrying(int directory_fd, const char* path, int flags, unsigned mode) {
  int fd;
  do {
    fd = openat(directory_fd, path, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

int OpenRegular(int directory_fd, const char* name, int flags, unsigned mode) {
  FileDescriptor fd(
      OpenRetrying(directory_fd, name, flags | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, mode));
  if (!fd.valid()) return -1;
  // Not fstat(): programs that call it do not load with C libraries before 2.33.
  struct statx is;
  if (statx(fd.get(), "", AT_EMPTY_PATH, STATX_TYPE, &is) != 0) return -1;
  if (S_ISREG(is.stx_mode)) return fd.Release();
  errno = S_ISDIR(is.stx_mode) ? EISDIR : ENXIO;
  return -1;
}

bool FindData(int fd, uint64_t from, uint64_t* begin, uint64_t* end) {
  *begin = *end = from;
  const off_t data = lseek(fd, static_cast<off_t>(from), SEEK_DATA);
  if (data < 0) return errno == ENXIO;
  const off_t hole = lseek(fd, data, SEEK_HOLE);
  if (hole < 0) return false;
  *begin = static_cast<uint64_t>(data);
  *end = static_cast<uint64_t>(hole);
  return true;
}

namespace {

bool IsSame(const struct statx& a, const struct statx& b) {
  return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

}  // namespace

int FindAgain(int directory_fd, const char* name, int fd) {
  struct statx named, is;
  if (statx(directory_fd, name, AT_SYMLINK_NOFOLLOW, STATX_INO, &named) != 0) return errno;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO, &is) != 0) return errno;
  return IsSame(named, is) ? 0 : ENOENT;
}

bool IsSameFile(int fd, int other) {
  struct statx a, b;
  return statx(fd, "", AT_EMPTY_PATH, STATX_INO, &a) == 0 &&
         statx(other, "", AT_EMPTY_PATH, STATX_INO, &b) == 0 && IsSame(a, b);
}

bool IsRemoved(int directory_fd) {
  struct statx is;
  return statx(directory_fd, "", AT_EMPTY_PATH, STATX_NLINK, &is) == 0 && is.stx_nlink == 0;
}

bool SyncRetrying(int fd) {
  int result;
  do {
    result = fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

std::string ErrorText(int error) {
  if (error == ENXIO) return "not a regular file, or its device is gone";
  char buffer[128];
  return strerror_r(error, buffer, sizeof(buffer));  // the GNU one: returns the text
}

bool WriteFully(int fd, const void* data, size_t bytes) {
  const uint8_t* next = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const ssize_t written = write(fd, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) return false;
    next += written;
    bytes -= static_cast<size_t>(written);
  }
  return true;
}

int64_t ReadFully(int fd, void* out, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = read(fd, static_cast<uint8_t*>(out) + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<int64_t>(done);
}

}  // namespace forkstore
