#include "data/value/shape.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "testing/heap.h"
#include "testing/shapes.h"

namespace forkstore {
namespace {

using Names = std::vector<std::u16string>;

std::span<const uint8_t> Span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// One name as a shape holds it, with the bytes it points to.
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

void ExpectShape(const ShapeTable& table, uint32_t shape, const Names& names) {
  ASSERT_TRUE(table.Has(shape));
  ASSERT_EQ(table.FieldCount(shape), names.size());
  const std::string list = oracle::NameList(names);
  const auto stored = table.NameList(shape);
  ASSERT_EQ(std::string(stored.begin(), stored.end()), list);
  uint32_t found = 0xFFFF;
  ASSERT_TRUE(table.Find(Span(list), &found));
  ASSERT_EQ(found, shape);
  for (size_t i = 0; i < names.size(); ++i) {
    const Name name(names[i]);
    ASSERT_TRUE(table.FieldName(shape, static_cast<uint32_t>(i)) == name.string);
    ASSERT_EQ(table.FieldIndex(shape, name.string), static_cast<int32_t>(i));
  }
  ASSERT_EQ(table.FieldIndex(shape, Name(u"not a field").string), -1);
}

Names RandomNames(std::mt19937_64* random) {
  Names names;
  const size_t count = (*random)() % 4 == 0 ? (*random)() % 65 : (*random)() % 6;
  while (names.size() < count) {
    std::u16string name;
    const uint64_t units = (*random)() % 20 == 0 ? 200 + (*random)() % 56 : (*random)() % 12;
    const uint64_t alphabet = (*random)() % 3 == 0 ? 0x10000 : 26;
    for (size_t i = 0; i < units; ++i) {
      name += static_cast<char16_t>(alphabet == 26 ? 'a' + (*random)() % 26 : (*random)() % alphabet);
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

TEST(ShapeTable, RandomShapesAgreeWithAMap) {
  ShapesForTest shapes;
  std::mt19937_64 random(1);
  std::map<Names, uint32_t> expected;
  for (int round = 0; round < 3000; ++round) {
    const Names names = RandomNames(&random);
    uint32_t shape = 0xFFFF;
    const std::string list = oracle::NameList(names);
    EXPECT_EQ(shapes.table().Find(Span(list), &shape), expected.count(names) == 1);
    ASSERT_TRUE(shapes.Define(names, &shape).ok());
    const auto [it, added] = expected.emplace(names, static_cast<uint32_t>(expected.size()));
    ASSERT_EQ(shape, it->second);
    ASSERT_EQ(shapes.table().count(), expected.size());
  }
  for (const auto& [names, shape] : expected) ExpectShape(shapes.table(), shape, names);
  EXPECT_FALSE(shapes.table().Has(static_cast<uint32_t>(expected.size())));
  EXPECT_FALSE(shapes.table().Has(0xFFFFFFFF));
}

TEST(ShapeTable, OrderAndKindOfNamesCount) {
  ShapesForTest shapes;
  EXPECT_EQ(shapes.Define({}), 0u);
  EXPECT_EQ(shapes.Define({u""}), 1u);
  EXPECT_EQ(shapes.Define({u"a", u"b"}), 2u);
  EXPECT_EQ(shapes.Define({u"b", u"a"}), 3u);
  EXPECT_EQ(shapes.Define({u"a", u"b", u""}), 4u);
  EXPECT_EQ(shapes.Define({std::u16string(u"a\0", 2)}), 5u);
  // The same bytes as "AA" in the other kind.
  EXPECT_EQ(shapes.Define({u"AA", u"\u4141"}), 6u);
  EXPECT_EQ(shapes.table().FieldIndex(6, Name(u"\u4141").string), 1);
  EXPECT_EQ(shapes.Define({}), 0u);
  EXPECT_EQ(shapes.Define({u"a", u"b"}), 2u);
}

TEST(ShapeTable, MalformedNameListsAreRefused) {
  ShapesForTest shapes;
  const auto define = [&](const std::string& list, uint32_t count) {
    uint32_t shape;
    return shapes.table().Define(Span(list), count, &shape).code();
  };
  const std::string good = oracle::NameList({u"abc", u"de"});
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(define(good.substr(0, length), 2), Code::kInvalid);
  }
  EXPECT_EQ(define(good, 1), Code::kInvalid);
  EXPECT_EQ(define(good, 3), Code::kInvalid);
  EXPECT_EQ(define(good, 0xFFFFFFFF), Code::kInvalid);
  EXPECT_EQ(define(good + std::string(1, 0), 2), Code::kInvalid);
  EXPECT_EQ(define(std::string("\0\0\3\0abcX", 8), 1), Code::kInvalid) << "padding";
  EXPECT_EQ(define(std::string("\2\0\4\0abcd", 8), 1), Code::kInvalid) << "kind";
  EXPECT_EQ(define(std::string("\1\0\4\0a\0b\0", 8), 1), Code::kInvalid) << "fits Latin-1";
  EXPECT_EQ(define(std::string("\1\0\3\0\0\1\0\0", 8), 1), Code::kInvalid) << "odd";
  EXPECT_EQ(define(oracle::NameList({u"a", u"b", u"a"}), 3), Code::kInvalid) << "repeated";
  EXPECT_EQ(define(oracle::NameList({std::u16string(256, u'x')}), 1), Code::kInvalid);
  EXPECT_EQ(define(oracle::NameList({std::u16string(256, u'\u20AC')}), 1), Code::kInvalid);
  EXPECT_EQ(define(oracle::NameList({std::u16string(255, u'\u20AC')}), 1), Code::kOk);
  Names names;
  for (char16_t i = 0; i < 65; ++i) names.push_back({u'n', i});
  EXPECT_EQ(define(oracle::NameList(names), 65), Code::kInvalid);
  names.pop_back();
  EXPECT_EQ(define(oracle::NameList(names), 64), Code::kOk);
  EXPECT_EQ(shapes.table().count(), 2u);
}

TEST(ShapeTable, IsFullAt4096AndStillFinds) {
  ShapesForTest shapes;
  const uint32_t first = shapes.Define({u"x"});
  shapes.FillUp();
  uint32_t shape;
  EXPECT_EQ(shapes.Define({u"one more"}, &shape).code(), Code::kTooLarge);
  EXPECT_EQ(shapes.Define({u"x"}), first);
  EXPECT_EQ(shapes.table().count(), kMaxShapes);
}

TEST(ShapeTable, FullArenaChangesNothing) {
  HeapForTest heap(kMinArenaBytes);
  const Offset fields = heap.NewZeros(16);
  ShapeTable table(heap.heap(), fields, fields + 8);
  heap.Exhaust();
  uint32_t shape;
  const std::string list = oracle::NameList({u"a", u"b"});
  EXPECT_EQ(table.Define(Span(list), 2, &shape).code(), Code::kFull);
  EXPECT_EQ(table.count(), 0u);
  EXPECT_FALSE(table.Find(Span(list), &shape));
  EXPECT_EQ(heap.heap().Read<uint64_t>(fields), 0u);
  EXPECT_EQ(heap.heap().Read<uint64_t>(fields + 8), 0u);
}

TEST(ShapeTable, TruncateTakesBackTheNewest) {
  HeapForTest heap;
  const Offset fields = heap.NewZeros(16);
  ShapeTable table(heap.heap(), fields, fields + 8);
  const auto define = [&](const Names& names) {
    uint32_t shape = 0xFFFF;
    const std::string list = oracle::NameList(names);
    EXPECT_TRUE(table.Define(Span(list), static_cast<uint32_t>(names.size()), &shape).ok());
    return shape;
  };
  define({u"a"});
  const uint64_t live = heap.live_bytes();
  define({u"a", u"b"});
  define({u"a", u"b", u"c"});
  table.Truncate(1);
  EXPECT_EQ(table.count(), 1u);
  EXPECT_EQ(heap.live_bytes(), live);
  ExpectShape(table, 0, {u"a"});
  uint32_t shape;
  EXPECT_FALSE(table.Find(Span(oracle::NameList({u"a", u"b"})), &shape));
  EXPECT_EQ(define({u"z"}), 1u);
  ExpectShape(table, 1, {u"z"});
  table.Truncate(5);
  EXPECT_EQ(table.count(), 2u);
}

class RestoreTest : public testing::Test {
 protected:
  RestoreTest() : fields_(heap_.NewZeros(16)), table_(heap_.heap(), fields_, fields_ + 8) {
    for (const Names& names : all_) {
      uint32_t shape;
      const std::string list = oracle::NameList(names);
      EXPECT_TRUE(table_.Define(Span(list), static_cast<uint32_t>(names.size()), &shape).ok());
    }
    image_ = heap_.Save();
  }

  // Loads an image; ok when it is accepted, and then `check` is called with the table.
  template <typename Check>
  Status Load(const HeapForTest::Image& image, Check check) {
    HeapForTest fresh(kMinArenaBytes);
    fresh.Load(image);
    EXPECT_TRUE(fresh.Claim(fields_, 16));
    ShapeTable table(fresh.heap(), fields_, fields_ + 8);
    const Status status = table.Restore();
    if (status.ok()) check(table, fresh);
    return status;
  }
  Code Load(const HeapForTest::Image& image) {
    return Load(image, [](const ShapeTable&, HeapForTest&) {}).code();
  }
  template <typename T>
  T& At(HeapForTest::Image* image, Offset offset) {
    return *reinterpret_cast<T*>(image->bytes.data() + offset);
  }

  const std::vector<Names> all_ = {{}, {u"id", u"name"}, {u"a", u"\u20AC", u""}, {u"id"}};
  HeapForTest heap_{kMinArenaBytes};
  Offset fields_;
  ShapeTable table_;
  HeapForTest::Image image_;
};

TEST_F(RestoreTest, BringsBackEveryShape) {
  const Status status = Load(image_, [this](ShapeTable& table, HeapForTest& heap) {
    ASSERT_EQ(table.count(), all_.size());
    for (uint32_t shape = 0; shape < all_.size(); ++shape) ExpectShape(table, shape, all_[shape]);
    heap.FinishLoad();
    EXPECT_EQ(heap.live_blocks(), all_.size() + 1);
    uint32_t shape;
    const std::string list = oracle::NameList({u"new"});
    ASSERT_TRUE(table.Define(Span(list), 1, &shape).ok());
    EXPECT_EQ(shape, all_.size());
  });
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(RestoreTest, WrongListsAreRefused) {
  const Offset newest = At<uint64_t>(&image_, fields_);
  const auto changed = [&](auto change) {
    HeapForTest::Image image = image_;
    change(&image);
    return Load(image);
  };
  using Image = HeapForTest::Image;
  EXPECT_EQ(changed([](Image*) {}), Code::kOk);
  for (uint32_t count : {0u, 3u, 5u, 4097u, 0xFFFFFFFFu}) {
    EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, fields_ + 8) = count; }), Code::kCorrupt) << count;
  }
  for (uint64_t next : {uint64_t{0}, newest, newest + 8, uint64_t{8}, ~uint64_t{0}, uint64_t{1} << 40}) {
    EXPECT_EQ(changed([&](Image* i) { At<uint64_t>(i, newest) = next; }), Code::kCorrupt);
    if (next != newest) {
      EXPECT_EQ(changed([&](Image* i) { At<uint64_t>(i, fields_) = next; }), Code::kCorrupt);
    }
  }
  EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, newest + 8) = 7; }), Code::kCorrupt) << "id";
  EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, newest + 12) = 2; }), Code::kCorrupt) << "count";
  EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, newest + 16) = 4; }), Code::kCorrupt) << "bytes";
  EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, newest + 16) = 0xFFFFFFFF; }), Code::kCorrupt) << "bytes";
  EXPECT_EQ(changed([&](Image* i) { At<uint32_t>(i, newest + 20) = 1; }), Code::kCorrupt) << "zero";
  EXPECT_EQ(changed([&](Image* i) { At<uint16_t>(i, newest + 24) = 2; }), Code::kCorrupt) << "kind";
}

