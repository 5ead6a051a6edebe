// LogFileSystem: every call by which the log touches the disk, so that tests can stand in for it: drop what
// was not synced, reorder it, fail the n-th call.
//
// All functions return 0 or an errno, exactly once for each system call: beginning again after EINTR or a
// short write is the caller's work (and tested as such). Names are relative to the store's directory.
// Thread safety: any thread; one LogFile is used by one thread at a time.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "files/lock.h"

namespace forkstore {

class LogFile {
 public:
  virtual ~LogFile() = default;  // closes
  virtual int WriteAt(uint64_t position, const void* data, size_t bytes, size_t* written) = 0;
  // *got is less than `bytes` at the end of the file.
  virtual int ReadAt(uint64_t position, void* out, size_t bytes, size_t* got) = 0;
  virtual int DataSync() = 0;  // fdatasync
  // Makes room from 0 to `bytes` and the file that long; reads as 0.
  virtual int Allocate(uint64_t bytes) = 0;
  // Nothing is behind `bytes` any more: it takes no space, and reads as 0 if at all. A file on disk grows to
  // that length where it is shorter, and never shrinks: who copies it meanwhile, by its length, must come to
  // an end.
  virtual int Truncate(uint64_t bytes) = 0;
  virtual int Size(uint64_t* bytes) = 0;
  // From here on every byte is 0, as far as that is known without reading: at most the size.
  virtual int DataEnd(uint64_t* bytes) { return Size(bytes); }
  // The next bytes from `from` on that may not be 0: [*begin, *end), empty where there are none.
  virtual int NextData(uint64_t from, uint64_t* begin, uint64_t* end) {
    *begin = from;
    return Size(end);
  }
  // What is read next comes from the disk. Only advice: a failure is no failure.
  virtual void DropCache() = 0;
};

class LogFileSystem {
 public:
  virtual ~LogFileSystem() = default;
  // A new file, for reading and writing; EEXIST when there is one.
  virtual int Create(const std::string& name, std::unique_ptr<LogFile>* file) = 0;
  // ENOENT when there is none; ELOOP for a link, EISDIR, ENXIO for what else is no regular file. Can be
  // written when that is permitted.
  virtual int Open(const std::string& name, std::unique_ptr<LogFile>* file) = 0;
  virtual int Rename(const std::string& from, const std::string& to) = 0;
  virtual int Remove(const std::string& name) = 0;
  virtual int SyncDirectory() = 0;
  virtual int List(std::vector<std::string>* names) = 0;
  // How much more the file system can hold.
  virtual int FreeBytes(uint64_t* /*bytes*/) { return ENOSYS; }
  // Whether what is in `file` will be found under `name` later: not when somebody has removed it, or the
  // directory, or when another process may have come to lock that. `file` was opened here. Errors: kIo.
  virtual Status Confirm(const std::string& /*name*/, const LogFile* /*file*/) { return Status::Ok(); }

  // The directory's own; `directory_fd` stays the caller's and must stay open, and so must `lock`, which may
  // be nullptr: nobody cares then.
  static std::unique_ptr<LogFileSystem> Posix(int directory_fd, const DirectoryLock* lock = nullptr);
};

// With EINTR and short results continued. 0 or an errno.
int WriteAllAt(LogFile* file, uint64_t position, const void* data, size_t bytes);
int ReadAllAt(LogFile* file, uint64_t position, void* out, size_t bytes, size_t* got);
// Only EINTR is begun again: after any other failure the kernel may have dropped what it could not write, and
// a second sync would lie.
int DataSync(LogFile* file);
int SyncDirectory(LogFileSystem* files);
int OpenFile(LogFileSystem* files, const std::string& name, std::unique_ptr<LogFile>* file);
int CreateFile(LogFileSystem* files, const std::string& name, std::unique_ptr<LogFile>* file);

}  // namespace forkstore
