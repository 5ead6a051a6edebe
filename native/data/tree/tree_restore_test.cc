// Loading: nothing that a damaged image holds does harm; what a tree has to be is checked rule by rule.
#include "testing/tree_program.h"
#include "testing/word_damage.h"

namespace forkstore {
namespace {

// A tree with nodes of every kind, boxes, and adopted entries of a map.
class TreeRestore : public testing::Test {
 protected:
  TreeRestore() : test(kMinArenaBytes) {
    // A tree that a program has left, planted anew, so that hardly any memory holds what is no longer used.
    Program program(7, kMinArenaBytes);
    for (int step = 0; step < 250; ++step) program.Step();
    const oracle::Tree left = program.test().Read(kRootNode);
    for (size_t i = 0; i < left.names.size(); ++i) {
      EXPECT_TRUE(test.SetMember(kRootNode, left.names[i], left.items[i]).ok());
    }
    oracle::Generator random(3);
    for (uint64_t i = 0; i < 30; ++i) {
      const oracle::Tree value = random.RandomTree(3);
      AlignedBytes bytes(test.Encode(value));
      bool inserted = false;
      OrderedMap map = test.map();
      EXPECT_TRUE(map.Set(KeyOf(MakeKey(i)), bytes.data(), bytes.size(), &inserted).ok());
      const bool container = Model::CellOf(value).container != nullptr;
      EXPECT_EQ(test.tree->Adopt(&map, KeyOf(MakeKey(i))).code(), container ? Code::kOk : Code::kWrongType);
    }
  }

  // Loads the image with some changes; true when it was refused, else uses what was loaded.
  template <typename Change>
  bool Try(const HeapForTest::Image& image, uint64_t seed, Change change) {
    HeapForTest::Image damaged = image;
    change(&damaged.bytes);
    TreeForTest loaded(damaged, test, kMinArenaBytes);
    const Status status = loaded.Restore();
    if (!status.ok()) {
      EXPECT_EQ(status.code(), Code::kCorrupt);
      return true;
    }
    Program again(seed, &loaded);
    again.CheckAll();
    for (int step = 0; step < 3 && !HasFailure(); ++step) again.Step();
    // Entries that are adopted can be dropped, and all others too.
    OrderedMap map = loaded.map();
    loaded.tree->DropHolder(&map);
    if (!HasFailure()) again.Empty();
    return false;
  }

  TreeForTest test;
};

TEST_F(TreeRestore, DamageIsRefusedOrHarmless) {
  const HeapForTest::Image image = test.memory.Save();
  ASSERT_FALSE(Try(image, 1, [](std::vector<uint8_t>*) {}));
  const WordDamage damage(image, [&](Offset at, uint64_t) {
    const Slot slot = test.SlotAt(at);
    return IsNodeSlot(slot) || IsBoxSlot(slot);
  });
  std::mt19937_64 random(17);
  uint32_t refused = 0;
  constexpr uint32_t kRounds = 1000;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const Offset at = random() % 16 == 0 ? test.fields + random() % 6 * 8 : damage.Place(random);
    const uint64_t word = damage.Word(at, random);
    refused += Try(image, round,
                   [at, word](std::vector<uint8_t>* bytes) { std::memcpy(bytes->data() + at, &word, 8); });
    ASSERT_FALSE(HasFailure()) << "round " << round << " at " << at << ": " << word;
  }
  EXPECT_GT(refused, kRounds / 4);
  EXPECT_LT(refused, kRounds);
}

// One rule each, on a tree that is right but for it.
class TreeRules : public testing::Test {
 protected:
  using Image = HeapForTest::Image;

  NodeId Child(NodeId node, const std::u16string& name) { return SlotNode(test.Member(node, name)); }
  uint64_t& Word(Offset at) { return test.memory.heap().Mutate<uint64_t>(at); }
  Offset SlotOf(NodeId node, const std::u16string& name) {
    return test.tree->FindMember(test.tree->Locate(node), NameForTest(name).key());
  }
  std::string Restores() {
    TreeForTest loaded(test.memory.Save(), test, uint64_t{1} << 30);
    const Status status = loaded.Restore();
    EXPECT_TRUE(status.ok() || status.code() == Code::kCorrupt);
    return status.message();
  }
  void Set(NodeId node, const std::u16string& name, const oracle::Tree& value) {
    ASSERT_TRUE(test.SetMember(node, name, value).ok());
  }

