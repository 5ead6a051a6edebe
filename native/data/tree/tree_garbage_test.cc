// What is dropped is detached at once, however much it is, and found out about without long ways.
#include "data/tree/tree_garbage.h"

#include "testing/tree.h"

namespace forkstore {
namespace {

using oracle::Array;
using oracle::Number;
using oracle::Object;

constexpr uint32_t kItems = 3000;

class TreeGarbageTest : public testing::Test {
 protected:
  NodeId Child(NodeId node, const std::u16string& name) { return SlotNode(test.Member(node, name)); }
  void Set(const std::u16string& name, const oracle::Tree& value) {
    ASSERT_TRUE(test.SetMember(kRootNode, name, value).ok());
  }
  // An array of objects that hold one more each; the ids of all of these.
  NodeId MakeItems(std::vector<NodeId>* ids) {
    oracle::Tree items{.type = oracle::Type::kArray};
    for (uint32_t i = 0; i < kItems; ++i) items.items.push_back(Object({{u"o", Object({})}}));
    Set(u"items", items);
    const NodeId node = Child(kRootNode, u"items");
    for (uint32_t i = 0; i < kItems; ++i) {
      ids->push_back(SlotNode(test.SlotAt(test.tree->FindItem(test.tree->Locate(node), i))));
      ids->push_back(Child(ids->back(), u"o"));
    }
    return node;
  }
  bool AllGone(const std::vector<NodeId>& ids) { return Attached(ids) == 0; }
  size_t Attached(const std::vector<NodeId>& ids) {
    return static_cast<size_t>(
        std::count_if(ids.begin(), ids.end(), [&](NodeId id) { return test.tree->Locate(id) != kNone; }));
  }
  // Something that waits to be given back.
  void MakeGarbage() {
    oracle::Tree many{.type = oracle::Type::kArray};
    for (uint32_t i = 0; i < 200; ++i) many.items.push_back(Object({}));
    Set(u"garbage", many);
    Set(u"garbage", Number(1));
    ASSERT_TRUE(test.tree->has_garbage());
  }
  void ReclaimAll() {
    while (!test.tree->Reclaim(100)) {
    }
  }

  TreeForTest test;
};

TEST_F(TreeGarbageTest, DeepTreesAreWalkedInLinearTime) {
  constexpr uint32_t kDepth = 100'000;
  // [[[...]]]: each slot's target lies behind it.
  std::string bytes(8 + kDepth * 16 - 8, 0);
  for (uint32_t level = 0; level < kDepth; ++level) {
    const Slot slot{8, uint32_t{kArray} << 16};
    const uint64_t length = level + 1 < kDepth ? 1 : 0;
    std::memcpy(&bytes[uint64_t{level} * 16], &slot, 8);
    std::memcpy(&bytes[uint64_t{level} * 16 + 8], &length, 8);
  }
  AlignedBytes value(bytes);
  ASSERT_TRUE(test.tree->SetMember(kRootNode, NameForTest(u"deep").key(), value.data()).ok());
  MakeGarbage();
  std::vector<NodeId> ids = {Child(kRootNode, u"deep")};
  while (ids.size() < kDepth) {
    const Offset block = test.tree->Locate(ids.back());
    ASSERT_NE(block, kNone);
    ids.push_back(SlotNode(test.SlotAt(test.tree->FindItem(block, 0))));
  }
  EXPECT_LE(test.tree->locate_steps(), 2u * kDepth) << "down";

  // Against the way of most calls: one in many goes far.
  MakeGarbage();
  uint64_t before = test.tree->locate_steps();
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) ASSERT_NE(test.tree->Locate(*id), kNone);
  EXPECT_LE(test.tree->locate_steps() - before, 10u * kDepth) << "up";

  // What is detached is found out as fast.
  Set(u"deep", Number(1));
  ASSERT_TRUE(test.tree->has_garbage());
  before = test.tree->locate_steps();
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) ASSERT_EQ(test.tree->Locate(*id), kNone);
  EXPECT_LE(test.tree->locate_steps() - before, 10u * kDepth) << "detached";
  ReclaimAll();
  EXPECT_EQ(test.tree->node_count(), 1u);
}

