// FrozenChunks: the data of an image out of frozen pages, beside the owner that goes on writing. A chunk for
// which many pages had to be copied comes first: so buffers come back as fast as the disk takes chunks, whatever
// is being rewritten. Else they come in their order.
//
// Thread safety: the thread that writes the image; it is the reader of the frozen pages.
#pragma once

#include <cstdint>
#include <vector>

#include "image/image_writer.h"
#include "memory/frozen_pages.h"

namespace forkstore {

class FrozenChunks : public ImageChunks {
 public:
  // `table` is what the unit table was at the freeze; units without data are passed at once. Both outlive it.
  FrozenChunks(FrozenPages* pages, const std::vector<uint32_t>& table);

  uint64_t Next() override;
  // False: there was no buffer for a page of it, or for one before.
  bool Read(uint64_t chunk, uint8_t* to) override;

  // So many copied pages, of 256, make a chunk come first. Chunks with fewer than that hold up at most an
  // eighth of what they would at the worst, and a disk that likes its writes in order gets them so.
  static constexpr uint16_t kManyCopies = 32;

 private:
  static constexpr uint32_t kNoChunk = ~uint32_t{0};

  FrozenPages* pages_;
  const std::vector<uint32_t>& table_;
  std::vector<uint64_t> first_units_;    // of each chunk
  std::vector<uint32_t> chunk_of_unit_;  // kNoChunk: without data
  std::vector<uint16_t> copies_;         // of each chunk that is not read yet, its copied pages
  std::vector<bool> is_read_;
  std::vector<uint32_t> crowded_;  // chunks that have kManyCopies, and some that were read since
  uint64_t next_ = 0;              // all before it are read
};

}  // namespace forkstore
