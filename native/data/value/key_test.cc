#include "data/value/key.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "memory/layout.h"

namespace forkstore {
namespace {

Code Check(KeyKind kind, const std::vector<uint8_t>& bytes) {
  return CheckKey(Key{kind, bytes.data(), bytes.size()}).code();
}

Code CheckNumber(double number) {
  std::vector<uint8_t> bytes(8);
  std::memcpy(bytes.data(), &number, 8);
  return Check(KeyKind::kNumber, bytes);
}

Code CheckNumberBits(uint64_t bits) {
  std::vector<uint8_t> bytes(8);
  std::memcpy(bytes.data(), &bits, 8);
  return Check(KeyKind::kNumber, bytes);
}

TEST(Key, Latin1TakesAnyBytes) {
  EXPECT_EQ(CheckKey(Key{KeyKind::kLatin1, nullptr, 0}).code(), Code::kOk);
  EXPECT_EQ(Check(KeyKind::kLatin1, {0, 255, 7}), Code::kOk);
}

TEST(Key, Utf16NeedsAWideUnit) {
  EXPECT_EQ(Check(KeyKind::kUtf16, {}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kUtf16, {0x41, 0x00}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kUtf16, {0x41, 0x01}), Code::kOk);
  EXPECT_EQ(Check(KeyKind::kUtf16, {0x41, 0x01, 0x00}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kUtf16, {0x00, 0xD8}), Code::kOk) << "a lone surrogate";
  for (size_t units = 1; units < 20; ++units) {
    std::vector<uint8_t> bytes(units * 2);
    for (size_t i = 0; i < bytes.size(); i += 2) bytes[i] = 0xFF;
    EXPECT_EQ(Check(KeyKind::kUtf16, bytes), Code::kInvalid);
    for (size_t wide = 0; wide < units; ++wide) {
      bytes[2 * wide + 1] = 0x80;
      EXPECT_EQ(Check(KeyKind::kUtf16, bytes), Code::kOk);
      bytes[2 * wide + 1] = 0;
    }
  }
}

TEST(Key, NumberIsOneOfItsForms) {
  EXPECT_EQ(CheckNumber(0), Code::kOk);
  EXPECT_EQ(CheckNumber(-0.0), Code::kInvalid);
  EXPECT_EQ(CheckNumber(1.5), Code::kOk);
  EXPECT_EQ(CheckNumber(std::numeric_limits<double>::infinity()), Code::kOk);
  EXPECT_EQ(CheckNumber(-std::numeric_limits<double>::infinity()), Code::kOk);
  EXPECT_EQ(CheckNumberBits(0x7FF8000000000000), Code::kOk);
  EXPECT_EQ(CheckNumberBits(0x7FF8000000000001), Code::kInvalid);
  EXPECT_EQ(CheckNumberBits(0xFFF8000000000000), Code::kInvalid);
  EXPECT_EQ(CheckNumberBits(0x7FF0000000000001), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kNumber, {0, 0, 0, 0}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kNumber, std::vector<uint8_t>(9)), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kNumber, {}), Code::kInvalid);
}

TEST(Key, BigintHasNoSuperfluousBytes) {
  EXPECT_EQ(Check(KeyKind::kBigint, {}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kBigint, {0}), Code::kOk);
  EXPECT_EQ(Check(KeyKind::kBigint, {1}), Code::kInvalid) << "there is no -0n";
  EXPECT_EQ(Check(KeyKind::kBigint, {0, 0}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kBigint, {1, 5}), Code::kOk);
  EXPECT_EQ(Check(KeyKind::kBigint, {2, 5}), Code::kInvalid);
  EXPECT_EQ(Check(KeyKind::kBigint, {0, 0, 1}), Code::kOk);
  EXPECT_EQ(Check(KeyKind::kBigint, {0, 1, 0}), Code::kInvalid);
}

TEST(Key, UnknownKindAndLengthAreRefused) {
  EXPECT_EQ(Check(static_cast<KeyKind>(4), {1, 1, 1, 1, 1, 1, 1, 1}), Code::kInvalid);
  // The length is judged first: no byte of such a key is looked at.
  EXPECT_EQ(CheckKey(Key{KeyKind::kLatin1, nullptr, kMaxKeyBytes + 1}).code(), Code::kTooLarge);
  EXPECT_EQ(CheckKey(Key{KeyKind::kBigint, nullptr, uint64_t{1} << 40}).code(), Code::kTooLarge);
}

TEST(Key, SameKeyIsSameKindAndBytes) {
  const uint8_t bytes[] = {0, 1, 0, 2};
  const uint8_t other[] = {0, 1, 0, 3};
  const Key key{KeyKind::kLatin1, bytes, 4};
  EXPECT_TRUE(key == (Key{KeyKind::kLatin1, bytes, 4}));
  EXPECT_FALSE(key == (Key{KeyKind::kUtf16, bytes, 4}));
  EXPECT_FALSE(key == (Key{KeyKind::kLatin1, bytes, 3}));
  EXPECT_FALSE(key == (Key{KeyKind::kLatin1, other, 4}));
  EXPECT_NE(key.Hash({1, 2}), (Key{KeyKind::kUtf16, bytes, 4}).Hash({1, 2}));
  EXPECT_NE(key.Hash({1, 2}), key.Hash({1, 3}));
}

}  // namespace
}  // namespace forkstore
