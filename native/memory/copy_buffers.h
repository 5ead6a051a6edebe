// CopyBuffers: the memory that frozen pages are copied to (frozen_pages.h): pages of a range beside the arena,
// taken by the owner, given back by the reader.
//
//   | in use and given back, in any order ..| prepared, not taken yet ..| reserved, never touched ...|
//   0                                     taken                       prepared                 capacity
//
// A helper prepares memory ahead of the owner, because the first touch of a page costs a fault; where it does
// not keep up, the owner takes a page that has no memory yet.
//
// Thread safety: Create() before all else. The owner takes and starts anew; the reader, one thread, gives
// back; the PageKeeper prepares. Release() is the reader's, when it has ended.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "memory/layout.h"
#include "memory/scratch.h"

namespace forkstore {

class CopyBuffers {
 public:
  // A number of one; kNoBuffer is none.
  using Buffer = uint32_t;
  static constexpr Buffer kNoBuffer = ~Buffer{0};

  // Room for `bytes`, or, where so many addresses cannot be had, half as many, and so on down to
  // `least_bytes`. Errors: kIo.
  Status Create(uint64_t bytes, uint64_t least_bytes);
  bool is_created() const { return capacity_ != 0; }
  uint64_t capacity_bytes() const { return uint64_t{capacity_} * kPageBytes; }

  uint8_t* At(Buffer buffer) const { return memory_.As<uint8_t>() + uint64_t{buffer} * kPageBytes; }
  // What each buffer has besides: the page that was copied, and the next one in a list.
  uint32_t& page(Buffer buffer) const { return notes_.As<Note>()[buffer].page; }
  Buffer& next(Buffer buffer) const { return notes_.As<Note>()[buffer].next; }

  // All of them are free. At most `most_bytes` will be in use at one time, and never more than `most_buffers`.
  // REQUIRES: the reader is at rest.
  void Start(uint64_t most_bytes, uint64_t most_buffers);
  uint64_t most_bytes() const { return uint64_t{most_} * kPageBytes; }
  // kNoBuffer when as many as Start() allows are in use.
  Buffer Take() {
    if (free_ == kNoBuffer) {
      // Only the owner takes, and takes all of them: so no buffer can come back between looking and taking.
      free_ = returned_.exchange(kNoBuffer, std::memory_order_acquire);
      if (free_ == kNoBuffer) return TakeFresh();
    }
    const Buffer taken = free_;
    free_ = next(taken);
    return taken;
  }
  // A list, from `first` to `last`.
  void GiveBack(Buffer first, Buffer last);
  // Memory beyond the first `keep_bytes` goes back to the kernel.
  void Release(uint64_t keep_bytes);

  // The most that were in use at one time since Start(), in bytes.
  uint64_t peak_bytes() const { return uint64_t{taken_.load(std::memory_order_relaxed)} * kPageBytes; }

  // Whether there is too little ahead of what is taken, and enough missing to wake a thread for it.
  bool WantsPreparing() const;
  // Up to 2 MiB more; false when there is nothing to do. The PageKeeper's.
  bool PrepareSome();
  uint64_t prepared_bytes() const { return uint64_t{prepared_.load(std::memory_order_relaxed)} * kPageBytes; }

 private:
  struct Note {
    uint32_t page;
    Buffer next;
  };

  Buffer TakeFresh();

  ScratchMapping memory_;
  ScratchMapping notes_;
  uint32_t capacity_ = 0;
  // The owner's.
  Buffer free_ = kNoBuffer;
  uint32_t most_ = 0;
  uint32_t ahead_ = 0;              // so many are kept prepared
  std::atomic<uint32_t> taken_{0};  // never taken before: those from here on
  std::atomic<uint32_t> prepared_{0};
  std::atomic<uint32_t> target_{0};  // up to where it is worth preparing; 0 at rest
  std::atomic<Buffer> returned_{kNoBuffer};
  bool by_touch_ = false;  // the PageKeeper's
};

}  // namespace forkstore
