// Reads and verifies an image; any bytes whatever are a legal file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "image/image_format.h"
#include "memory/arena.h"

namespace forkstore {

// Where an image's bytes come from: a file (O_DIRECT where possible), or memory in tests and fuzzers.
class ImageFile {
 public:
  virtual ~ImageFile() = default;
  virtual uint64_t size() const = 0;
  // Reads exactly `bytes` at `position`; offsets, lengths and `out` are multiples of 4096 (the format
  // allows it: every section is). Errors: kIo; kCorrupt at an early end.
  virtual Status ReadAt(uint64_t position, void* out, uint64_t bytes) = 0;
  // The next bytes from `from` on that lie in no hole: [*begin, *end), multiples of 4096; both are the size
  // where there are none. Holes read as 0. `from`: a multiple of 4096.
  virtual void NextData(uint64_t from, uint64_t* begin, uint64_t* end) {
    *begin = from;
    *end = size();
  }

  // `name` in the directory. Errors: kIo (a symbolic link, too: ELOOP); kCorrupt when it is not a regular
  // file.
  static Status Open(int directory_fd, const std::string& name, std::unique_ptr<ImageFile>* file);
  // For tests and fuzzers. The bytes must outlive it.
  static std::unique_ptr<ImageFile> FromMemory(const void* data, uint64_t bytes);
};

struct ImageInfo {
  StoreId store_id{};
  uint64_t generation = 0;
  uint64_t entries = 0;
  uint64_t writes = 0;
  uint64_t file_bytes = 0;
  double created_ms = 0;
  std::vector<uint32_t> table;
};

// Checks everything that can be checked without looking inside the units, and reads these into the arena
// (which must be fresh), sequentially, with a second thread that reads ahead of the checksums. Does not
// judge the table beyond its length: Allocator::Restore does. Sets no frontier, and marks no page dirty:
// what is in the arena is what the file holds. Whether store id and generation are the expected ones is
// for the caller to say.
// Errors: kCorrupt, kVersion, kIo, kFull (the arena is smaller than the image).
Status ReadImage(ImageFile* file, Arena* arena, ImageInfo* info);

}  // namespace forkstore
