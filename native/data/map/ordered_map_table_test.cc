// Maps as tables of the live tree: index names stand before all others; and what cleared maps leave behind
// when changes are taken back.
#include "testing/map.h"

namespace forkstore {
namespace {

Key NameKey(const std::string& name) {
  return Key{KeyKind::kLatin1, reinterpret_cast<const uint8_t*>(name.data()), name.size()};
}

TEST(IndexOfName, IsWhatJavaScriptTakesForOne) {
  uint32_t index = 77;
  for (const char* name : {"0", "1", "10", "4294967294"}) {
    EXPECT_TRUE(IndexOfName(NameKey(name), &index)) << name;
    EXPECT_EQ(std::to_string(index), name);
  }
  for (const char* name :
       {"", "00", "01", "-1", "1.0", "1e3", " 1", "4294967295", "9999999999", "10000000000", "x"}) {
    EXPECT_FALSE(IndexOfName(NameKey(name), &index)) << name;
  }
  const char wide[] = "1\0";
  EXPECT_FALSE(IndexOfName(Key{KeyKind::kUtf16, reinterpret_cast<const uint8_t*>(wide), 2}, &index));
}

TEST(OrderedMapTable, IndexesAreInOrderOfTheirNumbers) {
  MapForTest test;
  test.memory.heap().Mutate<MapHeader>(test.header).next_sequence = kFirstNameSequence;
  OrderedMap map = test.map();
  const std::string value = MakeValue(8, 1);
  const auto set = [&](const std::string& name) {
    uint32_t index = 0;
    bool inserted = false;
    const uint64_t sequence = IndexOfName(NameKey(name), &index) ? index : OrderedMap::kAtEnd;
    ASSERT_TRUE(
        map.Set(NameKey(name), reinterpret_cast<const uint8_t*>(value.data()), 8, &inserted, sequence).ok());
    ASSERT_TRUE(inserted);
  };
  for (const char* name : {"b", "4294967294", "10", "a", "0", "9"}) set(name);
  ASSERT_TRUE(map.Delete(NameKey("b")));
  set("b");
  std::vector<std::string> names;
  for (const auto& [key, unused] : test.Contents(2)) names.push_back(key.substr(1));
  EXPECT_EQ(names, (std::vector<std::string>{"0", "9", "10", "4294967294", "a", "b"}));
  EXPECT_EQ(test.memory.heap().Read<MapHeader>(test.header).next_sequence, kFirstNameSequence + 3);
}

TEST(Graveyard, ForgetsWhatWasTakenBackAndReclaimsWhatWasBefore) {
  MapForTest test;
  bool inserted = false;
  const auto fill = [&](uint64_t keys) {
    for (uint64_t i = 0; i < keys; ++i) ASSERT_TRUE(test.Set(MakeKey(i), MakeValue(8, i), &inserted).ok());
  };
  fill(100);
  test.map().Clear(&test.graveyard);
  const uint64_t mark = test.graveyard.Mark();
  fill(50);
  const MapHeader before = test.memory.heap().Read<MapHeader>(test.header);
  const Entries entries = test.Contents();
  test.map().Clear(&test.graveyard);
  while (!test.graveyard.ReclaimBefore(mark, 7)) {
  }
  EXPECT_FALSE(test.graveyard.empty());
  // As undo does it: the header is as it was.
  test.graveyard.ForgetSince(mark);
  EXPECT_TRUE(test.graveyard.empty());
  EXPECT_EQ(test.graveyard.Mark(), mark);
  test.memory.heap().Mutate<MapHeader>(test.header) = before;
  EXPECT_EQ(test.Contents(), entries);
  test.map().Clear(&test.graveyard);
  EXPECT_TRUE(test.graveyard.Reclaim(10'000));
  EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
}

}  // namespace
}  // namespace forkstore
