#include "data/value/value.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "testing/shapes.h"
#include "testing/value_generator.h"

namespace forkstore {
namespace {

using oracle::Encoder;
using oracle::Generator;
using oracle::Tree;
using oracle::Type;

uint64_t Bits(Slot slot) {
  return uint64_t{slot.high} << 32 | slot.low;
}

std::u16string Units(const StringBytes& string) {
  std::u16string units;
  for (uint64_t i = 0; i < string.bytes; i += string.utf16 ? 2 : 1) {
    units += static_cast<char16_t>(string.data[i] | (string.utf16 ? string.data[i + 1] << 8 : 0));
  }
  return units;
}

// The bytes of a name, which the StringBytes points into.
struct Name {
  explicit Name(const std::u16string& units) {
    string.utf16 = !oracle::IsLatin1(units);
    for (char16_t unit : units) {
      bytes += static_cast<char>(unit & 0xFF);
      if (string.utf16) bytes += static_cast<char>(unit >> 8);
    }
    string.data = reinterpret_cast<const uint8_t*>(bytes.data());
    string.bytes = bytes.size();
  }
  std::string bytes;
  StringBytes string;
};

TEST(NumberSlot, IntegersAreIntAndTheRestDoubles) {
  EXPECT_EQ(Bits(NumberSlot(0)), 0xFFF9000000000000u);
  EXPECT_EQ(Bits(NumberSlot(7)), 0xFFF9000000000007u);
  EXPECT_EQ(Bits(NumberSlot(-1)), 0xFFF90000FFFFFFFFu);
  EXPECT_EQ(Bits(NumberSlot(2147483647.0)), 0xFFF900007FFFFFFFu);
  EXPECT_EQ(Bits(NumberSlot(-2147483648.0)), 0xFFF9000080000000u);
  EXPECT_EQ(Bits(NumberSlot(2147483648.0)), std::bit_cast<uint64_t>(2147483648.0));
  EXPECT_EQ(Bits(NumberSlot(-2147483649.0)), std::bit_cast<uint64_t>(-2147483649.0));
  EXPECT_EQ(Bits(NumberSlot(-0.0)), 0x8000000000000000u);
  EXPECT_EQ(Bits(NumberSlot(0.5)), std::bit_cast<uint64_t>(0.5));
  EXPECT_EQ(Bits(NumberSlot(-0.5)), std::bit_cast<uint64_t>(-0.5));
  EXPECT_EQ(Bits(NumberSlot(-INFINITY)), std::bit_cast<uint64_t>(-std::numeric_limits<double>::infinity()));
  EXPECT_EQ(Bits(NumberSlot(std::bit_cast<double>(0xFFFFFFFFFFFFFFFF))), 0x7FF8000000000000u);
}

TEST(NumberSlot, NumbersComeBackAndOthersAreNone) {
  Generator generator(1);
  for (int i = 0; i < 100'000; ++i) {
    const double number = generator.RandomNumber();
    double back = 12345;
    ASSERT_TRUE(SlotNumber(NumberSlot(number), &back));
    if (std::isnan(number)) {
      ASSERT_TRUE(std::isnan(back));
    } else {
      ASSERT_EQ(std::bit_cast<uint64_t>(back), std::bit_cast<uint64_t>(number));
    }
  }
  double number;
  for (uint32_t tag = kSpecial; tag <= kShort; ++tag) {
    EXPECT_EQ(SlotNumber(Slot{3, tag << 16}, &number), tag == kInt);
  }
}

TEST(ReadString, ReadsEveryForm) {
  ShapesForTest shapes;
  for (size_t length : {0, 1, 2, 4, 5, 6, 7, 255, 0xFFFE, 0xFFFF, 0x10000}) {
    for (char16_t unit : {u'\0', u'a', u'\u00FF', u'\u0100', u'\xD800'}) {
      std::u16string units(length, unit);
      if (length > 1) units[0] = u'Z';
      AlignedBytes value(Encoder(&shapes.table()).Encode(oracle::String(units)));
      StringBytes string;
      ASSERT_TRUE(ReadString(value.data(), &string));
      EXPECT_EQ(string.utf16, !oracle::IsLatin1(units));
      EXPECT_EQ(Units(string), units);
    }
  }
}

TEST(ReadString, OtherValuesAreNoStrings) {
  ShapesForTest shapes;
  StringBytes string;
  for (const Tree& tree : {oracle::Special(1), oracle::Number(1), oracle::Number(1.5), oracle::Date(0),
                           oracle::Array({}), oracle::Object({}), oracle::Object({}, Type::kDictionary),
                           Tree{.type = Type::kBigint}, Tree{.type = Type::kBytes}}) {
    AlignedBytes value(Encoder(&shapes.table()).Encode(tree));
    EXPECT_FALSE(ReadString(value.data(), &string));
  }
}

TEST(StringBytes, EqualityIsKindAndCharacters) {
  EXPECT_TRUE(Name(u"abc").string == Name(u"abc").string);
  EXPECT_TRUE(Name(u"").string == StringBytes{});
  EXPECT_FALSE(Name(u"abc").string == Name(u"abd").string);
  EXPECT_FALSE(Name(u"abc").string == Name(u"ab").string);
  // U+4141 has the bytes of "AA".
  EXPECT_FALSE(Name(u"AA").string == Name(u"\u4141").string);
}

TEST(FindField, FindsEveryFieldAndNoOther) {
  ShapesForTest shapes;
  Generator generator(2);
  for (int round = 0; round < 3000; ++round) {
    const Tree tree = generator.RandomObject(2, 12);
    AlignedBytes value(Encoder(&shapes.table()).Encode(tree));
    for (size_t i = 0; i < tree.names.size(); ++i) {
      uint64_t slot = 0;
      const Name name(tree.names[i]);
      ASSERT_TRUE(FindField(value.data(), name.string, shapes.table(), &slot).ok());
      ASSERT_GT(slot, 0u);
      // Only the right slot leads to the value that the tree has there.
      AlignedBytes field(Encoder(&shapes.table()).Encode(tree.items[i]));
      ASSERT_EQ(std::memcmp(value.data() + slot + 4, field.data() + 4, 4), 0);
    }
    for (const std::u16string absent : {u"", u"f", u"fz", u"fa of a longer nam\u20AC", u"\u20AC"}) {
      bool present = false;
      for (const std::u16string& name : tree.names) present = present || name == absent;
      uint64_t slot = 77;
      ASSERT_TRUE(FindField(value.data(), Name(absent).string, shapes.table(), &slot).ok());
      ASSERT_EQ(slot != 0, present);
    }
  }
}

TEST(FindField, RefusesWhatIsNoObject) {
  ShapesForTest shapes;
  for (const Tree& tree : {oracle::Special(0), oracle::Number(1.5), oracle::String(u"abcdefgh"),
                           oracle::Array({oracle::Number(1)}), Tree{.type = Type::kBytes}}) {
    AlignedBytes value(Encoder(&shapes.table()).Encode(tree));
    uint64_t slot;
    EXPECT_EQ(FindField(value.data(), Name(u"a").string, shapes.table(), &slot).code(), Code::kWrongType);
  }
}

}  // namespace
}  // namespace forkstore
