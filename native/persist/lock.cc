#include "persist/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "persist/file_descriptor.h"

namespace forkstore {

namespace {

// The pid in the lock's text; 0 when there is none (the holder has not come to write it yet).
long HolderPid(int fd) {
  char text[24] = {};
  ssize_t bytes;
  do {
    bytes = pread(fd, text, sizeof(text) - 1, 0);
  } while (bytes < 0 && errno == EINTR);
  const long pid = bytes > 0 ? strtol(text, nullptr, 10) : 0;
  return pid > 0 ? pid : 0;
}

// For people and messages only: failing to write it (a full disk) does not fail the lock.
void WritePid(int fd) {
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

Status DirectoryLock::Take(int directory_fd, const std::string& name, std::unique_ptr<DirectoryLock>* lock) {
  FileDescriptor fd(OpenRetrying(directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd.valid()) return Status(Code::kIo, "cannot open the lock file of " + name, errno);
  int result;
  do {
    result = flock(fd.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) {
    const long pid = HolderPid(fd.get());
    const std::string holder = pid != 0 ? "process " + std::to_string(pid) : "another process";
    return Status(Code::kLocked, name + " is in use by " + holder, EWOULDBLOCK);
  }
  if (result != 0) return Status(Code::kIo, "cannot lock " + name, errno);
  WritePid(fd.get());
  lock->reset(new DirectoryLock(fd.Release()));
  return Status::Ok();
}

DirectoryLock::~DirectoryLock() {
  // Closing alone would not do while a process that was just forked still has a copy.
  flock(fd_, LOCK_UN);
  close(fd_);
}

}  // namespace forkstore