TEST_F(RestoreTest, TwoShapesWithTheSameNamesAreRefused) {
  ShapesForTest shapes;
  const uint32_t first = shapes.Define({u"aa"});
  const uint32_t second = shapes.Define({u"bb"});
  HeapForTest::Image image;
  uint8_t* name = const_cast<uint8_t*>(shapes.table().NameList(second).data()) + 4;
  std::memcpy(name, shapes.table().NameList(first).data() + 4, 2);
  image.table.assign(shapes.heap().allocator.table(),
                     shapes.heap().allocator.table() + shapes.heap().allocator.units());
  image.bytes.assign(shapes.heap().arena.base(), shapes.heap().arena.base() + shapes.heap().arena.frontier());
  HeapForTest fresh(kMinArenaBytes);
  fresh.Load(image);
  ShapeTable table(fresh.heap(), shapes.fields(), shapes.fields() + 8);
  EXPECT_EQ(table.Restore().code(), Code::kCorrupt);
  EXPECT_EQ(table.count(), 0u);
}

TEST_F(RestoreTest, ChangedBytesNeverCrash) {
  std::mt19937_64 random(5);
  const Offset first = At<uint64_t>(&image_, fields_) & ~uint64_t{0xFFFF};
  for (int round = 0; round < 300; ++round) {
    HeapForTest::Image image = image_;
    for (int i = 0; i < 3; ++i) image.bytes[first + random() % 400] = static_cast<uint8_t>(random());
    Load(image, [](ShapeTable& table, HeapForTest&) {
      for (uint32_t shape = 0; shape < table.count(); ++shape) {
        for (uint32_t field = 0; field < table.FieldCount(shape); ++field) {
          EXPECT_EQ(table.FieldIndex(shape, table.FieldName(shape, field)), static_cast<int32_t>(field));
        }
      }
    }).ok();
  }
}

}  // namespace
}  // namespace forkstore
