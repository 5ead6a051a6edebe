// The operations on nodes and on entries that are nodes: what is refused, and how; what an entry shows in
// either form.

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/engine.h"
#include "testing/value_generator.h"

namespace forkstore {
namespace {

using oracle::Array;
using oracle::Number;
using oracle::Object;
using oracle::String;

class TreeOperationsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
    ASSERT_TRUE(Set("object", Object({{u"a", Number(1)}})).ok());
    ASSERT_TRUE(Set("array", Array({Number(1), Number(2), Number(3)})).ok());
    object_ = SlotNode(SlotOf("object"));
    array_ = SlotNode(SlotOf("array"));
  }

  Status Apply(OperationCode code, uint64_t target, const Bytes& value, const std::string& key = "",
               ApplyResult* result = nullptr) {
    return engine_.Apply(MakeOperation(code, target, value, StringKey(key)), result);
  }
  Status Set(const std::string& name, const oracle::Tree& value) {
    return Apply(OperationCode::kSetMember, kRootNode, engine_.Encode(value), name);
  }
  Slot SlotOf(const std::string& name) {
    const Tree& tree = engine_->tree();
    return engine_->arena()->Read<Slot>(tree.FindMember(tree.Locate(kRootNode), StringKey(name)));
  }
  Bytes With(const std::vector<uint32_t>& numbers, const oracle::Tree& value) {
    Bytes bytes = Words(numbers);
    const Bytes encoded = engine_.Encode(value);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    return bytes;
  }
  // Refused so, and nothing has changed.
  void Refuses(Code code, const Bytes& operation) {
    const std::string before = engine_.Contents();
    EXPECT_EQ(engine_.Apply(operation).code(), code) << int{operation[0]};
    EXPECT_EQ(engine_.Contents(), before);
  }
  void Refuses(Code code, OperationCode operation, uint64_t target, const Bytes& value,
               const std::string& key = "") {
    Refuses(code, MakeOperation(operation, target, value, StringKey(key)));
  }
  Bytes Increment(const std::string& field, double amount) {
    Bytes value(8);
    std::memcpy(value.data(), &amount, 8);
    const Bytes name = engine_.Encode(String(std::u16string(field.begin(), field.end())));
    value.insert(value.end(), name.begin(), name.end());
    return value;
  }
  oracle::Tree Entry(const std::string& key) {
    const Offset value = engine_->map(1)->Find(StringKey(key));
    const Slot slot = engine_->arena()->Read<Slot>(value);
    if (IsNodeSlot(slot)) return engine_.Packed(SlotNode(slot));
    return oracle::Decoder(engine_->arena()->At(value), engine_->shapes()).Decode();
  }

  // As text, objects in the order that a node keeps, whatever form they have.
  static std::string InPropertyOrder(const oracle::Tree& tree) {
    std::string text = std::to_string(
        static_cast<int>(tree.type == oracle::Type::kDictionary ? oracle::Type::kObject : tree.type));
    const auto add = [&text](const std::u16string& units) {
      for (const char16_t unit : units) text += " " + std::to_string(unit);
      text += ";";
    };
    if (tree.type == oracle::Type::kSpecial) text += std::to_string(tree.special);
    if (tree.type == oracle::Type::kNumber || tree.type == oracle::Type::kDate) {
      uint64_t bits;
      std::memcpy(&bits, &tree.number, 8);
      text += std::isnan(tree.number) ? "NaN" : std::to_string(bits);
    }
    add(tree.string);
    text += tree.negative ? "-" : "+";
    for (const uint64_t word : tree.words) text += std::to_string(word) + ",";
    text += tree.bytes + "(";
    std::vector<std::pair<uint64_t, size_t>> order;
    for (size_t i = 0; i < tree.items.size(); ++i) {
      uint32_t index = 0;
      const std::u16string name = tree.names.empty() ? u"" : tree.names[i];
      const std::string latin1(name.begin(), name.end());
      const bool is_index = oracle::IsLatin1(name) && IndexOfName(StringKey(latin1), &index);
      order.emplace_back(is_index ? index : kFirstNameSequence, i);
    }
    std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (const auto& [place, i] : order) {
      if (!tree.names.empty()) add(tree.names[i]);
      text += InPropertyOrder(tree.items[i]);
    }
    return text + ")";
  }

  EngineForTest engine_;
  NodeId object_ = 0;
  NodeId array_ = 0;
};

