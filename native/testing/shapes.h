// Tests and fuzzing only: a shape table in a heap of its own.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "data/value/shape.h"
#include "testing/value_oracle.h"

namespace forkstore {

class ShapesForTest {
 public:
  explicit ShapesForTest(uint64_t max_bytes = uint64_t{1} << 26) {
    ArenaOptions options;
    options.max_bytes = max_bytes;
    options.huge_pages = false;
    if (!Arena::Create(options, &arena_).ok() || !Allocator::Create(arena_.get(), &allocator_).ok()) {
      std::fputs("no arena for a test\n", stderr);
      std::abort();
    }
    fields_ = allocator_->Allocate(16);
    arena_->Mutate<uint64_t>(fields_) = 0;
    arena_->Mutate<uint64_t>(fields_ + 8) = 0;
    table_ = std::make_unique<ShapeTable>(heap(), fields_, fields_ + 8);
  }

  Heap heap() { return Heap{*arena_, *allocator_}; }
  ShapeTable& table() { return *table_; }
  Offset fields() const { return fields_; }

  Status Define(const std::vector<std::u16string>& names, uint32_t* shape) {
    const std::string list = oracle::NameList(names);
    return table_->Define({reinterpret_cast<const uint8_t*>(list.data()), list.size()},
                          static_cast<uint32_t>(names.size()), shape);
  }
  uint32_t Define(const std::vector<std::u16string>& names) {
    uint32_t shape = 0;
    if (!Define(names, &shape).ok()) std::abort();
    return shape;
  }
  void FillUp() {
    for (uint32_t i = 0; table_->count() < kMaxShapes; ++i) {
      const std::string digits = std::to_string(i);
      Define({u"filler " + std::u16string(digits.begin(), digits.end())});
    }
  }

 private:
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Allocator> allocator_;
  Offset fields_ = kNone;
  std::unique_ptr<ShapeTable> table_;
};

// A copy of bytes at an 8-aligned place, with nothing behind them that a sanitizer would let pass.
class AlignedBytes {
 public:
  explicit AlignedBytes(const std::string& bytes) : bytes_(new uint8_t[bytes.size()]), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  uint8_t* data() { return bytes_.get(); }
  uint64_t size() const { return size_; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  uint64_t size_;
};

}  // namespace forkstore