TEST_F(TreeGarbageTest, AnEmptiedArrayHasNoItemsAtOnce) {
  for (const bool spliced : {false, true}) {
    std::vector<NodeId> ids;
    const NodeId node = MakeItems(&ids);
    const uint64_t blocks = test.memory.live_blocks();
    const uint64_t version = test.tree->layout_version();
    ASSERT_TRUE((spliced ? test.Splice(node, 0, kItems, Array({})) : test.Apply([&] {
                  return test.tree->SetLength(node, 0);
                })).ok());
    EXPECT_LE(blocks - test.memory.live_blocks(), 3 * TreeGarbage::kAtOnce);
    EXPECT_NE(test.tree->layout_version(), version);
    EXPECT_TRUE(AllGone(ids));
    EXPECT_NE(test.tree->Locate(node), kNone);

    // The array goes on, is emptied again, and that is taken back.
    ASSERT_TRUE(test.Splice(node, 0, 0, Array(std::vector<oracle::Tree>(200, Object({})))).ok());
    std::vector<NodeId> later;
    for (uint32_t i = 0; i < 200; ++i) {
      later.push_back(SlotNode(test.SlotAt(test.tree->FindItem(test.tree->Locate(node), i))));
    }
    EXPECT_EQ(Attached(later), later.size());
    const TreeForTest::Scope scope = test.Begin();
    ASSERT_TRUE(test.tree->SetLength(node, 0).ok());
    EXPECT_TRUE(AllGone(later));
    test.RollBack(scope);
    EXPECT_EQ(Attached(later), later.size());
    EXPECT_TRUE(AllGone(ids));
    while (!test.tree->Reclaim(100)) {
      ASSERT_TRUE(AllGone({ids.back(), ids[kItems], ids.front()}));
      ASSERT_EQ(Attached(later), later.size());
    }
    EXPECT_TRUE(AllGone(ids));
    EXPECT_EQ(test.tree->node_count(), 2u + later.size());
    Set(u"items", Number(1));
    EXPECT_TRUE(AllGone(later));
    ReclaimAll();
    EXPECT_EQ(test.tree->node_count(), 1u);
  }
}

TEST_F(TreeGarbageTest, ManyItemsGoInSteps) {
  for (const bool spliced : {false, true}) {
    std::vector<NodeId> ids;
    const NodeId node = MakeItems(&ids);
    const uint64_t nodes = test.tree->node_count();
    const TreeForTest::Scope scope = test.Begin();
    const auto shorten = [&] {
      return spliced ? test.Splice(node, 1, kItems - 2, Array({Object({})})) : test.tree->SetLength(node, 1);
    };
    ASSERT_TRUE(shorten().ok());
    test.RollBack(scope);
    EXPECT_EQ(Attached(ids), ids.size());
    EXPECT_EQ(test.tree->node_count(), nodes);

    ASSERT_TRUE(shorten().ok());
    // Beside the table's own: the items' blocks wait.
    EXPECT_TRUE(test.tree->has_garbage());
    EXPECT_EQ(Attached(ids), spliced ? 4u : 2u);
    ReclaimAll();
    EXPECT_EQ(test.tree->node_count(), spliced ? 7u : 4u);
    EXPECT_EQ(Attached(ids), spliced ? 4u : 2u);
    Set(u"items", Number(1));
    ReclaimAll();
    EXPECT_EQ(test.tree->node_count(), 1u);
  }
}

TEST_F(TreeGarbageTest, DroppedAndTakenBackIsAttached) {
  std::vector<NodeId> ids;
  MakeItems(&ids);
  MakeGarbage();
  EXPECT_EQ(Attached(ids), ids.size());
  const TreeForTest::Scope scope = test.Begin();
  Set(u"items", Number(1));
  EXPECT_TRUE(AllGone(ids));
  test.RollBack(scope);
  EXPECT_EQ(Attached(ids), ids.size());
}

}  // namespace
}  // namespace forkstore
