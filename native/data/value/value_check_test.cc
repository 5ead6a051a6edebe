#include <gtest/gtest.h>

#include "data/value/value.h"
#include "testing/shapes.h"
#include "testing/value_generator.h"

namespace forkstore {
namespace {

using oracle::Decoder;
using oracle::Encoder;
using oracle::Generator;
using oracle::Tree;
using oracle::Type;

class CheckValueTest : public testing::Test {
 protected:
  // The length of the value that the bytes begin with, or -1.
  int64_t Check(const std::string& bytes) {
    AlignedBytes copy(bytes);
    uint64_t length = 99;
    const Status status = CheckValue(copy.data(), copy.size(), shapes_.table(), &scratch_, &length);
    if (status.ok()) return static_cast<int64_t>(length);
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_EQ(length, 0u);
    return -1;
  }
  std::string Encode(const Tree& tree) { return Encoder(&shapes_.table()).Encode(tree); }
  std::string Reencode(const std::string& bytes) {
    AlignedBytes copy(bytes);
    return Encode(Decoder(copy.data(), shapes_.table()).Decode());
  }
  static std::string Words(std::initializer_list<uint64_t> words) {
    std::string bytes(words.size() * 8, '\0');
    std::memcpy(bytes.data(), words.begin(), bytes.size());
    return bytes;
  }

  // The mutated value is refused, or it is some other value in its one true form.
  void ExpectRefusedOrCanonical(const std::string& mutated) {
    const int64_t length = Check(mutated);
    if (length < 0) return;
    const std::string value = mutated.substr(0, static_cast<size_t>(length));
    ASSERT_EQ(Reencode(value), value);
  }

