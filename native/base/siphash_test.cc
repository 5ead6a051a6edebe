#include "base/siphash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace forkstore {
namespace {

// The paper's description, one byte at a time and with no shortcut.
class SlowSipHash {
 public:
  SlowSipHash(HashSeed seed, int compression_rounds, int final_rounds)
      : compression_rounds_(compression_rounds), final_rounds_(final_rounds) {
    v_[0] = seed.k0 ^ 0x736f6d6570736575;
    v_[1] = seed.k1 ^ 0x646f72616e646f6d;
    v_[2] = seed.k0 ^ 0x6c7967656e657261;
    v_[3] = seed.k1 ^ 0x7465646279746573;
  }

  uint64_t Hash(std::vector<uint8_t> message) {
    const uint8_t length = static_cast<uint8_t>(message.size());
    while (message.size() % 8 != 7) message.push_back(0);
    message.push_back(length);
    for (size_t at = 0; at < message.size(); at += 8) {
      uint64_t word = 0;
      for (size_t i = 0; i < 8; ++i) word |= uint64_t{message[at + i]} << (8 * i);
      v_[3] ^= word;
      Rounds(compression_rounds_);
      v_[0] ^= word;
    }
    v_[2] ^= 0xFF;
    Rounds(final_rounds_);
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  static uint64_t Rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

  void Rounds(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      v_[0] += v_[1];
      v_[1] = Rotate(v_[1], 13);
      v_[1] ^= v_[0];
      v_[0] = Rotate(v_[0], 32);
      v_[2] += v_[3];
      v_[3] = Rotate(v_[3], 16);
      v_[3] ^= v_[2];
      v_[0] += v_[3];
      v_[3] = Rotate(v_[3], 21);
      v_[3] ^= v_[0];
      v_[2] += v_[1];
      v_[1] = Rotate(v_[1], 17);
      v_[1] ^= v_[2];
      v_[2] = Rotate(v_[2], 32);
    }
  }

  int compression_rounds_;
  int final_rounds_;
  uint64_t v_[4];
};

HashSeed PaperSeed() {
  return HashSeed{0x0706050403020100, 0x0f0e0d0c0b0a0908};
}

TEST(SipHash, PaperVector24) {
  std::vector<uint8_t> message;
  for (uint8_t i = 0; i < 15; ++i) message.push_back(i);
  SipHash24 hash(PaperSeed());
  hash.Update(message.data(), message.size());
  EXPECT_EQ(hash.Finish(), 0xa129ca6149be45e5u);
  EXPECT_EQ(SlowSipHash(PaperSeed(), 2, 4).Hash(message), 0xa129ca6149be45e5u);
}

TEST(SipHash, OneThreeAgreesWithTheSlowOne) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes < 700; ++bytes) {
    const HashSeed seed{random(), random()};
    const uint8_t prefix = static_cast<uint8_t>(random());
    std::vector<uint8_t> message(bytes);
    for (uint8_t& byte : message) byte = static_cast<uint8_t>(random());
    std::vector<uint8_t> prefixed{prefix};
    prefixed.insert(prefixed.end(), message.begin(), message.end());
    EXPECT_EQ(SipHash13(seed, prefix, message.data(), bytes), SlowSipHash(seed, 1, 3).Hash(prefixed));
  }
  EXPECT_EQ(SipHash13(PaperSeed(), 7, nullptr, 0), SlowSipHash(PaperSeed(), 1, 3).Hash({7}));
}

TEST(SipHash, PiecesGiveTheHashOfTheWhole) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> message(random() % 600);
    for (uint8_t& byte : message) byte = static_cast<uint8_t>(random());
    SipHash24 hash(PaperSeed());
    for (size_t at = 0; at < message.size();) {
      const size_t piece = std::min<size_t>(random() % 20, message.size() - at);
      hash.Update(message.data() + at, piece);
      at += piece;
    }
    EXPECT_EQ(hash.Finish(), SlowSipHash(PaperSeed(), 2, 4).Hash(message));
  }
}

TEST(SipHash, EveryBitOfSeedPrefixAndDataCounts) {
  std::vector<uint8_t> message(20, 0x55);
  const uint64_t hash = SipHash13(PaperSeed(), 0, message.data(), message.size());
  EXPECT_NE(hash, SipHash13(PaperSeed(), 1, message.data(), message.size()));
  for (int bit = 0; bit < 64; ++bit) {
    HashSeed seed = PaperSeed();
    seed.k0 ^= uint64_t{1} << bit;
    EXPECT_NE(hash, SipHash13(seed, 0, message.data(), message.size()));
    seed = PaperSeed();
    seed.k1 ^= uint64_t{1} << bit;
    EXPECT_NE(hash, SipHash13(seed, 0, message.data(), message.size()));
  }
  for (size_t bit = 0; bit < 160; ++bit) {
    message[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_NE(hash, SipHash13(PaperSeed(), 0, message.data(), message.size()));
    message[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

}  // namespace
}  // namespace forkstore
