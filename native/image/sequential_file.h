// SequentialFile: writes a file from its beginning to its end, past the page cache where that can be
// had. Used in the forked child: async-signal-safe, no allocation.
#pragma once

#include <sys/uio.h>

#include <cstdint>

namespace forkstore {

class SequentialFile {
 public:
  // Does not own `fd`. Switches to O_DIRECT if the file takes it.
  explicit SequentialFile(int fd);

  // Reserves blocks for the whole file, where the file system can. False: error() and call() say why.
  bool Reserve(uint64_t bytes);
  // Writes all of the pieces at the end. Addresses and lengths are multiples of 4096. Changes `pieces`.
  bool Write(iovec* pieces, int count);
  bool Write(const void* data, uint64_t bytes);
  bool Sync();

  uint64_t position() const { return position_; }
  bool direct() const { return direct_; }
  int error() const { return error_; }
  const char* call() const { return call_; }

 private:
  bool Fail(const char* call, int error);
  bool StopDirect();
  bool Pace();

  int fd_;
  bool direct_ = false;
  bool paceable_ = true;
  uint64_t position_ = 0;
  uint64_t paced_ = 0;  // start of the window that the kernel was asked to write last
  int error_ = 0;
  const char* call_ = "";
};

}  // namespace forkstore
