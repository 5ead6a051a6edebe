// Tests only: random operations of every kind, most of which an engine accepts.
#pragma once

#include <numeric>
#include <random>

#include "testing/engine.h"
#include "testing/value_generator.h"

namespace forkstore {

class RandomOperations {
 public:
  // `weight`: how large values are at most, from 0.
  explicit RandomOperations(uint64_t seed, size_t weight = 3)
      : random_(seed), values_(seed + 1), weight_(weight) {}

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  // The shapes that it needs are defined at once, and logged.
  Bytes Next(EngineForTest* engine, std::vector<Bytes>* log) {
    switch (Below(20)) {
      case 0:
        return NextOfStore(engine);
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        return NextOfMap(engine, log);
      default:
        return NextOfNode(engine, log);
    }
  }

 private:
  Bytes NextOfStore(EngineForTest* engine) {
    const uint32_t maps = (*engine)->map_count();
    const uint64_t live = (*engine)->live_maps();
    if (live > 0 && Below(live > 4 ? 3 : 12) == 0) {
      return MakeOperation(OperationCode::kDropMap, static_cast<uint32_t>(1 + Below(maps)));
    }
    if (Below(4) != 0 || live >= 5) {
      const uint64_t next = (*engine)->tree().next_node() + Below(100);
      Bytes value(8);
      std::memcpy(value.data(), &next, 8);
      return MakeOperation(OperationCode::kSkipNodes, 0, value);
    }
    name_ = "map " + std::to_string(Below(8));
    return MakeOperation(OperationCode::kCreateMap, maps + 1, {}, StringKey(name_));
  }

  Bytes NextOfMap(EngineForTest* engine, std::vector<Bytes>* log) {
    uint32_t map = static_cast<uint32_t>(Below((*engine)->map_count() + (Below(30) == 0 ? 2 : 1)));
    // Mostly one that is still there.
    if (Below(30) != 0) (*engine)->ScanMaps(map, 1, &map);
    name_ = "key " + std::to_string(Below(30));
    const Key key = StringKey(name_);
    switch (Below(12)) {
      case 0:
      case 1:
      case 2:
        return MakeOperation(OperationCode::kSet, map, Value(engine, log), key);
      case 3:
        return MakeOperation(OperationCode::kDelete, map, {}, key);
      case 4:
        return Below(5) == 0 ? MakeOperation(OperationCode::kClear, map)
                             : MakeOperation(OperationCode::kDelete, map, {}, key);
      case 5:
      case 6:
        return MakeOperation(OperationCode::kPatch, map,
                             engine->Encode(values_.RandomObject(static_cast<int>(weight_), 4), log), key);
      case 7:
      case 8: {
        const double amount = static_cast<double>(Below(5));
        Bytes value(8);
        std::memcpy(value.data(), &amount, 8);
        const Bytes field = engine->Encode(oracle::String(Name()), log);
        value.insert(value.end(), field.begin(), field.end());
        return MakeOperation(OperationCode::kIncrement, map, value, key);
      }
      default:
        return MakeOperation(OperationCode::kAdopt, map, {}, key);
    }
  }

  Bytes NextOfNode(EngineForTest* engine, std::vector<Bytes>* log) {
    const Tree& tree = (*engine)->tree();
    const NodeId node = PickNode(tree);
    const Offset block = tree.Locate(node);
    bool is_array = block == kNone ? Below(2) == 0 : tree.Head(node).is_array();
    if (Below(40) == 0) is_array = !is_array;
    if (is_array) {
      return OfArray(engine, log, node,
                     block != kNone && tree.Head(node).is_array() ? tree.Length(block) : 5);
    }
    const std::u16string name = Name();
    const bool latin1 = oracle::IsLatin1(name);
    name_.clear();
    for (const char16_t unit : name) {
      name_ += static_cast<char>(unit & 0xFF);
      if (!latin1) name_ += static_cast<char>(unit >> 8);
    }
    Key key = StringKey(name_);
    if (!latin1) key.kind = KeyKind::kUtf16;
    // The root keeps growing, so that there is something to see.
    const bool remove = Below(node == kRootNode ? 8 : 3) == 0;
    if (remove) return MakeOperation(OperationCode::kDeleteMember, node, {}, key);
    return MakeOperation(OperationCode::kSetMember, node, Value(engine, log), key);
  }

  Bytes OfArray(EngineForTest* engine, std::vector<Bytes>* log, NodeId node, uint32_t length) {
    const uint32_t beyond = static_cast<uint32_t>(1 + (Below(10) == 0 ? Below(200) : 0));
    const uint32_t index = static_cast<uint32_t>(Below(uint64_t{length} + beyond));
    switch (Below(8)) {
      case 0:
      case 1: {
        Bytes value = Words({index, 0});
        const Bytes item = Value(engine, log);
        value.insert(value.end(), item.begin(), item.end());
        return MakeOperation(OperationCode::kSetItem, node, value);
      }
      case 2:
        return MakeOperation(OperationCode::kDeleteItem, node, Words({index, 0}));
      case 3:
        return MakeOperation(OperationCode::kSetLength, node, Words({index, 0}));
      case 4: {
        std::vector<uint32_t> words(2 + uint64_t{length});
        words[0] = length;
        std::iota(words.begin() + 2, words.end(), 0);
        std::shuffle(words.begin() + 2, words.end(), random_);
        return MakeOperation(OperationCode::kPermute, node, Words(words));
      }
      default: {
        const uint32_t rest = index < length ? length - index : 0;
        Bytes value = Words({index, static_cast<uint32_t>(Below(uint64_t{rest} + 1))});
        std::vector<oracle::Tree> items;
        for (uint64_t i = Below(Below(10) == 0 ? 120 : 4); i > 0; --i) items.push_back(RandomValue(true));
        const Bytes encoded = engine->Encode(oracle::Array(std::move(items)), log);
        value.insert(value.end(), encoded.begin(), encoded.end());
        return MakeOperation(OperationCode::kSplice, node, value);
      }
    }
  }

  // Mostly one that is in the tree.
  NodeId PickNode(const Tree& tree) {
    NodeId node = kRootNode;
    for (int attempt = 0; attempt < 4; ++attempt) {
      const uint64_t recent = std::min<uint64_t>(tree.next_node() - 1, Below(3) == 0 ? 20 : 400);
      node = tree.next_node() - 1 - Below(recent);
      if (tree.Locate(node) != kNone) return node;
    }
    return Below(5) == 0 ? node : kRootNode;
  }

  std::u16string Name() {
    switch (Below(12)) {
      case 0: {
        const std::string digits = std::to_string(Below(Below(4) == 0 ? 1 << 30 : 20));
        return std::u16string(digits.begin(), digits.end());
      }
      case 1:
        return values_.RandomString(false);
      case 2:
        return std::u16string(100 + Below(60), u'n');
      default: {
        const std::string digits = std::to_string(Below(Below(3) == 0 ? 90 : 12));
        return u"f" + std::u16string(digits.begin(), digits.end());
      }
    }
  }

  oracle::Tree RandomValue(bool in_array = false) {
    if (Below(40) == 0) return oracle::String(std::u16string(100 + Below(3000), u's'));
    return values_.RandomTree(static_cast<int>(Below(weight_ + 1)), in_array);
  }

  Bytes Value(EngineForTest* engine, std::vector<Bytes>* log) { return engine->Encode(RandomValue(), log); }

  std::mt19937_64 random_;
  oracle::Generator values_;
  size_t weight_;
  std::string name_;  // what the key of the last operation points to
};

}  // namespace forkstore
