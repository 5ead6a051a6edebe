// More entries than a JavaScript Map can hold (2^24). Takes about 1.2 GB and some seconds.
#include "testing/map.h"

namespace forkstore {
namespace {

Key NumberKey(uint64_t i, double* number) {
  *number = static_cast<double>(i);
  return Key{KeyKind::kNumber, reinterpret_cast<const uint8_t*>(number), 8};
}

TEST(OrderedMapLarge, TwentyMillionEntries) {
  constexpr uint64_t kEntries = 20'000'000;
  MapForTest test(uint64_t{8} << 30);
  OrderedMap map = test.map();
  double number;
  bool inserted = false;
  std::string value = MakeValue(8, 0);
  for (uint64_t i = 0; i < kEntries; i++) {
    const uint32_t low = static_cast<uint32_t>(i);
    std::memcpy(value.data(), &low, 4);
    ASSERT_TRUE(
        map.Set(NumberKey(i, &number), reinterpret_cast<const uint8_t*>(value.data()), 8, &inserted).ok());
  }
  EXPECT_EQ(map.size(), kEntries);
  for (uint64_t i = 0; i < kEntries; i += 101) {
    const Offset found = map.Find(NumberKey(i, &number));
    ASSERT_NE(found, kNone);
    ASSERT_EQ(test.memory.heap().Read<uint32_t>(found), i);
    ASSERT_EQ(map.Find(NumberKey(i + kEntries, &number)), kNone);
  }
  // In order, every one of them.
  std::vector<Offset> records(1024);
  uint64_t next = 0;
  for (uint32_t count = 1024; count == 1024;) {
    count = map.Scan(next + 1, 1024, records.data());
    for (uint32_t i = 0; i < count; i++, next++) {
      ASSERT_EQ(ReadRecord(test.memory.heap(), records[i]).sequence, next + 1);
    }
  }
  EXPECT_EQ(next, kEntries);
  map.Clear(&test.graveyard);
  while (!test.graveyard.Reclaim(100'000)) {
  }
  EXPECT_EQ(test.memory.live_blocks(), test.empty_blocks);
}

}  // namespace
}  // namespace forkstore
