#include "files/lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "files/ownership.h"

namespace forkstore {

namespace {

constexpr char kName[] = "lock";

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

// 0 or an errno.
int LockAtOnce(int fd) {
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// Whether this process has the file open besides `fd`. The number of a process alone says little: two
// containers that share a directory may both be process 1.
bool IsOpenHere(int fd) {
  DIR* const open_files = opendir("/proc/self/fd");
  if (open_files == nullptr) return false;
  bool found = false;
  while (const dirent* const entry = readdir(open_files)) {
    const int other = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && other != fd && IsSameFile(fd, other)) found = true;
  }
  closedir(open_files);
  return found;
}

// `file`: the lock file, or -1 when it cannot be opened.
Status InUse(const std::string& name, int file) {
  const long pid = file >= 0 ? HolderPid(file) : 0;
  if (pid == getpid() && IsOpenHere(file)) {
    const char* const advice =
        " is open in this very process already, maybe in another thread: use that store, or close it first";
    return Status(Code::kLocked, name + advice, EWOULDBLOCK);
  }
  const std::string holder = pid != 0 ? "process " + std::to_string(pid) : "another process";
  return Status(Code::kLocked, name + " is in use by " + holder, EWOULDBLOCK);
}

}  // namespace

Status DirectoryLock::Take(int directory_fd, const std::string& name, std::unique_ptr<DirectoryLock>* lock) {
  std::unique_ptr<DirectoryLock> taken(new DirectoryLock(directory_fd));
  FileDescriptor directory(OpenRetrying(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) {
    return Status(Code::kIo, "cannot open " + name + " to lock it: " + ErrorText(errno), errno);
  }
  int error = LockAtOnce(directory.get());
  if (error == EWOULDBLOCK) {
    const FileDescriptor file(OpenRegular(directory_fd, kName, O_RDONLY));
    return InUse(name, file.get());
  }
  // Any other error: not on this file system.
  if (error == 0) taken->directory_ = std::move(directory);
  taken->file_.Reset(OpenRegular(directory_fd, kName, O_RDWR | O_CREAT, 0666));
  if (!taken->file_.valid()) {
    const int refusal = errno;
    return Status(Code::kIo,
                  "cannot open the file " + name + "/lock: " + ErrorText(refusal) +
                      OtherOwner(directory_fd, kName, name, refusal),
                  refusal);
  }
  error = LockAtOnce(taken->file_.get());
  if (error == EWOULDBLOCK) return InUse(name, taken->file_.get());
  if (error != 0) return Status(Code::kIo, "cannot lock " + name + ": " + ErrorText(error), error);
  // It may have been removed before it was locked.
  if (Status status = taken->Check(); !status.ok()) return status;
  WritePid(taken->file_.get());
  *lock = std::move(taken);
  return Status::Ok();
}

Status DirectoryLock::Check() const {
  if (directory_.valid()) return Status::Ok();
  const int error = FindAgain(directory_fd_, kName, file_.get());
  if (error == 0) return Status::Ok();
  return Status(Code::kIo,
                error == ENOENT ? std::string("the file lock has been removed: another process may have come")
                                : "cannot examine the file lock: " + ErrorText(error),
                error);
}

DirectoryLock::~DirectoryLock() {
  // Closing alone would not do while a process that was just forked still has a copy.
  if (file_.valid()) flock(file_.get(), LOCK_UN);
  if (directory_.valid()) flock(directory_.get(), LOCK_UN);
}

}  // namespace forkstore
