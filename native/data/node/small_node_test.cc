// The bytes of small nodes, as docs/format.md, section 4 "Nodes", has them.
#include "data/node/small_node.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "data/node/small_object.h"
#include "testing/shapes.h"

namespace forkstore {
namespace {

StringBytes Latin1(const char* text) {
  StringBytes string;
  string.data = reinterpret_cast<const uint8_t*>(text);
  string.bytes = std::strlen(text);
  return string;
}

class SmallNodeTest : public testing::Test {
 protected:
  // A block with these pieces, checked to come back as they are.
  Offset NewBlock(const SmallNode& node) {
    Heap heap = shapes.heap();
    const Offset block = heap.Allocate(node.Bytes());
    node.Write(heap.Write(block, node.Bytes()));
    SmallNode again;
    again.Read(heap, block, shapes.table());
    EXPECT_EQ(again.slots(), node.slots());
    EXPECT_EQ(again.head.word(), node.head.word());
    std::vector<uint8_t> bytes(again.Bytes());
    again.Write(bytes.data());
    EXPECT_EQ(std::memcmp(bytes.data(), heap.At(block), bytes.size()), 0);
    return block;
  }
  std::string Hex(Offset block, uint64_t bytes) {
    std::string hex;
    for (uint64_t i = 0; i < bytes; ++i) {
      char digits[4];
      std::snprintf(digits, sizeof(digits), "%02X ", *shapes.heap().At(block + i));
      hex += digits;
    }
    return hex;
  }

