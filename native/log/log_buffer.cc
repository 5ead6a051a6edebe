#include "log/log_buffer.h"

namespace forkstore {

namespace {

// Kept for use: more than a steady load needs; what a burst has taken goes back.
constexpr size_t kSpareChunks = 8;

}  // namespace

LogBuffer::~LogBuffer() {
  for (uint8_t* chunk : chunks_) delete[] chunk;
  for (uint8_t* chunk : spare_) delete[] chunk;
}

uint8_t* LogBuffer::Chunk(uint64_t index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return chunks_[index - first_chunk_];
}

void LogBuffer::AppendAcross(const uint8_t* data, uint64_t bytes) {
  uint64_t at = end();
  while (bytes > 0) {
    const uint64_t used = at % kChunkBytes;
    if (used == 0) {
      uint8_t* chunk = nullptr;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!spare_.empty()) {
          chunk = spare_.back();
          spare_.pop_back();
        }
      }
      if (chunk == nullptr) chunk = new uint8_t[kChunkBytes];
      const std::lock_guard<std::mutex> lock(mutex_);
      // All chunks before it may have been released.
      if (chunks_.empty()) first_chunk_ = at / kChunkBytes;
      chunks_.push_back(chunk);
      tail_ = chunk;
    }
    const uint64_t part = std::min(bytes, kChunkBytes - used);
    memcpy(tail_ + used, data, part);
    data += part;
    bytes -= part;
    at += part;
  }
  end_.store(at, std::memory_order_relaxed);
}

void LogBuffer::TruncateTo(uint64_t position) {
  if (position == end()) return;
  std::vector<uint8_t*> surplus;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t kept = (position + kChunkBytes - 1) / kChunkBytes;  // chunks before this index have bytes
    while (!chunks_.empty() && first_chunk_ + chunks_.size() > kept) {
      (spare_.size() < kSpareChunks ? spare_ : surplus).push_back(chunks_.back());
      chunks_.pop_back();
    }
    tail_ = chunks_.empty() ? nullptr : chunks_.back();
  }
  end_.store(position, std::memory_order_relaxed);
  for (uint8_t* chunk : surplus) delete[] chunk;
}

void LogBuffer::Release(uint64_t position) {
  if (position <= released()) return;
  std::vector<uint8_t*> surplus;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!chunks_.empty() && (first_chunk_ + 1) * kChunkBytes <= position) {
      (spare_.size() < kSpareChunks ? spare_ : surplus).push_back(chunks_.front());
      chunks_.pop_front();
      ++first_chunk_;
    }
  }
  released_.store(position, std::memory_order_relaxed);
  for (uint8_t* chunk : surplus) delete[] chunk;
}

void LogBuffer::Prepare() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!spare_.empty()) return;
  }
  uint8_t* chunk = new uint8_t[kChunkBytes];
  memset(chunk, 0, kChunkBytes);  // so that the first touch is not the owner's
  const std::lock_guard<std::mutex> lock(mutex_);
  spare_.push_back(chunk);
}

}  // namespace forkstore