TEST_F(TreeOperationsTest, TheFormOfEachIsChecked) {
  const Bytes one = engine_.Encode(Number(1));
  using enum OperationCode;
  // No node has these numbers.
  for (const uint64_t node : {uint64_t{0}, kMaxNode + 1, (uint64_t{1} << 48) - 1}) {
    Refuses(Code::kInvalid, kSetMember, node, one, "a");
  }
  // Maps have no high bits.
  for (const OperationCode code : {kCreateMap, kDelete, kClear, kAdopt}) {
    Refuses(Code::kInvalid, code, uint64_t{1} << 32 | 1, {}, code == kClear ? "" : "k");
  }
  // Values and keys missing or superfluous.
  Refuses(Code::kInvalid, kSetMember, object_, {}, "a");
  Refuses(Code::kInvalid, kDeleteMember, object_, one, "a");
  Refuses(Code::kInvalid, kSetItem, array_, Words({0, 0}));
  Refuses(Code::kInvalid, kSetItem, array_, {});
  Refuses(Code::kInvalid, kSetItem, array_, With({0, 0}, Number(1)), "key");
  Refuses(Code::kInvalid, kDeleteItem, array_, With({0, 0}, Number(1)));
  Refuses(Code::kInvalid, kDeleteItem, array_, {});
  Refuses(Code::kInvalid, kSetLength, array_, {});
  Refuses(Code::kInvalid, kSetLength, array_, Words({0, 0, 0, 0}));
  Refuses(Code::kInvalid, kSplice, array_, Words({0, 0}));
  Refuses(Code::kInvalid, kPermute, array_, {});
  Refuses(Code::kInvalid, kAdopt, 1, one, "k");
  Refuses(Code::kInvalid, kSkipNodes, 0, {});
  Refuses(Code::kInvalid, kSkipNodes, 0, Words({1 << 20, 0, 0, 0}));
  // Numbers out of their range, and reserved ones.
  Refuses(Code::kInvalid, kSetItem, array_, With({0xFFFFFFFF, 0}, Number(1)));
  Refuses(Code::kInvalid, kSetItem, array_, With({0, 1}, Number(1)));
  Refuses(Code::kInvalid, kDeleteItem, array_, Words({0xFFFFFFFF, 0}));
  Refuses(Code::kInvalid, kSetLength, array_, Words({1, 1}));
  // A name is a string.
  Bytes named = MakeOperation(kSetMember, object_, one, StringKey("12345678"));
  for (const uint8_t kind : {2, 3, 4, 255}) {
    named[1] = kind;
    Refuses(Code::kInvalid, named);
  }
  named[1] = 1;  // and not UTF-16 that fits Latin-1
  std::memcpy(named.data() + named.size() - 8, "1\0002\0003\0004\000", 8);
  Refuses(Code::kInvalid, named);
  // Values are whole, alone, and plain.
  Bytes two = one;
  two.insert(two.end(), one.begin(), one.end());
  Refuses(Code::kInvalid, kSetMember, object_, two, "a");
  Bytes node_slot(8);
  const Slot slot = NodeSlot(array_);
  std::memcpy(node_slot.data(), &slot, 8);
  Refuses(Code::kInvalid, kSetMember, object_, node_slot, "a");
  Refuses(Code::kInvalid, kSet, 1, node_slot, "k");
  const Slot box = BoxSlot(kUnitBytes * 2);
  std::memcpy(node_slot.data(), &box, 8);
  Refuses(Code::kInvalid, kSetMember, object_, node_slot, "a");
}

TEST_F(TreeOperationsTest, WhatANodeIsNotIsRefused) {
  const Bytes one = engine_.Encode(Number(1));
  using enum OperationCode;
  Refuses(Code::kWrongType, kSetMember, array_, one, "0");
  Refuses(Code::kWrongType, kDeleteMember, array_, {}, "0");
  Refuses(Code::kWrongType, kSetItem, object_, With({0, 0}, Number(1)));
  Refuses(Code::kWrongType, kDeleteItem, object_, Words({0, 0}));
  Refuses(Code::kWrongType, kSetLength, object_, Words({0, 0}));
  Refuses(Code::kWrongType, kSplice, object_, With({0, 0}, Array({})));
  Refuses(Code::kWrongType, kPermute, object_, Words({0, 0}));
  Refuses(Code::kInvalid, kSplice, array_, With({0, 0}, Number(1)));
  Refuses(Code::kInvalid, kSplice, array_, With({4, 0}, Array({})));
  Refuses(Code::kInvalid, kSplice, array_, With({1, 3}, Array({})));
  Refuses(Code::kInvalid, kSplice, array_, With({2, 0xFFFFFFFF}, Array({})));
  for (const std::vector<uint32_t>& order : {std::vector<uint32_t>{3, 0, 0, 1, 1},
                                             {3, 0, 0, 1, 3},
                                             {3, 0, 0, 1},
                                             {2, 0, 0, 1},
                                             {4, 0, 0, 1, 2, 3},
                                             {3, 0, 2, 1, 0, 1},
                                             {3, 1, 2, 1, 0},
                                             {0xFFFFFFFF, 0, 0, 1, 2}}) {
    Refuses(Code::kInvalid, kPermute, array_, Words(order));
  }
  ASSERT_TRUE(Apply(kPermute, array_, Words({3, 0, 2, 0, 1})).ok());
  const oracle::Tree permuted = engine_.Packed(array_);
  EXPECT_EQ(permuted.items[0].number, 3);
  EXPECT_EQ(permuted.items[1].number, 1);
  EXPECT_EQ(permuted.items[2].number, 2);
}

