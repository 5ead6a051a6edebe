// What the live tree does in single cases: forms of nodes, what is written, what moves, what is detached.
#include "data/tree/tree.h"

#include "data/node/small_node.h"
#include "testing/tree.h"

namespace forkstore {
namespace {

using oracle::Number;
using oracle::Object;
using oracle::Type;

class TreeTest : public testing::Test {
 protected:
  NodeId Child(NodeId node, const std::u16string& name) {
    const Slot slot = test.Member(node, name);
    EXPECT_TRUE(IsNodeSlot(slot));
    return SlotNode(slot);
  }
  NodeId Item(NodeId node, uint32_t index) {
    const Offset slot = test.tree->FindItem(test.tree->Locate(node), index);
    return slot == kNone ? 0 : SlotNode(test.SlotAt(slot));
  }
  NodeKind Kind(NodeId node) { return test.tree->Head(node).kind; }
  void Set(NodeId node, const std::u16string& name, const oracle::Tree& value) {
    const Status status = test.SetMember(node, name, value);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void Delete(NodeId node, const std::u16string& name) {
    bool was_there = false;
    ASSERT_TRUE(test.DeleteMember(node, name, &was_there).ok());
    ASSERT_TRUE(was_there);
  }
  static std::u16string Numbered(const std::u16string& name, int number) {
    const std::string digits = std::to_string(number);
    return name + std::u16string(digits.begin(), digits.end());
  }
  // The bytes that an operation wrote, as undo has to save them.
  template <typename Operation>
  uint64_t BytesWritten(Operation operation) {
    test.undo.Begin();
    const uint64_t before = test.undo.recorded_bytes();
    EXPECT_TRUE(operation().ok());
    const uint64_t written = test.undo.recorded_bytes() - before;
    test.undo.Commit();
    return written;
  }

  TreeForTest test;
};

TEST_F(TreeTest, PropertyOrder) {
  for (const bool table : {false, true}) {
    const std::u16string name = table ? u"table" : u"small";
    Set(kRootNode, name, Object({}));
    const NodeId node = Child(kRootNode, name);
    std::vector<std::u16string> rest;
    if (table) {
      for (int i = 0; i < 80; ++i) rest.push_back(Numbered(u"n", i));
      for (const std::u16string& other : rest) Set(node, other, Number(1));
    }
    for (const char16_t* odd : {u"b", u"10", u"a", u"9", u"01", u"4294967294", u"4294967295", u"0", u"-1"}) {
      Set(node, odd, Number(2));
    }
    EXPECT_EQ(Kind(node), table ? NodeKind::kTable : NodeKind::kDictionary);
    std::vector<std::u16string> expected = {u"0", u"9", u"10", u"4294967294"};
    expected.insert(expected.end(), rest.begin(), rest.end());
    for (const char16_t* odd : {u"b", u"a", u"01", u"4294967295", u"-1"}) expected.push_back(odd);
    EXPECT_EQ(test.Read(node).names, expected);
  }
}

TEST_F(TreeTest, FormsOfObjects) {
  Set(kRootNode, u"o", Object({{u"x", Number(1)}}));
  const NodeId node = Child(kRootNode, u"o");
  const uint32_t shapes = test.shapes->count();
  EXPECT_EQ(Kind(node), NodeKind::kShaped);
  for (int i = 1; i < 8; ++i) Set(node, Numbered(u"f", i), Number(i));
  EXPECT_EQ(Kind(node), NodeKind::kShaped);
  EXPECT_EQ(test.shapes->count(), shapes + 7) << "one for each member that was added";
  Delete(node, u"f7");
  EXPECT_EQ(test.shapes->count(), shapes + 7) << "there is one already";
  Set(node, u"f7", Number(7));
  Set(node, u"f8", Number(8));
  EXPECT_EQ(Kind(node), NodeKind::kDictionary) << "nine members are too many for a shape of one's own";
  for (int i = 9; i < 64; ++i) Set(node, Numbered(u"f", i), Number(i));
  EXPECT_EQ(Kind(node), NodeKind::kDictionary);
  Set(node, u"one too many", Number(65));
  EXPECT_EQ(Kind(node), NodeKind::kTable);
  EXPECT_EQ(test.Read(node).names.size(), 65u);

  Set(kRootNode, u"long", Object({{u"x", oracle::String(std::u16string(500, u's'))}}));
  const NodeId other = Child(kRootNode, u"long");
  Set(other, std::u16string(129, u'n'), Number(1));
  EXPECT_EQ(Kind(other), NodeKind::kTable) << "a name that is too long";
  EXPECT_EQ(test.Read(other).items[0].string.size(), 500u);
  EXPECT_EQ(test.Read(other).names[1].size(), 129u);
}

TEST_F(TreeTest, AnEmptyObjectBecomesARecord) {
  EXPECT_EQ(Kind(kRootNode), NodeKind::kDictionary);
  Set(kRootNode, u"a", Number(1));
  EXPECT_EQ(Kind(kRootNode), NodeKind::kShaped);
  for (int i = 1; i < 9; ++i) Set(kRootNode, Numbered(u"f", i), Number(i));
  EXPECT_EQ(Kind(kRootNode), NodeKind::kDictionary) << "nine members are too many for a shape of one's own";
  Delete(kRootNode, u"f8");
  EXPECT_EQ(Kind(kRootNode), NodeKind::kDictionary) << "it has shown that it is no record";
  for (int i = 1; i < 8; ++i) Delete(kRootNode, Numbered(u"f", i));
  Delete(kRootNode, u"a");
  Set(kRootNode, u"a", Number(1));
  EXPECT_EQ(Kind(kRootNode), NodeKind::kShaped) << "it begins anew";

  while (test.shapes->count() < 1024) {
    uint32_t shape = 0;
    std::vector<uint8_t> names;
    const std::u16string name = Numbered(u"shape", static_cast<int>(test.shapes->count()));
    AppendName(StringOf(NameForTest(name).key()), &names);
    ASSERT_TRUE(test.shapes->Define(names, 1, &shape).ok());
  }
  Delete(kRootNode, u"a");
  Set(kRootNode, u"b", Number(1));
  EXPECT_EQ(Kind(kRootNode), NodeKind::kDictionary) << "there are shapes enough";
  Delete(kRootNode, u"b");
  Set(kRootNode, u"a", Number(1));
  EXPECT_EQ(Kind(kRootNode), NodeKind::kShaped) << "there is one with these names";
}

TEST_F(TreeTest, FormsOfArrays) {
  oracle::Tree items{.type = Type::kArray};
  for (int i = 0; i < 64; ++i)
    items.items.push_back(oracle::String(std::u16string(static_cast<size_t>(i * 3), u's')));
  Set(kRootNode, u"a", items);
  const NodeId node = Child(kRootNode, u"a");
  EXPECT_EQ(Kind(node), NodeKind::kList);
  ASSERT_TRUE(test.SetItem(node, 64, Object({})).ok());
  EXPECT_EQ(Kind(node), NodeKind::kSequence);
  items.items.push_back(Object({}));
  EXPECT_TRUE(Same(test.Read(node), items));
  ASSERT_TRUE(test.tree->SetLength(node, 3).ok());
  EXPECT_EQ(Kind(node), NodeKind::kSequence);
  ASSERT_TRUE(test.tree->SetLength(node, 0).ok());
  EXPECT_EQ(Kind(node), NodeKind::kList) << "empty, it begins anew";
  ASSERT_TRUE(test.tree->SetLength(node, 0xFFFFFFFF).ok());
  EXPECT_EQ(test.tree->Length(test.tree->Locate(node)), 0xFFFFFFFFu);
  std::vector<uint8_t> packed(16, 7);
  EXPECT_EQ(test.tree->Pack(node, &packed).code(), Code::kTooLarge);
  EXPECT_EQ(packed, std::vector<uint8_t>(16, 7)) << "what was there stays";
  EXPECT_EQ(test.SetItem(node, 0xFFFFFFFF, Number(1)).code(), Code::kInvalid);
  EXPECT_EQ(test.Splice(node, 0, 0, oracle::Array({Number(1)})).code(), Code::kInvalid) << "beyond 2^32 - 1";
}

TEST_F(TreeTest, WritesNoMoreThanChanges) {
  Set(kRootNode, u"u",
      Object({{u"visits", Number(1)},
              {u"name", oracle::String(u"Ada Lovelace")},
              {u"on", oracle::Special(kTrue)}}));
  const NodeId node = Child(kRootNode, u"u");
  const uint64_t one_slot = BytesWritten([&] { return test.SetMember(node, u"visits", Number(2)); });
  EXPECT_LE(one_slot, 8u + 32u) << "8 bytes and where they were";
  EXPECT_LE(BytesWritten([&] { return test.SetMember(node, u"on", oracle::String(u"short")); }), 8u + 32u);
  EXPECT_LE(BytesWritten([&] { return test.SetMember(node, u"name", oracle::String(u"Grace Hopper")); }),
            16u + 32u);
  EXPECT_EQ(BytesWritten([&] { return test.SetMember(node, u"name", oracle::String(u"Grace Hopper")); }), 0u);
  const uint64_t version = test.tree->layout_version();
  Set(node, u"name", oracle::String(u"Somebody whose name takes another block"));
  EXPECT_NE(test.tree->layout_version(), version);
}

TEST_F(TreeTest, AViewKeepsItsNodeUntilItLeaves) {
  Set(kRootNode, u"a", Object({{u"b", Object({{u"c", Object({})}})}}));
  const NodeId a = Child(kRootNode, u"a");
  const NodeId b = Child(a, u"b");
  const NodeId c = Child(b, u"c");
  uint64_t version = test.tree->layout_version();
  Set(b, u"d", Number(1));
  Set(a, u"e", oracle::String(std::u16string(1000, u'e')));
  EXPECT_EQ(test.tree->Head(c).parent, b);
  Delete(a, u"b");
  EXPECT_NE(test.tree->layout_version(), version);
  EXPECT_EQ(test.tree->Locate(b), kNone);
  EXPECT_EQ(test.tree->Locate(c), kNone);
  EXPECT_EQ(test.SetMember(c, u"x", Number(1)).code(), Code::kNotFound);
  version = test.tree->layout_version();
  Set(a, u"b", Object({}));
  EXPECT_NE(Child(a, u"b"), b);
  EXPECT_EQ(test.tree->Locate(b), kNone);
}

// A large subtree goes in steps; its views are detached at once all the same, and each step is bounded.
TEST_F(TreeTest, LargeSubtreesGoInSteps) {
  const uint64_t blocks = test.memory.live_blocks();
  oracle::Tree users{.type = Type::kDictionary};
  for (int i = 0; i < 2000; ++i) {
    users.names.push_back(Numbered(u"user ", i));
    users.items.push_back(Object({{u"options", oracle::Array({Object({})})}, {u"n", Number(i)}}));
  }
  for (const bool sequence : {false, true}) {
    Set(kRootNode, u"users", sequence ? oracle::Array(users.items) : users);
    const NodeId node = Child(kRootNode, u"users");
    EXPECT_EQ(Kind(node), sequence ? NodeKind::kSequence : NodeKind::kTable);
    const NodeId user = sequence ? Item(node, 1000) : Child(node, u"user 1000");
    const NodeId inner = Item(Child(user, u"options"), 0);
    EXPECT_NE(test.tree->Locate(inner), kNone);
    Set(kRootNode, u"beside", Object({}));
    Delete(kRootNode, u"users");
    EXPECT_TRUE(test.tree->has_garbage());
    for (const NodeId gone : {node, user, inner}) EXPECT_EQ(test.tree->Locate(gone), kNone);
    EXPECT_NE(test.tree->Locate(Child(kRootNode, u"beside")), kNone);
    int steps = 0;
    for (uint64_t live = test.memory.live_blocks(); !test.tree->Reclaim(50); ++steps) {
      EXPECT_LE(live - test.memory.live_blocks(), 200u);
      live = test.memory.live_blocks();
      EXPECT_EQ(test.tree->Locate(inner), kNone);
    }
    EXPECT_GT(steps, 50);
    Delete(kRootNode, u"beside");
    EXPECT_EQ(test.tree->node_count(), 1u);
  }
  // The node table stays as tall as the numbers of its nodes have become.
  EXPECT_LE(test.memory.live_blocks(), blocks + test.shapes->count() + 3);
}

TEST_F(TreeTest, AnyDepth) {
  constexpr int kDepth = 300'000;
  // [[[...]]]: each slot's target lies behind it.
  std::string bytes(8 + kDepth * 16 - 8, 0);
  for (int level = 0; level < kDepth; ++level) {
    const uint64_t at = static_cast<uint64_t>(level) * 16;
    const Slot slot{8, uint32_t{kArray} << 16};
    std::memcpy(&bytes[at], &slot, 8);
    const uint64_t length = level + 1 < kDepth ? 1 : 0;
    std::memcpy(&bytes[at + 8], &length, 8);
  }
  AlignedBytes value(bytes);
  uint64_t length = 0;
  ASSERT_TRUE(CheckValue(value.data(), value.size(), *test.shapes, &test.scratch, &length).ok());
  ASSERT_TRUE(test.tree->SetMember(kRootNode, NameForTest(u"deep").key(), value.data()).ok());
  EXPECT_EQ(test.tree->node_count(), 1u + kDepth);
  std::vector<uint8_t> packed;
  ASSERT_TRUE(test.tree->Pack(Child(kRootNode, u"deep"), &packed).ok());
  EXPECT_EQ(std::string(packed.begin(), packed.end()), bytes);
  TreeForTest loaded(test.memory.Save(), test, uint64_t{1} << 30);
  ASSERT_TRUE(loaded.Restore().ok());
  EXPECT_EQ(loaded.tree->node_count(), 1u + kDepth);
  Delete(kRootNode, u"deep");
  while (!test.tree->Reclaim(10'000)) {
  }
  EXPECT_EQ(test.tree->node_count(), 1u);
}

TEST_F(TreeTest, EntriesOfMapsAreAdopted) {
  OrderedMap map = test.map();
  const auto put = [&](uint64_t key, const oracle::Tree& value) {
    AlignedBytes bytes(test.Encode(value));
    bool inserted = false;
    ASSERT_TRUE(map.Set(KeyOf(MakeKey(key)), bytes.data(), bytes.size(), &inserted).ok());
  };
  const auto entry = [&](uint64_t key) { return SlotNode(test.SlotAt(map.Find(KeyOf(MakeKey(key))))); };
  const oracle::Tree value = Object({{u"10", Number(3)}, {u"9", Object({{u"z", Number(1)}})}});
  for (uint64_t key = 1; key <= 100; ++key) put(key, value);
  put(101, Number(1));
  EXPECT_EQ(test.tree->Adopt(&map, KeyOf(MakeKey(102))).code(), Code::kNotFound);
  EXPECT_EQ(test.tree->Adopt(&map, KeyOf(MakeKey(101))).code(), Code::kWrongType);
  for (uint64_t key = 1; key <= 100; ++key) ASSERT_TRUE(test.tree->Adopt(&map, KeyOf(MakeKey(key))).ok());
  const NodeId node = entry(50);
  ASSERT_TRUE(test.tree->Adopt(&map, KeyOf(MakeKey(50))).ok());
  EXPECT_EQ(entry(50), node) << "once is enough";
  EXPECT_EQ(test.Read(node).names, (std::vector<std::u16string>{u"9", u"10"})) << "in property order";
  EXPECT_EQ(test.Read(node).items[1].number, 3);
  const NodeId holder = test.tree->Head(node).parent;
  EXPECT_EQ(test.tree->Locate(holder), kNone) << "a holder is no node";

  const NodeId inner = Child(entry(7), u"9");
  test.tree->DropValue(test.memory.heap().At(map.Find(KeyOf(MakeKey(7)))));
  ASSERT_TRUE(map.Delete(KeyOf(MakeKey(7))));
  EXPECT_EQ(test.tree->Locate(inner), kNone);
  EXPECT_NE(test.tree->Locate(node), kNone);

  const uint64_t version = test.tree->layout_version();
  test.tree->DropHolder(&map);
  EXPECT_NE(test.tree->layout_version(), version);
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(test.tree->Locate(node), kNone);
  EXPECT_TRUE(test.tree->has_garbage());
  put(1, value);
  ASSERT_TRUE(test.tree->Adopt(&map, KeyOf(MakeKey(1))).ok());
  EXPECT_NE(test.tree->Head(entry(1)).parent, holder);
  while (!test.tree->Reclaim(20)) {
    EXPECT_NE(test.tree->Locate(entry(1)), kNone);
    EXPECT_EQ(test.tree->Locate(node), kNone);
  }
  EXPECT_EQ(test.tree->node_count(), 3u);
}

}  // namespace
}  // namespace forkstore
