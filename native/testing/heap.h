// A heap for tests of what lives in one, and a way to load its bytes into another as recovery does.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "memory/heap.h"

namespace forkstore {

class HeapForTest {
 public:
  explicit HeapForTest(uint64_t max_bytes = uint64_t{1} << 30) {
    ArenaOptions options;
    options.max_bytes = max_bytes;
    options.huge_pages = false;
    EXPECT_TRUE(Arena::Create(options, &arena_).ok());
    EXPECT_TRUE(Allocator::Create(arena_.get(), &allocator_).ok());
  }

  Heap heap() const { return Heap{*arena_, *allocator_}; }
  Arena& arena() { return *arena_; }
  uint64_t live_blocks() const { return allocator_->stats().live_blocks; }
  uint64_t live_bytes() const { return allocator_->stats().live_bytes; }

  // A block of zeros.
  Offset NewZeros(uint64_t bytes) {
    const Offset block = allocator_->Allocate(bytes);
    EXPECT_NE(block, kNone);
    std::memset(arena_->Write(block, bytes), 0, bytes);
    return block;
  }

  // Allocates until nothing of any size can be had.
  std::vector<Offset> Exhaust() {
    std::vector<Offset> blocks;
    for (uint64_t bytes = uint64_t{1} << 20; bytes >= 16; bytes = bytes > 4096 ? bytes / 2 : bytes - 8) {
      for (Offset block; (block = allocator_->Allocate(bytes)) != kNone;) blocks.push_back(block);
    }
    return blocks;
  }

  // The bytes and the unit table, as an image holds them.
  struct Image {
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> table;
  };
  Image Save() const {
    Image image;
    image.table.assign(allocator_->table(), allocator_->table() + allocator_->units());
    image.bytes.assign(arena_->base(), arena_->base() + arena_->frontier());
    return image;
  }
  // REQUIRES: this heap is new. Everything is free until it is claimed.
  void Load(const Image& image) {
    EXPECT_TRUE(allocator_->Restore(image.table.data(), image.table.size()).ok());
    // Unit 0 is in use by nothing.
    std::memcpy(arena_->Write(kUnitBytes, image.bytes.size() - kUnitBytes), image.bytes.data() + kUnitBytes,
                image.bytes.size() - kUnitBytes);
  }
  bool Claim(Offset block, uint64_t bytes) { return allocator_->MarkLive(block, bytes); }
  // The blocks that have been claimed so far, with their bytes. Claims the others: nothing else can follow.
  using Blocks = std::vector<std::pair<Offset, std::vector<uint8_t>>>;
  Blocks TakeClaimed() {
    Blocks blocks;
    for (Offset block = kUnitBytes; block < arena_->frontier();) {
      const uint64_t bytes = allocator_->CapacityIfBlock(block);
      if (bytes == 0) {
        block =
            (block / kUnitBytes + 1) * kUnitBytes;  // a free unit, or what is left of one behind its blocks
        continue;
      }
      if (!Claim(block, 1))
        blocks.emplace_back(block, std::vector<uint8_t>(arena_->At(block), arena_->At(block + bytes)));
      block += bytes;
    }
    return blocks;
  }
  void FinishLoad() { allocator_->FinishRestore(); }

 private:
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Allocator> allocator_;
};

}  // namespace forkstore
