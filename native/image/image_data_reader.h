// Reads an image's data section into the arena and compares its checksums.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "image/image_format.h"
#include "image/image_reader.h"
#include "memory/arena.h"

namespace forkstore {

struct ImageData {
  ImageFile* file;
  Arena* arena;
  const uint32_t* table;
  uint64_t units;       // at most arena->reserved_bytes() / kUnitBytes
  uint64_t data_units;  // as many as `table` has that are not free
  uint64_t position;    // of the data section; file->size() has been compared with all of it
  const uint32_t* checksums;
};

// A second thread reads while this one computes; where no thread is to be had, this one does both. *touched:
// no unit below this offset has memory that was left as it was, since the file has a hole there. Errors:
// kCorrupt, kIo.
Status ReadImageData(const ImageData& data, uint64_t* touched);

}  // namespace forkstore