TEST_F(TreeOperationsTest, ANodeThatHasLeftTheTreeIsDetached) {
  const NodeId inner = array_;
  ASSERT_TRUE(Set("array", Number(0)).ok());
  using enum OperationCode;
  for (const NodeId node : {inner, engine_->tree().next_node(), kMaxNode}) {
    Refuses(Code::kDetached, kSetItem, node, With({0, 0}, Number(1)));
    Refuses(Code::kDetached, kDeleteItem, node, Words({0, 0}));
    Refuses(Code::kDetached, kSetLength, node, Words({0, 0}));
    Refuses(Code::kDetached, kSplice, node, With({0, 0}, Array({})));
    Refuses(Code::kDetached, kPermute, node, Words({3, 0, 2, 1, 0}));
    Refuses(Code::kDetached, kSetMember, node, engine_.Encode(Number(1)), "a");
    Refuses(Code::kDetached, kDeleteMember, node, {}, "a");
  }
}

TEST_F(TreeOperationsTest, NumbersOfNodesOnlyGoUp) {
  const auto skip = [](uint64_t next) {
    return Words({static_cast<uint32_t>(next), static_cast<uint32_t>(next >> 32)});
  };
  const NodeId next = engine_->tree().next_node();
  Refuses(Code::kInvalid, OperationCode::kSkipNodes, 0, skip(next - 1));
  Refuses(Code::kInvalid, OperationCode::kSkipNodes, 0, skip(kMaxNode + 2));
  Refuses(Code::kInvalid, OperationCode::kSkipNodes, 1, skip(next));
  ASSERT_TRUE(Apply(OperationCode::kSkipNodes, 0, skip(next + (uint64_t{1} << 40))).ok());
  ASSERT_TRUE(Set("far", Array({})).ok());
  EXPECT_EQ(SlotNode(SlotOf("far")), next + (uint64_t{1} << 40));
  ASSERT_TRUE(Apply(OperationCode::kSetItem, SlotNode(SlotOf("far")), With({0, 0}, Number(5))).ok());
  EXPECT_EQ(engine_.Packed(SlotNode(SlotOf("far"))).items.size(), 1u);
  ASSERT_TRUE(Apply(OperationCode::kSkipNodes, 0, skip(kMaxNode + 1)).ok());
  Refuses(Code::kFull, OperationCode::kSetMember, kRootNode, engine_.Encode(Array({})), "none is left");
  EXPECT_TRUE(Set("plain", Number(1)).ok());
}

TEST_F(TreeOperationsTest, OnlyWhatChangedCounts) {
  const auto writes = [this](OperationCode code, uint64_t target, const Bytes& value,
                             const std::string& key) {
    const uint64_t before = engine_->writes();
    ApplyResult result;
    EXPECT_TRUE(Apply(code, target, value, key, &result).ok());
    EXPECT_EQ(engine_->writes() - before, result.changed ? 1u : 0u);
    return result.changed;
  };
  using enum OperationCode;
  EXPECT_TRUE(writes(kDeleteMember, object_, {}, "a"));
  EXPECT_FALSE(writes(kDeleteMember, object_, {}, "a"));
  EXPECT_TRUE(writes(kDeleteItem, array_, Words({1, 0}), ""));
  EXPECT_FALSE(writes(kDeleteItem, array_, Words({1, 0}), ""));
  EXPECT_FALSE(writes(kDeleteItem, array_, Words({7, 0}), ""));
  EXPECT_TRUE(writes(kSet, 1, engine_.Encode(Array({})), "k"));
  EXPECT_TRUE(writes(kAdopt, 1, {}, "k"));
  EXPECT_FALSE(writes(kAdopt, 1, {}, "k"));
}

