// Items that left an array and are held read as they were when they left, whatever happens meanwhile, and
// what they are made of comes back once they are let go.
#include "data/tree/held_items.h"

#include "testing/tree.h"

namespace forkstore {
namespace {

using oracle::Array;
using oracle::Number;
using oracle::Object;
using oracle::String;

using Items = std::vector<oracle::Tree>;
using Indexed = std::map<uint32_t, oracle::Tree>;

constexpr uint32_t kMost = HeldItems::kMostAtOnce;

class HeldItemsTest : public testing::Test {
 protected:
  // Items of every kind, with what is below them.
  static oracle::Tree ItemOf(uint32_t n) {
    switch (n % 5) {
      case 0:
        return Number(n);
      case 1:
        return String(std::u16string(200 + n % 100, u's'));
      case 2:
        return Array({Number(n), Object({{u"in", Array({Number(n)})}})});
      default:
        return Object({{u"n", Number(n)}, {u"o", Object({})}});
    }
  }
  static Items ItemsOf(uint32_t count, uint32_t from = 0) {
    Items items;
    for (uint32_t i = 0; i < count; ++i) items.push_back(ItemOf(from + i));
    return items;
  }

  void SetUp() override {
    test.tree->SkipNodes(1'000'000);  // so that the node table becomes no higher
    ASSERT_TRUE(test.SetMember(kRootNode, u"items", Array({})).ok());
    array = SlotNode(test.Member(kRootNode, u"items"));
    // With the shapes of all items.
    Insert(0, ItemsOf(100));
    test.tree->DropHeld(Take(0, 100));
    ReclaimAll();
    blocks_without = test.memory.live_blocks();
  }
  static oracle::Tree ArrayOf(const Items& items) {
    oracle::Tree tree{.type = oracle::Type::kArray};
    tree.items = items;
    return tree;
  }
  void Insert(uint32_t start, const Items& items) {
    ASSERT_TRUE(test.Splice(array, start, 0, ArrayOf(items)).ok());
  }
  uint64_t Take(uint32_t start, uint32_t count, const Items& added = {}) {
    AlignedBytes bytes(test.Encode(ArrayOf(added)));
    uint64_t held = 0;
    EXPECT_TRUE(test.Apply([&] { return test.tree->Splice(array, start, count, bytes.data(), &held); }).ok());
    return held;
  }
  // One chunk; how many items it has.
  Status Read(uint64_t held, uint64_t taken, Indexed* into, uint32_t* count, uint32_t most = kMost) {
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> indexes(kMost + 1, 0xABCDEF);
    Status status = test.tree->ReadHeld(held, taken, most, &bytes, indexes.data(), count);
    if (!status.ok()) return status;
    EXPECT_EQ(indexes[kMost], 0xABCDEFu);
    EXPECT_LE(*count, most);
    EXPECT_EQ(*count == 0, bytes.empty());
    if (*count == 0) return status;
    uint64_t length = 0;
    EXPECT_TRUE(CheckValue(bytes.data(), bytes.size(), *test.shapes, &test.scratch, &length).ok());
    EXPECT_EQ(length, bytes.size());
    const oracle::Tree read = oracle::Decoder(bytes.data(), *test.shapes).Decode();
    EXPECT_EQ(read.items.size(), *count);
    for (uint32_t i = 0; i < *count; ++i) into->insert_or_assign(indexes[i], read.items[i]);
    return status;
  }
  // All from `taken` on. `again`: each chunk once more before it is acknowledged.
  uint64_t ReadAll(uint64_t held, Indexed* into, uint64_t taken = 0, bool again = false) {
    for (uint32_t count = 1; count > 0; taken += count) {
      EXPECT_TRUE(Read(held, taken, into, &count).ok());
      if (!again) continue;
      uint32_t once_more = 0;
      EXPECT_TRUE(Read(held, taken, into, &once_more).ok());
      EXPECT_EQ(once_more, count);
    }
    return taken;
  }
  static void Check(const Indexed& seen, const Items& expected, uint32_t start, uint32_t count) {
    ASSERT_EQ(seen.size(), count);
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(seen.count(i), 1u) << i;
      ASSERT_TRUE(Same(seen.at(i), expected[start + i])) << i;
    }
  }
  void CheckArray(const Items& items) { ASSERT_TRUE(Same(test.Read(array), ArrayOf(items))); }
  void ReclaimAll() {
    while (!test.tree->Reclaim(100)) {
    }
  }
  // All that is there is the empty array.
  void CheckNothingLeft() {
    test.tree->DropHeld(Take(0, test.tree->Length(test.tree->Locate(array))));
    ReclaimAll();
    ASSERT_FALSE(test.tree->has_garbage());
    ASSERT_EQ(test.tree->node_count(), 2u);
    ASSERT_EQ(test.memory.live_blocks(), blocks_without);
  }

