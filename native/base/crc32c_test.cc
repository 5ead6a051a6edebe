#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace forkstore {
namespace {

// The definition: one bit at a time.
uint32_t SlowCrc32c(const uint8_t* data, size_t bytes, uint32_t crc = 0) {
  crc = ~crc;
  for (size_t i = 0; i < bytes; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
  }
  return ~crc;
}

std::vector<uint8_t> RandomBytes(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> data(bytes);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random());
  return data;
}

TEST(Crc32c, KnownVectors) {
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  for (auto* function : {&Crc32c, &Crc32cPortable}) {
    EXPECT_EQ(function("123456789", 9, 0), 0xE3069283u);
    EXPECT_EQ(function(std::string(32, '\0').data(), 32, 0), 0x8A9136AAu);
    EXPECT_EQ(function(std::string(32, '\xFF').data(), 32, 0), 0x62A8AB43u);
    EXPECT_EQ(function(ascending.data(), 32, 0), 0x46DD794Eu);
    EXPECT_EQ(function(nullptr, 0, 0), 0u);
    EXPECT_EQ(function(nullptr, 0, 0x12345678), 0x12345678u);
  }
}

TEST(Crc32c, EveryLengthAndAlignmentAgreesWithTheDefinition) {
  const std::vector<uint8_t> data = RandomBytes(2000, 1);
  for (size_t start = 0; start < 8; ++start) {
    for (size_t bytes = 0; bytes + start <= data.size(); bytes += bytes < 800 ? 1 : 13) {
      const uint32_t expected = SlowCrc32c(data.data() + start, bytes, 77);
      ASSERT_EQ(Crc32c(data.data() + start, bytes, 77), expected) << start << " " << bytes;
      ASSERT_EQ(Crc32cPortable(data.data() + start, bytes, 77), expected) << start << " " << bytes;
    }
  }
}

TEST(Crc32c, LongInputsAgreeWithTheDefinition) {
  const std::vector<uint8_t> data = RandomBytes(200'000, 2);
  for (size_t bytes : {12287, 12288, 12289, 24576, 100'003, 200'000}) {
    const uint32_t expected = SlowCrc32c(data.data(), bytes);
    EXPECT_EQ(Crc32c(data.data(), bytes), expected);
    EXPECT_EQ(Crc32cPortable(data.data(), bytes), expected);
  }
}

TEST(Crc32c, PiecesGiveTheChecksumOfTheWhole) {
  const std::vector<uint8_t> data = RandomBytes(50'000, 3);
  const uint32_t whole = Crc32c(data.data(), data.size());
  std::mt19937_64 random(4);
  for (int round = 0; round < 100; ++round) {
    const size_t cut = random() % (data.size() + 1);
    EXPECT_EQ(Crc32c(data.data() + cut, data.size() - cut, Crc32c(data.data(), cut)), whole);
  }
}

}  // namespace
TEST(Crc32c, OfZerosIsThatOfZerosInMemory) {
  const std::vector<uint8_t> zeros(20'000);
  for (const uint64_t bytes : {0, 1, 4095, 4096, 4097, 8192, 20'000}) {
    EXPECT_EQ(Crc32cZeros(bytes), Crc32c(zeros.data(), bytes)) << bytes;
    EXPECT_EQ(Crc32cZeros(bytes, 0x12345678), Crc32c(zeros.data(), bytes, 0x12345678)) << bytes;
  }
}

}  // namespace forkstore
