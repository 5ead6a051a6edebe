#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "data/value/value.h"
#include "testing/shapes.h"
#include "testing/value_generator.h"

namespace forkstore {
namespace {

using oracle::Encoder;
using oracle::Generator;
using oracle::Tree;
using oracle::Type;

class PatchTest : public testing::Test {
 protected:
  std::string Encode(const Tree& tree) { return Encoder(&shapes_.table()).Encode(tree); }

  // What PatchValue makes of two encoded values; empty, with *code telling why, when it refuses.
  std::string Patch(const std::string& current, const std::string& patch, Code* code) {
    AlignedBytes from(current);
    AlignedBytes with(patch);
    std::vector<uint8_t> out(3, 1);
    const Status status =
        PatchValue(from.data(), from.size(), with.data(), with.size(), &shapes_.table(), &scratch_, &out);
    *code = status.code();
    return std::string(out.begin(), out.end());
  }

  // The same, on trees. The kind of the object is left to the encoder, unless nothing changes.
  static Tree PatchTree(Tree current, const Tree& patch) {
    if (!patch.names.empty()) current.type = Type::kObject;
    for (size_t i = 0; i < patch.names.size(); ++i) {
      size_t field = 0;
      while (field < current.names.size() && current.names[field] != patch.names[i]) ++field;
      if (field == current.names.size()) {
        current.names.push_back(patch.names[i]);
        current.items.emplace_back();
      }
      current.items[field] = patch.items[i];
    }
    return current;
  }

  void ExpectPatched(const Tree& current, const Tree& patch) {
    const std::string from = Encode(current);
    const std::string with = Encode(patch);
    Code code;
    const std::string result = Patch(from, with, &code);
    ASSERT_EQ(code, Code::kOk);
    ASSERT_EQ(result, Encode(PatchTree(current, patch)));
    AlignedBytes copy(result);
    uint64_t length;
    ASSERT_TRUE(CheckValue(copy.data(), copy.size(), shapes_.table(), &scratch_, &length).ok());
    ASSERT_EQ(length, result.size());
    in_place_ += PatchedInPlace(from, with, result);
  }

  // Whether PatchInPlace does it; then it must give `expected`, else it must not write.
  bool PatchedInPlace(const std::string& current, const std::string& patch, const std::string& expected) {
    AlignedBytes from(current);
    AlignedBytes with(patch);
    const auto write = [](void* context, uint64_t distance, const uint8_t* source, uint64_t bytes) {
      auto* to = static_cast<AlignedBytes*>(context);
      EXPECT_LE(distance + bytes, to->size());
      EXPECT_GE(distance, 8u);
      std::memcpy(to->data() + distance, source, bytes);
    };
    const bool done = PatchInPlace(from.data(), with.data(), shapes_.table(), write, &from);
    const std::string result(from.data(), from.data() + from.size());
    EXPECT_EQ(result, done ? expected : current);
    return done;
  }