TEST_F(TreeOperationsTest, OneSlotIsWrittenOverAnother) {
  const std::pair<oracle::Tree, oracle::Tree> values[] = {
      {Number(1), Number(2)},
      {Number(1), Number(0.5)},
      {Number(-0.0), String(u"short")},
      {String(u"x"), oracle::Special(1)},
      {oracle::Special(3), Object({})},  // 8 bytes, and not plain
      {Object({}), Number(1)},
      {String(u"a longer text"), Number(1)},
      {String(std::u16string(300, u'b')), Number(1)},
      {Number(1), String(std::u16string(300, u'b'))},
  };
  for (const auto& [before, after] : values) {
    for (const oracle::Tree& value : {before, after}) {
      ASSERT_TRUE(Apply(OperationCode::kSetMember, object_, engine_.Encode(value), "a").ok());
      ASSERT_TRUE(Apply(OperationCode::kSetItem, array_, With({1, 0}, value)).ok());
      const Bytes expected = engine_.Encode(value);
      EXPECT_EQ(engine_.Encode(engine_.Packed(object_).items[0]), expected);
      EXPECT_EQ(engine_.Encode(engine_.Packed(array_).items[1]), expected);
    }
  }
}

// An entry answers alike whether it is packed or adopted, whatever is done to it.
TEST_F(TreeOperationsTest, AdoptedEntriesAnswerAsPackedOnesDo) {
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 2, {}, "packed").ok());
  oracle::Generator values(6);
  for (int step = 0; step < 4000; ++step) {
    Bytes value;
    OperationCode code = OperationCode::kSet;
    switch (values.Below(5)) {
      case 0:
        value = engine_.Encode(values.Below(4) == 0 ? values.RandomTree(2) : values.RandomObject(2, 5));
        break;
      case 1:
      case 2:
        code = OperationCode::kPatch;
        value = engine_.Encode(values.Below(20) == 0 ? values.RandomTree(1) : values.RandomObject(2, 4));
        break;
      case 3:
        code = OperationCode::kIncrement;
        value = Increment("f" + std::string(1, static_cast<char>('a' + values.Below(12))), 2);
        break;
      default:
        if (values.Below(8) == 0) code = OperationCode::kDelete;
        if (values.Below(60) == 0) code = OperationCode::kClear;
        if (code == OperationCode::kSet) value = engine_.Encode(values.RandomObject(1, 3));
    }
    const std::string key = code == OperationCode::kClear ? "" : "k";
    ApplyResult adopted, packed;
    const Status first = Apply(code, 1, value, key, &adopted);
    const Status second = Apply(code, 2, value, key, &packed);
    ASSERT_EQ(first.code(), second.code()) << first.message() << " / " << second.message();
    EXPECT_EQ(adopted.changed, packed.changed);
    EXPECT_EQ(adopted.number, packed.number);
    EXPECT_EQ(engine_->entries(), engine_->map(1)->size() * 2);
    const Offset at = engine_->map(2)->Find(StringKey("k"));
    ASSERT_EQ(at == kNone, engine_->map(1)->Find(StringKey("k")) == kNone);
    if (at == kNone) continue;
    const oracle::Tree expected = oracle::Decoder(engine_->arena()->At(at), engine_->shapes()).Decode();
    EXPECT_EQ(InPropertyOrder(Entry("k")), InPropertyOrder(expected)) << step;
    const Status status = Apply(OperationCode::kAdopt, 1, {}, "k", &adopted);
    const bool is_container = expected.type == oracle::Type::kObject ||
                              expected.type == oracle::Type::kArray ||
                              expected.type == oracle::Type::kDictionary;
    EXPECT_EQ(status.code(), is_container ? Code::kOk : Code::kWrongType);
    if (is_container) {
      EXPECT_NE(engine_->tree().Locate(static_cast<NodeId>(adopted.number)), kNone);
    }
  }
}

TEST_F(TreeOperationsTest, AdoptingWantsAnEntry) {
  Refuses(Code::kNotFound, OperationCode::kAdopt, 1, {}, "nobody");
  Refuses(Code::kInvalid, OperationCode::kAdopt, 9, {}, "nobody");
}

TEST_F(TreeOperationsTest, WhatIsDroppedIsGivenBackWithLaterWrites) {
  const oracle::Tree large = Array(std::vector<oracle::Tree>(2000, Object({{u"a", Array({Number(1)})}})));
  ASSERT_TRUE(Set("large", large).ok());
  const uint64_t most = engine_->allocator()->stats().live_bytes;
  // Each drops what the one before planted; memory does not grow with their number.
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Set("large", large).ok());
    EXPECT_LT(engine_->allocator()->stats().live_bytes, most * 3);
  }
  ASSERT_TRUE(Set("large", Number(0)).ok());
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(Set("small", Number(i)).ok());
  EXPECT_LT(engine_->allocator()->stats().live_bytes, most / 10);
}

}  // namespace
}  // namespace forkstore
