#include "memory/size_classes.h"

#include <array>

namespace forkstore {
namespace {

constexpr uint32_t kFirstBytes = 16;
constexpr uint32_t kEvenSteps = 256;       // up to here one class for every 8 bytes
constexpr uint32_t kStepsPerDoubling = 8;  // from there on: at most an eighth is lost
constexpr uint32_t kOrderNodeBytes = 520;  // a bitmap and 64 children
constexpr uint32_t kClasses = 88;

constexpr std::array<uint32_t, kClasses> MakeSizes() {
  std::array<uint32_t, kClasses> sizes{};
  uint32_t count = 0;
  for (uint32_t bytes = kFirstBytes; bytes <= kEvenSteps; bytes += 8) sizes[count++] = bytes;
  for (uint32_t base = kEvenSteps; base < kMaxSmallBytes; base *= 2) {
    for (uint32_t step = 1; step <= kStepsPerDoubling; ++step) {
      const uint32_t bytes = base + base / kStepsPerDoubling * step;
      if (sizes[count - 1] < kOrderNodeBytes && bytes > kOrderNodeBytes) sizes[count++] = kOrderNodeBytes;
      sizes[count++] = bytes;
    }
  }
  return sizes;
}

constexpr std::array<uint32_t, kClasses> kSizes = MakeSizes();
static_assert(kSizes[kClasses - 1] == kMaxSmallBytes && kClasses <= 256);

// By size in steps of 8 bytes, rounded up.
constexpr std::array<uint8_t, kMaxSmallBytes / 8 + 1> MakeLookup() {
  std::array<uint8_t, kMaxSmallBytes / 8 + 1> lookup{};
  uint32_t size_class = 0;
  for (uint32_t eighths = 0; eighths < lookup.size(); ++eighths) {
    while (kSizes[size_class] < eighths * 8) ++size_class;
    lookup[eighths] = static_cast<uint8_t>(size_class);
  }
  return lookup;
}

constexpr std::array<uint8_t, kMaxSmallBytes / 8 + 1> kLookup = MakeLookup();

}  // namespace

uint32_t SizeClassCount() {
  return kClasses;
}

uint32_t SizeClassFor(uint64_t bytes) {
  return kLookup[(bytes + 7) / 8];
}

uint32_t SizeClassBytes(uint32_t size_class) {
  return kSizes[size_class];
}

uint32_t SizeClassBlocks(uint32_t size_class) {
  return static_cast<uint32_t>(kUnitBytes / kSizes[size_class]);
}

}  // namespace forkstore