  ShapesForTest shapes_;
  ValueScratch scratch_;
  int in_place_ = 0;
};

TEST_F(PatchTest, RandomPatchesGiveWhatTheTreesGive) {
  Generator generator(1);
  for (int round = 0; round < 4000; ++round) {
    const Tree current = generator.RandomObject(4, 8);
    Tree patch = generator.RandomObject(3, 4);
    ExpectPatched(current, patch);
  }
  EXPECT_GT(in_place_, 100);
}

TEST_F(PatchTest, ChainsOfPatchesStayCanonical) {
  Generator generator(2);
  for (int round = 0; round < 500; ++round) {
    Tree current = generator.RandomObject(3, 3);
    for (int step = 0; step < 20; ++step) {
      const Tree patch = generator.RandomObject(2, 3);
      ExpectPatched(current, patch);
      current = PatchTree(current, patch);
      if (current.type == Type::kObject && current.names.size() > 64) current.type = Type::kDictionary;
    }
  }
}

TEST_F(PatchTest, WithShapesUsedUpResultsAreDictionaries) {
  shapes_.FillUp();
  Generator generator(3);
  for (int round = 0; round < 5000; ++round) {
    ExpectPatched(generator.RandomObject(3, 8), generator.RandomObject(2, 4));
  }
  EXPECT_EQ(shapes_.table().count(), kMaxShapes);
  // A dictionary whose names do have a shape becomes an object of it.
  const Tree dictionary = oracle::Object({}, Type::kDictionary);
  const std::string result = Encode(oracle::Object({{u"filler 7", oracle::Number(1)}}));
  Code code;
  EXPECT_EQ(Patch(Encode(dictionary), Encode(oracle::Object({{u"filler 7", oracle::Number(1)}})), &code),
            result);
}

TEST_F(PatchTest, WideObjectsBecomeAndStayDictionaries) {
  Tree current;
  current.type = Type::kObject;
  for (int i = 0; i < 64; ++i) {
    current.names.push_back(std::u16string(static_cast<size_t>(i % 7), u'n') +
                            static_cast<char16_t>(200 + i));
    current.items.push_back(oracle::String(std::u16string(static_cast<size_t>(i % 9), u'v')));
  }
  ExpectPatched(current, oracle::Object({{current.names[5], oracle::Number(1)}}));
  ExpectPatched(current, oracle::Object({{u"65th", oracle::Number(1)}}));
  Tree wide = PatchTree(current, oracle::Object({{u"65th", oracle::Number(1)}}));
  ExpectPatched(wide, oracle::Object({{u"65th", oracle::String(u"another value")}}));
  Tree large{.type = Type::kDictionary};
  for (int i = 0; i < 20'000; ++i) {
    const std::string digits = std::to_string(i * 3);
    large.names.emplace_back(digits.begin(), digits.end());
    large.items.push_back(oracle::Number(i));
  }
  Tree patch{.type = Type::kDictionary};
  for (int i = 0; i < 20'000; ++i) {
    const std::string digits = std::to_string(i * 2);
    patch.names.emplace_back(digits.begin(), digits.end());
    patch.items.push_back(oracle::String(u"new"));
  }
  const std::string from = Encode(large);
  const std::string with = Encode(patch);
  Code code;
  const std::string result = Patch(from, with, &code);
  AlignedBytes copy(result);
  uint64_t length;
  ASSERT_TRUE(CheckValue(copy.data(), copy.size(), shapes_.table(), &scratch_, &length).ok());
  const Tree merged = oracle::Decoder(copy.data(), shapes_.table()).Decode();
  ASSERT_EQ(merged.names.size(), 20'000u + 13'333u);
  EXPECT_EQ(merged.names[1], u"3");
  EXPECT_EQ(merged.items[1].type, Type::kNumber);
  EXPECT_EQ(merged.items[2].string, u"new");
  EXPECT_EQ(merged.names[20'000], u"2");
}

TEST_F(PatchTest, NamesTooLongForAShapeMakeADictionary) {
  ExpectPatched(oracle::Object({{u"a", oracle::Number(1)}}),
                oracle::Object({{std::u16string(256, u'n'), oracle::Number(2)}}));
  ExpectPatched(oracle::Object({{u"a", oracle::Number(1)}}),
                oracle::Object({{std::u16string(255, u'\u20AC'), oracle::Number(2)}}));
  ExpectPatched(oracle::Object({{u"a", oracle::Number(1)}}),
                oracle::Object({{std::u16string(0x10000, u'\u20AC'), oracle::Number(2)}}));
}

TEST_F(PatchTest, EmptyPatchChangesNothing) {
  Generator generator(4);
  const std::string empty = Encode(oracle::Object({}));
  for (int round = 0; round < 500; ++round) {
    const std::string current = Encode(generator.RandomObject(3, 6));
    const uint32_t shapes = shapes_.table().count();
    Code code;
    ASSERT_EQ(Patch(current, empty, &code), current);
    ASSERT_EQ(shapes_.table().count(), shapes);
    ASSERT_TRUE(PatchedInPlace(current, empty, current));
  }
}

TEST_F(PatchTest, OnlyObjectsCanBePatched) {
  const std::string object = Encode(oracle::Object({{u"a", oracle::Number(1)}}));
  for (const Tree& tree :
       {oracle::Special(1), oracle::Number(1), oracle::Number(1.5), oracle::String(u"abcdef"),
        oracle::Array({}), Tree{.type = Type::kBytes}, oracle::Date(1)}) {
    const std::string other = Encode(tree);
    Code code;
    EXPECT_EQ(Patch(other, object, &code), "");
    EXPECT_EQ(code, Code::kWrongType);
    EXPECT_EQ(Patch(object, other, &code), "");
    EXPECT_EQ(code, Code::kWrongType);
    EXPECT_FALSE(PatchedInPlace(other, object, ""));
    EXPECT_FALSE(PatchedInPlace(object, other, ""));
  }
}

TEST_F(PatchTest, InPlaceWhereNothingMoves) {
  const auto in_place = [this](Tree before, Tree after) {
    const Tree current = oracle::Object({{u"x", oracle::String(u"something in front")},
                                         {u"a", std::move(before)},
                                         {u"y", oracle::String(u"something behind")}});
    const Tree patch = oracle::Object({{u"a", std::move(after)}});
    return PatchedInPlace(Encode(current), Encode(patch), Encode(PatchTree(current, patch)));
  };
  const Tree number = oracle::Number(1);
  EXPECT_TRUE(in_place(number, oracle::Number(1.5)));
  EXPECT_TRUE(in_place(number, oracle::String(u"short")));
  EXPECT_TRUE(in_place(oracle::Special(1), number));
  EXPECT_TRUE(in_place(oracle::String(u"ABCDEF"), oracle::String(u"uvwxyz")));
  EXPECT_TRUE(in_place(oracle::String(u"AB\u4141"), oracle::String(u"AB\u4242")));
  EXPECT_TRUE(in_place(oracle::Date(5), oracle::Date(NAN)));
  EXPECT_TRUE(
      in_place(oracle::String(std::u16string(70'000, u'a')), oracle::String(std::u16string(70'000, u'b'))));
  EXPECT_TRUE(
      in_place(Tree{.type = Type::kBytes, .bytes = "abc"}, Tree{.type = Type::kBytes, .bytes = "xyz"}));
  EXPECT_TRUE(in_place(Tree{.type = Type::kBigint, .words = {1}},
                       Tree{.type = Type::kBigint, .negative = true, .words = {2}}));
  EXPECT_FALSE(in_place(number, oracle::String(u"longer")));
  EXPECT_FALSE(in_place(oracle::String(u"longer"), number));
  EXPECT_FALSE(in_place(oracle::String(u"ABCDEF"), oracle::String(u"ABCDEFG")));
  EXPECT_FALSE(in_place(oracle::String(u"ABCDEFGH"), oracle::String(u"ABC\u4141")));
  EXPECT_FALSE(
      in_place(oracle::String(std::u16string(70'000, u'a')), oracle::String(std::u16string(70'001, u'b'))));
  EXPECT_FALSE(
      in_place(Tree{.type = Type::kBytes, .bytes = "abc"}, Tree{.type = Type::kBuffer, .bytes = "xyz"}));
  EXPECT_FALSE(
      in_place(Tree{.type = Type::kBytes, .bytes = "abc"}, Tree{.type = Type::kBytes, .bytes = "wxyz"}));
  EXPECT_FALSE(in_place(oracle::Array({number}), oracle::Array({oracle::Number(2)})));
  EXPECT_FALSE(in_place(oracle::Array({}), oracle::Array({number})));
  const Tree current = oracle::Object({{u"a", number}});
  const Tree added = oracle::Object({{u"a", oracle::Number(2)}, {u"b", number}});
  EXPECT_FALSE(PatchedInPlace(Encode(current), Encode(added), ""));
}

TEST_F(PatchTest, InPlaceDoesNotTouchWhatIsTheSame) {
  const std::string value =
      Encode(oracle::Object({{u"a", oracle::Number(1)}, {u"b", oracle::String(u"unchanged")}}));
  AlignedBytes current(value);
  AlignedBytes patch(value);
  int writes = 0;
  const auto count = [](void* context, uint64_t, const uint8_t*, uint64_t) { ++*static_cast<int*>(context); };
  EXPECT_TRUE(PatchInPlace(current.data(), patch.data(), shapes_.table(), count, &writes));
  EXPECT_EQ(writes, 0);
}

TEST_F(PatchTest, ResultsOverTheLimitLeaveNoShapeBehind) {
  // Two values of 600 MB each are allowed; an object with both is not. Memory from calloc is not there
  // until it is written to, so that the zeros in these values cost next to nothing.
  const uint64_t length = 600'000'000;
  const uint64_t bytes = 24 + length;
  const auto large_object = [&](const std::u16string& name) {
    auto* const value = static_cast<uint8_t*>(std::calloc(1, bytes));
    const uint64_t shape = shapes_.Define({name});
    const uint64_t words[] = {0xFFFC000000000008 | shape << 32, 0xFFFE000300000008, length};
    std::memcpy(value, words, sizeof(words));
    return std::unique_ptr<uint8_t, decltype(&std::free)>(value, &std::free);
  };
  const auto current = large_object(u"a");
  const auto patch = large_object(u"b");
  uint64_t checked_bytes;
  ASSERT_TRUE(CheckValue(current.get(), bytes, shapes_.table(), &scratch_, &checked_bytes).ok());
  ASSERT_EQ(checked_bytes, bytes);
  const uint32_t shapes = shapes_.table().count();
  std::vector<uint8_t> out;
  EXPECT_EQ(PatchValue(current.get(), bytes, patch.get(), bytes, &shapes_.table(), &scratch_, &out).code(),
            Code::kTooLarge);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(shapes_.table().count(), shapes);
}

TEST_F(PatchTest, DeepSubtreesAreCopiedWithoutRecursion) {
  const size_t depth = 1'000'000;
  const uint32_t shape = shapes_.Define({u"a"});
  std::string bytes(16 + 16 * depth, '\0');
  const uint64_t root = 0xFFFC000000000008 | uint64_t{shape} << 32;
  std::memcpy(bytes.data(), &root, 8);
  for (size_t i = 0; i < depth; ++i) {
    const uint64_t words[] = {0xFFFD000000000008, i + 1 < depth};
    std::memcpy(bytes.data() + 8 + 16 * i, words, 16);
  }
  bytes.resize(8 + 16 * depth);
  Code code;
  const std::string patch = Encode(oracle::Object({{u"b", oracle::Number(1)}}));
  const std::string result = Patch(bytes, patch, &code);
  ASSERT_EQ(code, Code::kOk);
  AlignedBytes copy(result);
  uint64_t length;
  EXPECT_TRUE(CheckValue(copy.data(), copy.size(), shapes_.table(), &scratch_, &length).ok());
  EXPECT_EQ(result.size(), bytes.size() + 8);
}

}  // namespace
}  // namespace forkstore