  ShapesForTest shapes_;
  ValueScratch scratch_;
};

TEST_F(CheckValueTest, WorkedExampleOfTheFormat) {
  shapes_.Define({});
  shapes_.Define({u"a"});
  shapes_.Define({u"b"});
  ASSERT_EQ(shapes_.Define({u"id", u"name"}), 3u);
  const std::string bytes(
      "\x08\x00\x00\x00\x03\x00\xFC\xFF\x07\x00\x00\x00\x00\x00\xF9\xFF"
      "\x08\x00\x00\x00\x0C\x00\xFA\xFF"
      "Ada Lovelace\x00\x00\x00\x00",
      40);
  EXPECT_EQ(Check(bytes), 40);
  EXPECT_EQ(Encode(oracle::Object({{u"id", oracle::Number(7)}, {u"name", oracle::String(u"Ada Lovelace")}})),
            bytes);
}

TEST_F(CheckValueTest, AcceptsEverythingAWriterWrites) {
  Generator generator(1);
  for (int round = 0; round < 6000; ++round) {
    const std::string bytes = Encode(generator.RandomTree(5));
    ASSERT_EQ(Check(bytes), static_cast<int64_t>(bytes.size()));
    ASSERT_EQ(Reencode(bytes), bytes) << "the oracle itself";
    // What lies behind a value is not judged.
    ASSERT_EQ(Check(bytes + std::string(1 + generator.Below(40), '\xAB')),
              static_cast<int64_t>(bytes.size()));
  }
}

TEST_F(CheckValueTest, TruncatedValuesAreRefusedAtEveryLength) {
  Generator generator(2);
  for (int round = 0; round < 1500; ++round) {
    const std::string bytes = Encode(generator.RandomTree(4));
    const size_t step = bytes.size() > 2000 ? 997 : 1;
    for (size_t length = 0; length < bytes.size(); length += step) {
      ASSERT_EQ(Check(bytes.substr(0, length)), -1);
    }
  }
}

TEST_F(CheckValueTest, FlippedBitsAndChangedBytesAreRefusedOrCanonical) {
  Generator generator(3);
  for (int round = 0; round < 150; ++round) {
    const std::string bytes = Encode(generator.RandomTree(4));
    if (bytes.size() > 1500) continue;
    for (size_t at = 0; at < bytes.size(); ++at) {
      std::string mutated = bytes;
      for (int bit = 0; bit < 8; ++bit) {
        mutated[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        ExpectRefusedOrCanonical(mutated);
      }
      mutated[at] = static_cast<char>(generator.Below(256));
      ExpectRefusedOrCanonical(mutated);
    }
  }
}

TEST_F(CheckValueTest, RandomWordsOfPlausibleSlotsAreRefusedOrCanonical) {
  Generator generator(4);
  shapes_.Define({});
  shapes_.Define({u"a"});
  shapes_.Define({u"a", u"b"});
  int accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string bytes;
    for (size_t words = 1 + generator.Below(6); words > 0; --words) {
      const uint64_t tag = generator.Below(3) == 0 ? 0 : 0xFFF8 + generator.Below(8);
      const uint64_t info = generator.Below(8);
      const uint64_t low = generator.Below(2) == 0 ? 8 * generator.Below(5) : generator.Below(3);
      bytes += Words({tag << 48 | info << 32 | low});
    }
    const int64_t length = Check(bytes);
    if (length >= 0) ++accepted;
    ExpectRefusedOrCanonical(bytes);
  }
  EXPECT_GT(accepted, 1000) << "this test looks at too few good values";
}

TEST_F(CheckValueTest, NumbersHaveOneForm) {
  const auto check_double = [this](double number) {
    uint64_t bits;
    std::memcpy(&bits, &number, 8);
    return Check(Words({bits}));
  };
  EXPECT_EQ(check_double(1), -1);
  EXPECT_EQ(check_double(0), -1);
  EXPECT_EQ(check_double(-2147483648.0), -1);
  EXPECT_EQ(check_double(2147483647.0), -1);
  EXPECT_EQ(check_double(2147483648.0), 8);
  EXPECT_EQ(check_double(-2147483649.0), 8);
  EXPECT_EQ(check_double(-0.0), 8);
  EXPECT_EQ(check_double(1.5), 8);
  EXPECT_EQ(check_double(-INFINITY), 8);
  EXPECT_EQ(Check(Words({0x7FF8000000000000})), 8);
  EXPECT_EQ(Check(Words({0x7FF8000000000001})), -1);
  EXPECT_EQ(Check(Words({0x7FF0000000000001})), -1);
  EXPECT_EQ(Check(Words({0xFFF7FFFFFFFFFFFF})), -1);
}

TEST_F(CheckValueTest, HolesAreOnlyInArrays) {
  const uint64_t hole = 0xFFF8000000000004;
  shapes_.Define({u"a"});
  EXPECT_EQ(Check(Words({hole})), -1);
  EXPECT_EQ(Check(Words({0xFFFD000000000008, 1, hole})), 24);
  EXPECT_EQ(Check(Words({0xFFFC000000000008, hole})), -1);
  EXPECT_EQ(Check(Words({0xFFFE000600000008, 1, 0xFFFF000000000000, hole})), -1);
  EXPECT_EQ(Check(Words({0xFFFD000000000008, 1, 0xFFFC000000000008, hole})), -1);
  // The array around an object that is done still allows them.
  EXPECT_EQ(Check(Words({0xFFFD000000000008, 2, 0xFFFC000000000010, hole, 0xFFF8000000000001})), 40);
  EXPECT_EQ(Check(Words({0xFFF8000000000005})), -1);
}

TEST_F(CheckValueTest, DatesAreWhatJavaScriptCanHold) {
  const auto check_date = [this](double ms) {
    uint64_t bits;
    std::memcpy(&bits, &ms, 8);
    return Check(Words({0xFFFE000500000008, bits}));
  };
  EXPECT_EQ(check_date(0), 16);
  EXPECT_EQ(check_date(-0.0), -1);
  EXPECT_EQ(check_date(1.5), -1);
  EXPECT_EQ(check_date(8.64e15), 16);
  EXPECT_EQ(check_date(-8.64e15), 16);
  EXPECT_EQ(check_date(8.64e15 + 2), -1);
  EXPECT_EQ(check_date(INFINITY), -1);
  EXPECT_EQ(Check(Words({0xFFFE000500000008, 0x7FF8000000000000})), 16);
  EXPECT_EQ(Check(Words({0xFFFE000500000008, 0xFFF8000000000000})), -1);
}

TEST_F(CheckValueTest, BigintsHaveOneForm) {
  const uint64_t slot = 0xFFFE000200000008;
  const uint64_t negative = uint64_t{1} << 32;
  EXPECT_EQ(Check(Words({slot, 0})), 16);
  EXPECT_EQ(Check(Words({slot, negative})), -1) << "there is no -0n";
  EXPECT_EQ(Check(Words({slot, 1, 5})), 24);
  EXPECT_EQ(Check(Words({slot, 1 | negative, 5})), 24);
  EXPECT_EQ(Check(Words({slot, 1 | 2 * negative, 5})), -1);
  EXPECT_EQ(Check(Words({slot, 1, 0})), -1);
  EXPECT_EQ(Check(Words({slot, 2, 0, 1})), 32);
  EXPECT_EQ(Check(Words({slot, 2, 1, 0})), -1);
}

TEST_F(CheckValueTest, StringsTakeTheShortestForm) {
  for (const uint64_t tag : {0xFFFA, 0xFFFB}) {
    const uint64_t unit = tag - 0xFFF9;
    const std::string characters(0x10000 * unit, '\xFF');
    for (const uint64_t length : {0, 1, 5, 6, 0xFFFE, 0xFFFF}) {
      const uint64_t least = tag == 0xFFFA ? 6 : 1;
      const std::string value = Words({tag << 48 | length << 32 | 8}) + characters.substr(0, length * unit) +
                                std::string((0 - length * unit) % 8, '\0');
      EXPECT_EQ(Check(value) >= 0, length >= least && length < 0xFFFF) << tag << " " << length;
    }
    for (const uint32_t length : {0, 6, 0xFFFE, 0xFFFF, 0x10000}) {
      std::string value = Words({0xFFFE000000000008 | (unit - 1) << 32});
      value.append(reinterpret_cast<const char*>(&length), 4);
      value += characters.substr(0, length * unit);
      value.resize((value.size() + 7) / 8 * 8);
      EXPECT_EQ(Check(value) >= 0, length >= 0xFFFF) << tag << " " << length;
    }
  }
}

TEST_F(CheckValueTest, ClaimedLengthsAreNotBelieved) {
  for (const uint64_t claim : {uint64_t{1}, uint64_t{1} << 27, uint64_t{0xFFFFFFFF}, ~uint64_t{0},
                               uint64_t{1} << 61, uint64_t{1} << 60}) {
    EXPECT_EQ(Check(Words({0xFFFD000000000008, claim})), -1);
    for (uint64_t kind : {0, 1, 2, 3, 4, 6, 7}) {
      EXPECT_EQ(Check(Words({0xFFFE000000000008 | kind << 32, claim})), -1);
    }
  }
  EXPECT_LT(scratch_.frames.capacity(), 1000u);
}

TEST_F(CheckValueTest, RepeatedKeysAreRefusedInSmallAndLargeDictionaries) {
  for (size_t count : {2, 3, 8, 9, 10, 100, 5000}) {
    for (int form = 0; form < 4; ++form) {
      Tree tree{.type = Type::kDictionary};
      for (size_t i = 0; i < count; ++i) {
        std::u16string name;
        for (size_t rest = i; rest > 0; rest /= 26) name += static_cast<char16_t>(u'a' + rest % 26);
        if (form >= 1) name += u" and more";
        if (form >= 2) name += u'\u4141';
        if (form == 3 && i < 3) name = std::u16string(0x10000, u'q') + name;
        tree.names.push_back(name);
        tree.items.push_back(oracle::Array({oracle::String(name)}));
      }
      ASSERT_GT(Check(Encode(tree)), 0);
      for (const auto& [from, to] :
           {std::pair<size_t, size_t>{0, 1}, {0, count - 1}, {count - 2, count - 1}}) {
        Tree repeated = tree;
        repeated.names[to] = repeated.names[from];
        ASSERT_EQ(Check(Encode(repeated)) < 0, from != to);
      }
    }
  }
}

TEST_F(CheckValueTest, NestedDictionariesMayRepeatEachOthersKeys) {
  const Tree inner = oracle::Object({{u"same", oracle::Number(1)}}, Type::kDictionary);
  const std::string bytes = Encode(oracle::Object({{u"same", inner}, {u"other", inner}}, Type::kDictionary));
  EXPECT_EQ(Check(bytes), static_cast<int64_t>(bytes.size()));
}

TEST_F(CheckValueTest, DeepNestingNeedsNoStack) {
  for (const size_t depth : {100'000, 1'000'000}) {
    // [[[...]]], where each level's frame is done before the next begins
    std::string bytes = Words({0xFFFD000000000008});
    for (size_t i = 1; i < depth; ++i) bytes += Words({1, 0xFFFD000000000008});
    bytes += Words({0});
    EXPECT_EQ(Check(bytes), static_cast<int64_t>(bytes.size()));
    bytes.back() = 1;
    EXPECT_EQ(Check(bytes), -1);

    // [[[..., 'abcdefgh'], 'abcdefgh'], 'abcdefgh'], where all of them wait
    bytes = Words({0xFFFD000000000008});
    for (size_t i = 1; i < depth; ++i) bytes += Words({2, 0xFFFD000000000010, 0});
    bytes += Words({0});
    for (size_t i = depth; i-- > 1;) {
      const size_t slot = 8 + 24 * (i - 1) + 16;
      const uint64_t word = 0xFFFA000800000000 | (bytes.size() - slot);
      std::memcpy(bytes.data() + slot, &word, 8);
      bytes += "abcdefgh";
    }
    EXPECT_EQ(Check(bytes), static_cast<int64_t>(bytes.size()));
    EXPECT_EQ(Check(bytes.substr(0, bytes.size() - 8)), -1);
    AlignedBytes copy(bytes);
    EXPECT_EQ(CheckedValueBytes(copy.data(), shapes_.table()), bytes.size());
  }
  // Memory for the deepest of values is not kept.
  EXPECT_LT(scratch_.frames.capacity(), 200'000u);
}

TEST_F(CheckValueTest, CheckedLengthIsFoundWithoutChecking) {
  Generator generator(5);
  for (int round = 0; round < 5000; ++round) {
    AlignedBytes bytes(Encode(generator.RandomTree(5)));
    ASSERT_EQ(CheckedValueBytes(bytes.data(), shapes_.table()), bytes.size());
  }
}

TEST_F(CheckValueTest, ShapesThatAreNotThereAreRefused) {
  EXPECT_EQ(Check(Words({0xFFFC000000000008})), -1);
  shapes_.Define({});
  EXPECT_EQ(Check(Words({0xFFFC000000000008})), 8);
  EXPECT_EQ(Check(Words({0xFFFC000100000008})), -1);
  EXPECT_EQ(Check(Words({0xFFFCFFFF00000008})), -1);
}

}  // namespace
}  // namespace forkstore