  TreeForTest test;
};

const std::u16string kLong(200, u'x');

TEST_F(TreeRules, ANodeIsReferredToOnce) {
  Set(kRootNode, u"a", oracle::Object({}));
  Set(kRootNode, u"b", oracle::Number(1));
  EXPECT_EQ(Restores(), "");
  Word(SlotOf(kRootNode, u"b")) = Word(SlotOf(kRootNode, u"a"));
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, ANodeIsNotBelowItself) {
  Set(kRootNode, u"a", oracle::Object({{u"b", oracle::Number(1)}}));
  const NodeId a = Child(kRootNode, u"a");
  Word(SlotOf(a, u"b")) = Word(SlotOf(kRootNode, u"a"));
  EXPECT_NE(Restores(), "");
  Word(SlotOf(a, u"b")) = std::bit_cast<uint64_t>(NodeSlot(kRootNode));
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, TheParentIsTheOneThatRefers) {
  Set(kRootNode, u"a", oracle::Object({}));
  Set(kRootNode, u"b", oracle::Object({}));
  std::swap(Word(SlotOf(kRootNode, u"a")), Word(SlotOf(kRootNode, u"b")));
  EXPECT_EQ(Restores(), "") << "as good as before: both have the same parent";
  Word(test.tree->Locate(Child(kRootNode, u"a"))) += 1;
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, ABoxIsReferredToOnce) {
  Set(kRootNode, u"a", oracle::String(kLong));
  Set(kRootNode, u"b", oracle::Number(1));
  EXPECT_EQ(Restores(), "");
  Word(SlotOf(kRootNode, u"b")) = Word(SlotOf(kRootNode, u"a"));
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, AShortBodyIsNotBoxed) {
  Set(kRootNode, u"a", oracle::String(kLong));
  const Offset box = SlotBox(test.Member(kRootNode, u"a"));
  EXPECT_EQ(Restores(), "");
  test.memory.heap().Mutate<Slot>(box).high -= 100;
  std::memset(test.memory.heap().Write(box + 8, 200), 'x', 100);
  std::memset(test.memory.heap().Write(box + 108, 92), 0, 92);
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, PaddingIsZero) {
  Set(kRootNode, u"a", oracle::Object({{u"s", oracle::String(u"eleven long")}}));
  const Offset block = test.tree->Locate(Child(kRootNode, u"a"));
  EXPECT_EQ(Restores(), "");
  Word(block + 24) |= uint64_t{1} << 63;
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, NamesAreDistinctAndInOrder) {
  Set(kRootNode, u"a",
      oracle::Object({{u"3", oracle::Number(1)}, {u"x", oracle::Number(1)}}, oracle::Type::kDictionary));
  const Offset block = test.tree->Locate(Child(kRootNode, u"a"));
  EXPECT_EQ(Restores(), "");
  std::swap(Word(block + 16), Word(block + 32));
  EXPECT_NE(Restores(), "") << "an index behind a name";
  Word(block + 32) = Word(block + 16);
  EXPECT_NE(Restores(), "") << "a name twice";
}
TEST_F(TreeRules, AShapeIsInPropertyOrder) {
  Set(kRootNode, u"a", oracle::Object({{u"x", oracle::Number(1)}, {u"y", oracle::Number(1)}}));
  const std::string list = oracle::NameList({u"x", u"1"});
  uint32_t shape = 0;
  ASSERT_TRUE(
      test.shapes->Define({reinterpret_cast<const uint8_t*>(list.data()), list.size()}, 2, &shape).ok());
  EXPECT_EQ(Restores(), "");
  const NodeId a = Child(kRootNode, u"a");
  Word(test.tree->Locate(a)) = NodeHead{kRootNode, NodeKind::kShaped, shape}.word();
  EXPECT_NE(Restores(), "");
  Word(test.tree->Locate(a)) = NodeHead{kRootNode, NodeKind::kShaped, shape + 1}.word();
  EXPECT_NE(Restores(), "") << "no such shape";
}
TEST_F(TreeRules, TheRootIsAnObject) {
  Word(test.tree->Locate(kRootNode)) = NodeHead{0, NodeKind::kList, 0}.word();
  EXPECT_NE(Restores(), "");
}
TEST_F(TreeRules, AnIndexNameHasItsPlace) {
  oracle::Tree wide{.type = oracle::Type::kDictionary};
  for (int i = 0; i < 70; ++i) {
    wide.names.push_back(std::u16string(1, static_cast<char16_t>(u'A' + i)));
    wide.items.push_back(oracle::Number(i));
  }
  Set(kRootNode, u"t", wide);
  const Offset block = test.tree->Locate(Child(kRootNode, u"t"));
  EXPECT_EQ(Restores(), "");
  OrderedMap table(test.memory.heap(), block, kTestSeed);
  const uint64_t number = std::bit_cast<uint64_t>(NumberSlot(1));
  bool inserted = false;
  ASSERT_TRUE(
      table.Set(NameForTest(u"5").key(), reinterpret_cast<const uint8_t*>(&number), 8, &inserted).ok());
  EXPECT_NE(Restores(), "") << "the index 5 among the names";
  ASSERT_TRUE(table.Delete(NameForTest(u"5").key()));
  EXPECT_EQ(Restores(), "");
  ASSERT_TRUE(
      table.Set(NameForTest(u"x y").key(), reinterpret_cast<const uint8_t*>(&number), 8, &inserted, 5).ok());
  EXPECT_NE(Restores(), "") << "a name among the indexes";
  ASSERT_TRUE(table.Delete(NameForTest(u"x y").key()));
  AlignedBytes container(test.Encode(oracle::Object({})));
  ASSERT_TRUE(table.Set(NameForTest(u"x y").key(), container.data(), 8, &inserted).ok());
  EXPECT_NE(Restores(), "") << "a container that is no node";
}
TEST_F(TreeRules, AdoptedEntriesHaveAHolder) {
  AlignedBytes object(test.Encode(oracle::Object({{u"x", oracle::Object({})}})));
  OrderedMap map = test.map();
  bool inserted = false;
  ASSERT_TRUE(map.Set(KeyOf(MakeKey(1)), object.data(), object.size(), &inserted).ok());
  ASSERT_TRUE(test.tree->Adopt(&map, KeyOf(MakeKey(1))).ok());
  EXPECT_EQ(Restores(), "");
  const Offset holder = test.header + offsetof(MapHeader, holder);
  const uint64_t id = Word(holder);
  for (const uint64_t wrong : {uint64_t{0}, id + 1, uint64_t{kRootNode}, id + 100}) {
    Word(holder) = wrong;
    EXPECT_NE(Restores(), "") << wrong;
  }
}
TEST_F(TreeRules, WhatNothingRefersToGoes) {
  Set(kRootNode, u"a", oracle::Object({{u"x", oracle::Object({})}}));
  const NodeId a = Child(kRootNode, u"a");
  const NodeId x = Child(a, u"x");
  Word(SlotOf(kRootNode, u"a")) = std::bit_cast<uint64_t>(NumberSlot(1));
  TreeForTest loaded(test.memory.Save(), test, uint64_t{1} << 30);
  ASSERT_TRUE(loaded.Restore().ok());
  EXPECT_EQ(loaded.tree->Locate(a), kNone);
  EXPECT_EQ(loaded.tree->Locate(x), kNone);
  EXPECT_EQ(loaded.tree->node_count(), 1u);
  ASSERT_TRUE(loaded.SetMember(kRootNode, u"b", oracle::Object({})).ok());
  EXPECT_GT(SlotNode(loaded.Member(kRootNode, u"b")), x) << "no number is given twice";
}

}  // namespace
}  // namespace forkstore
