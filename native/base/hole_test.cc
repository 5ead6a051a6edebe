#include "base/hole.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace forkstore {
namespace {

// Where a hole is, the memory holds something else than 0: so whoever looked would get another result.
TEST(Hole, ACrcAroundHolesIsThatOfZerosInTheirPlaces) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t size = 1 + random() % 300;
    std::vector<uint8_t> read(size);
    for (uint8_t& byte : read) byte = static_cast<uint8_t>(1 + random() % 255);
    std::vector<uint8_t> meant = read;
    std::vector<Hole> holes;
    for (uint64_t at = random() % 60; at < size;) {
      const uint64_t end = std::min(size, at + 1 + random() % 60);
      holes.push_back({at, end});
      std::fill(meant.begin() + static_cast<std::ptrdiff_t>(at),
                meant.begin() + static_cast<std::ptrdiff_t>(end), uint8_t{0});
      at = end + random() % 60;
    }
    const uint64_t position = random() % size;
    const uint64_t bytes = random() % (size - position + 1);
    uint64_t last = 0;
    const auto hole_from = [&](uint64_t at) {
      EXPECT_GE(at, last);
      last = at;
      for (const Hole& hole : holes) {
        if (hole.end > at) return hole;
      }
      return kNoHole;
    };
    const auto crc = static_cast<uint32_t>(random());
    ASSERT_EQ(Crc32cAroundHoles(read.data() + position, position, bytes, hole_from, crc),
              Crc32c(meant.data() + position, bytes, crc));
  }
}

}  // namespace
}  // namespace forkstore
