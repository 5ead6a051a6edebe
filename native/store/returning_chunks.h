// ReturningChunks: the data of an image in a forked child, which gives back what it has read. So a page that the
// parent changes afterwards is not copied, and one that it has changed before does not stay twice.
//
// What copy-on-write has copied is counted before it goes: in a few steps, since smaps costs a walk over all page
// tables. Async-signal-safe, no allocation.
#pragma once

#include <cstdint>

#include "image/image_writer.h"

namespace forkstore {

class ReturningChunks : public ArenaChunks {
 public:
  // `buffer` is work space that Next() and CopiedBytes() may use.
  ReturningChunks(const ImageSource& source, char* buffer, uint64_t buffer_bytes);

  uint64_t Next() override;
  // Of the whole arena since the fork; nothing is read any more then. False: smaps could not be read.
  bool CopiedBytes(uint64_t* bytes);

 private:
  void Return();

  const ImageSource& source_;
  char* buffer_;
  uint64_t buffer_bytes_;
  uint64_t step_units_;
  uint64_t returned_units_ = 0;  // all before
  uint64_t copied_bytes_ = 0;    // of these
  bool is_known_ = true;
};

}  // namespace forkstore