  ShapesForTest shapes;
};

TEST_F(SmallNodeTest, Shaped) {
  const uint32_t shape = shapes.Define({u"id", u"name", u"when", u"child"});
  SmallNode node;
  node.Clear(NodeHead{5, NodeKind::kShaped, shape});
  node.Append(Piece::OfSlot(NumberSlot(7)));
  const char* name = "Ada Lovelace";
  node.Append(Piece{Slot{0, uint32_t{kLatin1} << 16 | 12}, reinterpret_cast<const uint8_t*>(name), 12, 1});
  const double when = 1.5;
  node.Append(
      Piece{Slot{0, uint32_t{kExtended} << 16 | kDate}, reinterpret_cast<const uint8_t*>(&when), 8, 8});
  node.Append(Piece::OfSlot(NodeSlot(0x123456789)));
  ASSERT_EQ(node.Bytes(), 64u);
  EXPECT_EQ(Hex(NewBlock(node), 64),
            "05 00 00 00 00 00 00 00 "  // parent 5, SHAPED, shape 0
            "07 00 00 00 00 00 F9 FF "  // INT 7
            "18 00 00 00 0C 00 FA FF "  // LATIN1, 12 bytes, at 16 + 24
            "20 00 00 00 05 00 FE FF "  // DATE at 24 + 32: 8-aligned
            "89 67 45 23 01 80 F8 FF "  // NODE
            "41 64 61 20 4C 6F 76 65 6C 61 63 65 00 00 00 00 "
            "00 00 00 00 00 00 F8 3F ");
}

TEST_F(SmallNodeTest, Dictionary) {
  SmallNode node;
  node.Clear(NodeHead{1, NodeKind::kDictionary, 0});
  SmallObject members(&shapes.table(), &node);
  members.Add(Latin1("a name of its own"), Piece::OfSlot(BoxSlot(0x8000000010)));
  members.Add(Latin1("12"), Piece::OfSlot(NumberSlot(-1)));
  const Offset block = NewBlock(node);
  ASSERT_EQ(node.Bytes(), 72u);
  EXPECT_EQ(Hex(block, 72),
            "01 00 00 00 00 00 01 00 "  // parent 1, DICTIONARY
            "02 00 00 00 00 00 00 00 "  // 2 members
            "32 00 00 00 02 31 FF FF "  // "12", SHORT: an index goes before other names
            "FF FF FF FF 00 00 F9 FF "  // INT -1
            "10 00 00 00 11 00 FA FF "  // LATIN1, 17 bytes, at 32 + 16
            "02 00 00 00 10 40 F8 FF "  // BOX: 0x8000000010 / 8
            "61 20 6E 61 6D 65 20 6F 66 20 69 74 73 20 6F 77 6E 00 00 00 00 00 00 00 ");
  const Heap heap = shapes.heap();
  EXPECT_EQ(FindInDictionary(heap, block, Latin1("12")), block + 24);
  EXPECT_EQ(FindInDictionary(heap, block, Latin1("a name of its own")), block + 40);
  EXPECT_EQ(FindInDictionary(heap, block, Latin1("a name of its owN")), kNone);
  EXPECT_EQ(FindInDictionary(heap, block, Latin1("")), kNone);
}

TEST_F(SmallNodeTest, List) {
  SmallNode node;
  node.Clear(NodeHead{kMaxNode, NodeKind::kList, 0});
  node.Append(Piece::OfSlot(kListHole));
  node.Append(NamePiece(Latin1("short")));
  EXPECT_EQ(Hex(NewBlock(node), 32),
            "FF FF FF FF FF 7F 03 00 "
            "02 00 00 00 00 00 00 00 "
            "04 00 00 00 00 00 F8 FF "
            "68 6F 72 74 05 73 FF FF ");
}

TEST_F(SmallNodeTest, SpelledOutAndShapedAgain) {
  const uint32_t shape = shapes.Define({u"1", u"x", u"name"});
  SmallNode node;
  node.Clear(NodeHead{1, NodeKind::kShaped, shape});
  for (int i = 0; i < 3; ++i) node.Append(Piece::OfSlot(NumberSlot(i)));
  SmallObject members(&shapes.table(), &node);
  members.SpellOut();
  ASSERT_EQ(node.members(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    StringBytes storage;
    EXPECT_EQ(members.Name(i, &storage), shapes.table().FieldName(shape, i));
    EXPECT_EQ(node.value(i).slot.low, i);
  }
  std::vector<uint8_t> names;
  ASSERT_TRUE(members.TryShape(ShapeUse::kDefine, &names).ok());
  EXPECT_EQ(node.head.kind, NodeKind::kShaped);
  EXPECT_EQ(node.head.shape, shape);
  members.SpellOut();
  members.Remove(0);
  const uint32_t count = shapes.table().count();
  ASSERT_TRUE(members.TryShape(ShapeUse::kDefine, &names).ok());
  EXPECT_EQ(node.head.shape, count) << "defined now";
  EXPECT_EQ(node[1].slot.low, 2u);
}

TEST_F(SmallNodeTest, AShapeThatIsUsedUpIsDoneWithout) {
  shapes.FillUp();
  SmallNode node;
  node.Clear(NodeHead{1, NodeKind::kDictionary, 0});
  SmallObject members(&shapes.table(), &node);
  members.Add(Latin1("new"), Piece::OfSlot(NumberSlot(1)));
  std::vector<uint8_t> names;
  ASSERT_TRUE(members.TryShape(ShapeUse::kDefine, &names).ok());
  EXPECT_EQ(node.head.kind, NodeKind::kDictionary);
  EXPECT_FALSE(members.NeedsTable());
  const std::string long_name(129, 'n');
  members.Add(Latin1(long_name.c_str()), Piece::OfSlot(NumberSlot(1)));
  EXPECT_TRUE(members.NeedsTable());
}

TEST_F(SmallNodeTest, PropertyOrderOfShapes) {
  const auto in_order = [&](const std::vector<std::u16string>& names) {
    return IsInPropertyOrder(shapes.table(), shapes.Define(names));
  };
  EXPECT_TRUE(in_order({}));
  EXPECT_TRUE(in_order({u"b", u"a"}));
  EXPECT_TRUE(in_order({u"0", u"2", u"10", u"4294967294", u"4294967295", u"01", u"b"}));
  EXPECT_FALSE(in_order({u"10", u"2"}));
  EXPECT_FALSE(in_order({u"a", u"2"}));
  EXPECT_FALSE(in_order({u"01", u"2"}));
}

}  // namespace
}  // namespace forkstore
