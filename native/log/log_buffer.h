// LogBuffer: the bytes between the owner, who appends, and the writer, who takes them away: a stream in
// chunks that are used again. Nothing is ever moved, so the worst append costs what the mean does.
//
// Thread safety: one owner (Append, TruncateTo) and one writer (ForEachPiece, Release). A piece may be read
// once the owner has told the writer of it (through a lock), and no longer after Release.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

namespace forkstore {

class LogBuffer {
 public:
  static constexpr uint64_t kChunkBytes = uint64_t{1} << 20;

  LogBuffer() = default;
  ~LogBuffer();
  LogBuffer(const LogBuffer&) = delete;
  LogBuffer& operator=(const LogBuffer&) = delete;

  // Places in the stream, from 0.
  uint64_t end() const { return end_.load(std::memory_order_relaxed); }
  uint64_t released() const { return released_.load(std::memory_order_relaxed); }

  void Append(const void* data, uint64_t bytes) {
    const uint64_t at = end();
    const uint64_t used = at % kChunkBytes;
    if (used != 0 && bytes <= kChunkBytes - used) {
      memcpy(tail_ + used, data, bytes);
      end_.store(at + bytes, std::memory_order_relaxed);
      return;
    }
    AppendAcross(static_cast<const uint8_t*>(data), bytes);
  }

  // Forgets what was appended from `position` on. REQUIRES: the writer has not been told of it.
  void TruncateTo(uint64_t position);

  // visit(const uint8_t*, uint64_t bytes) for what makes up [begin, end).
  template <typename Visit>
  void ForEachPiece(uint64_t begin, uint64_t end, Visit visit) const {
    while (begin < end) {
      const uint64_t used = begin % kChunkBytes;
      const uint64_t bytes = std::min(end - begin, kChunkBytes - used);
      visit(static_cast<const uint8_t*>(Chunk(begin / kChunkBytes)) + used, bytes);
      begin += bytes;
    }
  }

  // What is before `position` is not needed any more.
  void Release(uint64_t position);
  // Writer: makes sure that the owner finds a chunk that is in memory already.
  void Prepare();

 private:
  void AppendAcross(const uint8_t* data, uint64_t bytes);
  uint8_t* Chunk(uint64_t index) const;

  std::atomic<uint64_t> end_{0};
  std::atomic<uint64_t> released_{0};
  uint8_t* tail_ = nullptr;  // the owner's: the chunk that end() is in, unless it is at its beginning

  mutable std::mutex mutex_;  // held for a few instructions, and by the owner only where chunks meet
  std::deque<uint8_t*> chunks_;
  uint64_t first_chunk_ = 0;  // the index of chunks_.front()
  std::vector<uint8_t*> spare_;
};

}  // namespace forkstore
