// DirectoryLock: one process at a time has a store's directory.
//
// flock() belongs to the open file, not to the process: it goes when the last descriptor of it is closed,
// by a crash too, and two stores of one process exclude each other like those of two. (fcntl locks
// would be lost as soon as anything in the process closed the file.)
//
// Locked is the directory itself, which nobody can remove from under it and make anew in the same place, and
// the file `lock` in it, which older versions lock alone, and which says who it is. Where a file system locks
// no directories (NFS), the file is all there is: whoever removes it lets a second process in, and Check()
// notices.
#pragma once

#include <memory>

#include "base/status.h"
#include "files/file_descriptor.h"

namespace forkstore {

// Thread safety: Check() may be called from any thread.
class DirectoryLock {
 public:
  // Takes the lock, without waiting. `directory_fd` stays the caller's and must stay open. `name` is for
  // messages. Errors: kLocked (message names the holder's pid), kIo (also when `lock` is no regular file).
  static Status Take(int directory_fd, const std::string& name, std::unique_ptr<DirectoryLock>* lock);
  ~DirectoryLock();  // releases it, even where a child still holds a copy of the descriptor
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  // Whether it still keeps others out. Errors: kIo.
  Status Check() const;

 private:
  explicit DirectoryLock(int directory_fd) : directory_fd_(directory_fd) {}
  const int directory_fd_;
  // An opening of its own: the caller's is handed to the children of snapshots, which may outlive the
  // process.
  FileDescriptor directory_;  // none where directories cannot be locked
  FileDescriptor file_;
};

}  // namespace forkstore
