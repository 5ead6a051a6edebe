// DirectoryLock: one process at a time has a store's directory.
//
// flock() belongs to the open file, not to the process: it goes when the last descriptor of it is closed,
// by a crash too, and two stores of one process exclude each other like those of two. (fcntl locks
// would be lost as soon as anything in the process closed the file.)
#pragma once

#include <memory>

#include "base/status.h"

namespace forkstore {

class DirectoryLock {
 public:
  // Takes the lock on the file `lock` of the directory, without waiting. `name` is for messages.
  // Errors: kLocked (message names the holder's pid), kIo.
  static Status Take(int directory_fd, const std::string& name, std::unique_ptr<DirectoryLock>* lock);
  ~DirectoryLock();  // releases it, even where a child still holds a copy of the descriptor
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace forkstore