  TreeForTest test;
  NodeId array = 0;
  uint64_t blocks_without = 0;
};

struct Piece {
  uint32_t start;
  uint32_t count;
  uint32_t added;
};
constexpr uint32_t kLength = 6000;
constexpr Piece kPieces[] = {
    {0, kLength, 0},    {1, kLength - 1, 0}, {0, kLength - 1, 0},   {1, kLength - 2, 3}, {700, 4096, 0},
    {64, 64, 0},        {63, 66, 0},         {100, 1, 0},           {4096, 1904, 0},     {4095, 1000, 70},
    {1000, 4000, 4000}, {5999, 1, 2},        {0, kLength, kLength}, {3000, 0, 5},        {2048, 2048, 0}};

TEST_F(HeldItemsTest, WhatLeavesIsReadAsItWas) {
  for (const Piece& piece : kPieces) {
    SCOPED_TRACE(std::to_string(piece.start) + ", " + std::to_string(piece.count));
    Items items = ItemsOf(kLength);
    ASSERT_NO_FATAL_FAILURE(Insert(0, items));
    const uint64_t nodes = test.tree->node_count();
    const uint64_t held = Take(piece.start, piece.count, ItemsOf(piece.added, 7));
    ASSERT_NE(held, 0u);
    ASSERT_GE(test.tree->node_count(), nodes);
    Indexed seen;
    const uint64_t taken = ReadAll(held, &seen, 0, true);
    ASSERT_EQ(taken, piece.count);
    ASSERT_NO_FATAL_FAILURE(Check(seen, items, piece.start, piece.count));
    const Items added = ItemsOf(piece.added, 7);
    items.erase(items.begin() + piece.start, items.begin() + piece.start + piece.count);
    items.insert(items.begin() + piece.start, added.begin(), added.end());
    ASSERT_NO_FATAL_FAILURE(CheckArray(items));
    ASSERT_TRUE(test.tree->has_garbage());
    test.tree->DropHeld(held);
    ReclaimAll();
    ASSERT_FALSE(test.tree->has_garbage());
    ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
  }
}

TEST_F(HeldItemsTest, ItemsAreDetachedUntilTheyAreGone) {
  ASSERT_NO_FATAL_FAILURE(Insert(0, ItemsOf(kLength)));
  std::vector<NodeId> ids;
  for (const uint32_t index : {2u, 3u, 900u, 901u, 3000u, 3003u, 5997u, 5998u}) {
    const Slot slot = test.SlotAt(test.tree->FindItem(test.tree->Locate(array), index));
    if (IsNodeSlot(slot)) ids.push_back(SlotNode(slot));
  }
  ASSERT_EQ(ids.size(), 5u);
  std::vector<NodeId> inner;
  for (const NodeId id : ids) {
    const Slot slot = test.Member(id, u"o");
    if (IsNodeSlot(slot)) inner.push_back(SlotNode(slot));
  }
  const uint64_t version = test.tree->layout_version();
  const uint64_t held = Take(1, kLength - 1);
  ASSERT_NE(test.tree->layout_version(), version);
  const auto check = [&] {
    for (const NodeId id : ids) ASSERT_EQ(test.tree->Locate(id), kNone);
    for (const NodeId id : inner) ASSERT_EQ(test.tree->Locate(id), kNone);
  };
  ASSERT_NO_FATAL_FAILURE(check());
  ReclaimAll();
  ASSERT_NO_FATAL_FAILURE(check());
  ASSERT_EQ(test.SetMember(ids[0], u"n", Number(1)).code(), Code::kNotFound);
  test.tree->DropHeld(held);
  ASSERT_NO_FATAL_FAILURE(check());
  while (!test.tree->Reclaim(50)) {
    ASSERT_NO_FATAL_FAILURE(check());
  }
  ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
}

TEST_F(HeldItemsTest, HolesAreLeftOut) {
  Items items = ItemsOf(3000);
  ASSERT_NO_FATAL_FAILURE(Insert(0, items));
  for (uint32_t i = 3; i < 3000; i += 2) {
    bool was_there = false;
    ASSERT_TRUE(test.Apply([&] { return test.tree->DeleteItem(array, i, &was_there); }).ok());
  }
  ASSERT_TRUE(test.Apply([&] { return test.tree->SetLength(array, 3'000'000); }).ok());
  ASSERT_TRUE(test.SetItem(array, 2'000'000, Number(5)).ok());
  const uint64_t held = Take(1, 2'500'000);
  Indexed seen;
  ASSERT_EQ(ReadAll(held, &seen), 1 + 1499 + 1u);
  for (const auto& [index, item] : seen) {
    ASSERT_TRUE(Same(item, index + 1 == 2'000'000 ? Number(5) : items[index + 1])) << index;
  }
  test.tree->DropHeld(held);
  const uint64_t holes = Take(1, 400'000);
  ASSERT_NE(holes, 0u);
  seen.clear();
  ASSERT_EQ(ReadAll(holes, &seen), 0u);
  test.tree->DropHeld(holes);
  ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
}

// Where positions wrap around, what is read comes in another order, by the right indexes.
TEST_F(HeldItemsTest, PositionsThatWrapAround) {
  for (const Piece& piece : {Piece{0, 500, 0}, Piece{1, 499, 0}, Piece{0, 499, 0}, Piece{90, 30, 0}}) {
    ASSERT_TRUE(test.Apply([&] { return test.tree->SetLength(array, 500); }).ok());
    test.memory.heap().Mutate<uint64_t>(test.tree->Locate(array) + offsetof(SequenceBlock, origin)) =
        kSequenceLimit - 100;
    const Items items = ItemsOf(500);
    for (uint32_t i = 0; i < 500; ++i) ASSERT_TRUE(test.SetItem(array, i, items[i]).ok());
    const uint64_t held = Take(piece.start, piece.count);
    Indexed seen;
    ReadAll(held, &seen);
    ASSERT_NO_FATAL_FAILURE(Check(seen, items, piece.start, piece.count));
    test.tree->DropHeld(held);
    ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
  }
}

TEST_F(HeldItemsTest, AReaderSaysWhatItHas) {
  ASSERT_NO_FATAL_FAILURE(Insert(0, ItemsOf(2000)));
  const uint64_t held = Take(0, 1999);
  Indexed seen;
  uint32_t count = 0;
  ASSERT_EQ(Read(held + 1, 0, &seen, &count).code(), Code::kNotFound);
  ASSERT_EQ(Read(held, 1, &seen, &count).code(), Code::kInvalid);
  ASSERT_TRUE(Read(held, 0, &seen, &count).ok());
  ASSERT_EQ(Read(held, count + 1, &seen, &count).code(), Code::kInvalid);
  ASSERT_TRUE(Read(held, 0, &seen, &count, 1).ok());
  ASSERT_EQ(count, 1u);
  ASSERT_TRUE(Read(held, 1, &seen, &count, 3).ok());
  ASSERT_EQ(count, 3u);
  ASSERT_EQ(Read(held, 0, &seen, &count).code(), Code::kInvalid);
  ASSERT_EQ(ReadAll(held, &seen, 4), 1999u);
  ASSERT_NO_FATAL_FAILURE(Check(seen, ItemsOf(2000), 0, 1999));
  test.tree->DropHeld(held);
  test.tree->DropHeld(held);
  ASSERT_EQ(Read(held, 1999, &seen, &count).code(), Code::kNotFound);
  ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
}

TEST_F(HeldItemsTest, SpilledAtAnyMomentItReadsTheSame) {
  // After so many chunks; each acknowledged or not.
  for (int chunks = 0; chunks < 8; ++chunks) {
    for (const bool acknowledged : {false, true}) {
      const Items items = ItemsOf(3000);
      ASSERT_NO_FATAL_FAILURE(Insert(0, items));
      const uint64_t held = Take(10, 2500);
      Indexed seen;
      uint64_t taken = 0;
      uint32_t count = 0;
      for (int chunk = 0; chunk < chunks; ++chunk) {
        taken += count;
        ASSERT_TRUE(Read(held, taken, &seen, &count).ok());
      }
      if (acknowledged) taken += count;
      ASSERT_TRUE(test.tree->SpillHeld());
      ASSERT_FALSE(test.tree->SpillHeld());
      ReclaimAll();
      ASSERT_FALSE(test.tree->can_reclaim());
      ASSERT_TRUE(test.tree->has_garbage());
      ASSERT_EQ(ReadAll(held, &seen, taken, acknowledged), 2500u);
      ASSERT_NO_FATAL_FAILURE(Check(seen, items, 10, 2500));
      test.tree->DropHeld(held);
      ASSERT_FALSE(test.tree->has_garbage());
      ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
    }
  }
}

TEST_F(HeldItemsTest, LetGoInAScopeThatIsTakenBack) {
  ASSERT_NO_FATAL_FAILURE(Insert(0, ItemsOf(3000)));
  const uint64_t held = Take(1, 2000);
  const uint64_t spilled = Take(2, 500);
  const TreeForTest::Scope scope = test.Begin();
  ASSERT_TRUE(test.Splice(array, 0, 400, Array({Number(1)})).ok());
  Indexed seen;
  ReadAll(held, &seen);
  test.tree->DropHeld(held);
  test.RollBack(scope);
  ASSERT_NO_FATAL_FAILURE(Check(seen, ItemsOf(3000), 1, 2000));
  seen.clear();
  ReadAll(spilled, &seen);
  const Items rest = ItemsOf(999, 2001);
  ASSERT_NO_FATAL_FAILURE(Check(seen, rest, 1, 500));
  test.tree->DropHeld(spilled);
  ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
}

// Each list, also when later ones go first and the array itself has gone.
TEST_F(HeldItemsTest, ManyListsOfOneArray) {
  std::vector<std::pair<uint64_t, Items>> lists;
  Items items = ItemsOf(20'000);
  ASSERT_NO_FATAL_FAILURE(Insert(0, items));
  oracle::Generator random(5);
  while (items.size() > 900) {
    const auto start = static_cast<uint32_t>(random.Below(items.size() - 700));
    const auto count = static_cast<uint32_t>(500 + random.Below(200));
    const auto from = items.begin() + start;
    lists.emplace_back(Take(start, count), Items(from, from + count));
    items.erase(from, from + count);
    if (random.Below(3) == 0) {
      const Items more = ItemsOf(100, count);
      ASSERT_NO_FATAL_FAILURE(Insert(start, more));
      items.insert(items.begin() + start, more.begin(), more.end());
    }
    if (random.Below(4) == 0) {
      ASSERT_TRUE(test.tree->SpillHeld());
    }
    if (random.Below(4) == 0) {
      test.tree->DropHeld(lists.front().first);
      lists.erase(lists.begin());
    }
    test.tree->Reclaim(static_cast<uint32_t>(random.Below(400)));
  }
  ASSERT_NO_FATAL_FAILURE(CheckArray(items));
  ASSERT_TRUE(test.SetMember(kRootNode, u"items", Number(1)).ok());
  ReclaimAll();
  std::reverse(lists.begin(), lists.end());
  for (const auto& [held, expected] : lists) {
    Indexed seen;
    ReadAll(held, &seen);
    ASSERT_NO_FATAL_FAILURE(Check(seen, expected, 0, static_cast<uint32_t>(expected.size())));
    test.tree->DropHeld(held);
  }
  ReclaimAll();
  ASSERT_FALSE(test.tree->has_garbage());
  ASSERT_EQ(test.tree->node_count(), 1u);
}

TEST_F(HeldItemsTest, AChunkIsAboutAsLongWhateverTheItemsAre) {
  Items items;
  for (uint32_t i = 0; i < 300; ++i) items.push_back(String(std::u16string(100'000, u'x')));
  for (uint32_t i = 0; i < 5000; ++i) items.push_back(Number(i));
  ASSERT_NO_FATAL_FAILURE(Insert(0, items));
  const uint64_t held = Take(0, 5300);
  uint64_t taken = 0;
  int chunks = 0;
  for (uint32_t count = 1; count > 0; taken += count, ++chunks) {
    std::vector<uint8_t> bytes;
    uint32_t indexes[kMost];
    ASSERT_TRUE(test.tree->ReadHeld(held, taken, kMost, &bytes, indexes, &count).ok());
    ASSERT_LE(bytes.size(), chunks == 0 ? 7'000'000u : 4'000'000u);
  }
  ASSERT_EQ(taken, 5300u);
  ASSERT_LE(chunks, 150);
}

// Very many holes take little room in the tree, and too much in a value.
TEST_F(HeldItemsTest, AnItemThatIsTooLargeForAValueEndsTheList) {
  for (const bool spilled : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Insert(0, ItemsOf(300)));
    const NodeId inner = SlotNode(test.SlotAt(test.tree->FindItem(test.tree->Locate(array), 202)));
    ASSERT_TRUE(test.Apply([&] { return test.tree->SetLength(inner, 200'000'000); }).ok());
    const uint64_t held = Take(1, 299);
    if (spilled) {
      ASSERT_TRUE(test.tree->SpillHeld());
    }
    Indexed seen;
    uint64_t taken = 0;
    Status status;
    for (uint32_t count = 0; status.ok(); taken += count) status = Read(held, taken, &seen, &count);
    ASSERT_EQ(status.code(), Code::kTooLarge);
    ASSERT_EQ(seen.size(), 201u);
    test.tree->DropHeld(held);
    ASSERT_NO_FATAL_FAILURE(CheckNothingLeft());
  }
}

TEST_F(HeldItemsTest, AnImageHasNothingOfIt) {
  const Items items = ItemsOf(3000);
  ASSERT_NO_FATAL_FAILURE(Insert(0, items));
  Take(1, 2000);
  Take(1, 200);
  TreeForTest restored(test.memory.Save(), test, test.memory.arena().max_bytes());
  ASSERT_TRUE(restored.Restore().ok());
  ASSERT_FALSE(restored.tree->has_garbage());
  ASSERT_EQ(restored.tree->next_node(), test.tree->next_node());
  Items left = ItemsOf(3000);
  left.erase(left.begin() + 1, left.begin() + 2201);
  ASSERT_TRUE(Same(restored.Read(array), ArrayOf(left)));
  while (test.tree->SpillHeld()) {
  }
  ReclaimAll();
  ASSERT_EQ(restored.tree->node_count(), test.tree->node_count());
  ASSERT_EQ(restored.memory.live_blocks(), test.memory.live_blocks());
}

}  // namespace
}  // namespace forkstore
