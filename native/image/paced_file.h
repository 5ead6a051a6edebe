// PacedFile: writes the pieces of a file, in any order, past the page cache where that can be had. Used in the
// forked child, too: async-signal-safe, no allocation.
#pragma once

#include <cstdint>

namespace forkstore {

class PacedFile {
 public:
  // Does not own `fd`. Switches to O_DIRECT if the file takes it.
  explicit PacedFile(int fd);

  // Reserves blocks for the whole file, where the file system can. False: error() and call() say why.
  bool Reserve(uint64_t bytes);
  // Writes all of it. Address, position and length are multiples of 4096.
  bool WriteAt(uint64_t position, const void* data, uint64_t bytes);
  bool Sync();

  uint64_t written_bytes() const { return written_bytes_; }
  bool direct() const { return direct_; }
  int error() const { return error_; }
  const char* call() const { return call_; }

 private:
  struct Piece {
    uint64_t position;
    uint64_t bytes;
  };
  // Buffered writing lets so many pieces be on their way to the disk.
  static constexpr uint64_t kMostUnderWay = 16;

  bool Fail(const char* call, int error);
  bool StopDirect();
  bool Pace(Piece piece);

  int fd_;
  bool direct_ = false;
  bool paceable_ = true;
  uint64_t written_bytes_ = 0;
  Piece under_way_[kMostUnderWay] = {};
  uint64_t pieces_ = 0;  // that were ever on their way
  int error_ = 0;
  const char* call_ = "";
};

}  // namespace forkstore
