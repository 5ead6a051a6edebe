// Tests only: a live tree in a heap of its own, and the plain objects and arrays that it has to agree with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/tree/tree.h"
#include "memory/undo.h"
#include "testing/heap.h"
#include "testing/map.h"
#include "testing/shapes.h"
#include "testing/value_generator.h"

namespace forkstore {

// A name as a key; holds its bytes.
class NameForTest {
 public:
  explicit NameForTest(const std::u16string& name) {
    const bool latin1 = oracle::IsLatin1(name);
    for (const char16_t unit : name) {
      bytes_ += static_cast<char>(unit & 0xFF);
      if (!latin1) bytes_ += static_cast<char>(unit >> 8);
    }
    kind_ = latin1 ? KeyKind::kLatin1 : KeyKind::kUtf16;
  }
  Key key() const { return Key{kind_, reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()}; }

 private:
  KeyKind kind_;
  std::string bytes_;
};

class TreeForTest {
 public:
  explicit TreeForTest(uint64_t max_bytes = uint64_t{1} << 30)
      : memory(max_bytes), undo(&memory.arena(), &memory.heap().allocator) {
    fields = memory.NewZeros(kFieldBytes);
    header = memory.NewZeros(kMapHeaderBytes);
    memory.heap().Mutate<MapHeader>(header).next_sequence = 1;
    Open();
    EXPECT_TRUE(tree->Create().ok());
  }
  // Everything free, as it is before Restore.
  TreeForTest(const HeapForTest::Image& image, const TreeForTest& original, uint64_t max_bytes)
      : memory(max_bytes),
        undo(&memory.arena(), &memory.heap().allocator),
        fields(original.fields),
        header(original.header) {
    memory.Load(image);
    EXPECT_TRUE(memory.Claim(fields, kFieldBytes));
    EXPECT_TRUE(memory.Claim(header, kMapHeaderBytes));
    Open();
  }

  OrderedMap map() { return OrderedMap(memory.heap(), header, kTestSeed); }

  Status Restore() {
    if (Status status = shapes->Restore(); !status.ok()) return status;
    OrderedMap restored = map();
    Tree::RestoredMap entries{&restored, {}};
    if (Status status = restored.Restore(*shapes, &scratch, &entries.nodes); !status.ok()) return status;
    if (Status status = tree->Restore({entries}); !status.ok()) return status;
    memory.FinishLoad();
    tree->RemoveUnreferenced();
    return Status::Ok();
  }

  std::string Encode(const oracle::Tree& value) { return oracle::Encoder(shapes.get()).Encode(value); }

  Status SetMember(NodeId node, const std::u16string& name, const oracle::Tree& value) {
    AlignedBytes bytes(Encode(value));
    return Apply([&] { return tree->SetMember(node, NameForTest(name).key(), bytes.data()); });
  }
  Status DeleteMember(NodeId node, const std::u16string& name, bool* was_there) {
    return Apply(
        [&] { return tree->DeleteMember(node, NameForTest(name).key(), ShapeUse::kDefine, was_there); });
  }
  Status SetItem(NodeId node, uint32_t index, const oracle::Tree& value) {
    AlignedBytes bytes(Encode(value));
    return Apply([&] { return tree->SetItem(node, index, bytes.data()); });
  }
  Status Splice(NodeId node, uint32_t start, uint32_t deleted, const oracle::Tree& items) {
    AlignedBytes bytes(Encode(items));
    return Apply([&] { return tree->Splice(node, start, deleted, bytes.data()); });
  }
  Slot SlotAt(Offset slot) { return memory.heap().Read<Slot>(slot); }
  Slot Member(NodeId node, const std::u16string& name) {
    const Offset slot = tree->FindMember(tree->Locate(node), NameForTest(name).key());
    return slot == kNone ? Slot{9, uint32_t{kSpecial} << 16} : SlotAt(slot);
  }

  // The packed node, decoded; checks that the bytes are canonical.
  oracle::Tree Read(NodeId node) {
    std::vector<uint8_t> bytes;
    const Status status = tree->Pack(node, &bytes);
    EXPECT_TRUE(status.ok()) << status.message();
    uint64_t length = 0;
    EXPECT_TRUE(CheckValue(bytes.data(), bytes.size(), *shapes, &scratch, &length).ok());
    EXPECT_EQ(length, bytes.size());
    return oracle::Decoder(bytes.data(), *shapes).Decode();
  }

  // As the engine does it: an operation that fails leaves no trace.
  struct Scope {
    Undo::Position position;
    Tree::Mark mark;
  };
  Scope Begin() {
    const Tree::Mark mark = tree->GarbageMark();
    return Scope{undo.Begin(), mark};
  }
  void RollBack(const Scope& scope) {
    const NodeId next = tree->next_node();
    undo.Rollback(scope.position);
    tree->ForgetGarbageSince(scope.mark);
    tree->SkipNodes(next);
  }
  template <typename Operation>
  Status Apply(Operation operation) {
    const Scope scope = Begin();
    Status status = operation();
    if (status.ok()) {
      undo.Commit();
    } else {
      RollBack(scope);
    }
    return status;
  }

  HeapForTest memory;
  Undo undo;
  Offset fields;
  Offset header;
  std::unique_ptr<ShapeTable> shapes;
  ValueScratch scratch;
  std::unique_ptr<Tree> tree;

 private:
  static constexpr uint64_t kFieldBytes = 48;

  void Open() {
    shapes = std::make_unique<ShapeTable>(memory.heap(), fields, fields + 8);
    tree = std::make_unique<Tree>(memory.heap(), TreeFields{fields + 16, fields + 24, fields + 32},
                                  shapes.get(), kTestSeed, &scratch);
  }
};

// Whether two values are the same to JavaScript.
inline bool Same(const oracle::Tree& a, const oracle::Tree& b) {
  using oracle::Type;
  const auto form = [](Type type) { return type == Type::kDictionary ? Type::kObject : type; };
  if (form(a.type) != form(b.type) || a.names != b.names || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!Same(a.items[i], b.items[i])) return false;
  }
  const bool same_number =
      std::memcmp(&a.number, &b.number, 8) == 0 || (a.number != a.number && b.number != b.number);
  return a.special == b.special && same_number && a.string == b.string && a.negative == b.negative &&
         a.words == b.words && a.bytes == b.bytes;
}

// An object or array as JavaScript has it, with the id of the node it stands for once that is known.
struct Model {
  // A value without members, or a container.
  struct Cell {
    oracle::Tree leaf;
    std::shared_ptr<Model> container;
  };

  bool array = false;
  NodeId id = 0;
  std::vector<std::u16string> names;  // of an object, in property order
  std::vector<Cell> cells;

  static bool IndexOf(const std::u16string& name, uint64_t* index) {
    if (name.empty() || name.size() > 10 || (name[0] == u'0' && name.size() > 1)) return false;
    *index = 0;
    for (const char16_t unit : name) {
      if (unit < u'0' || unit > u'9') return false;
      *index = *index * 10 + (unit - u'0');
    }
    return *index < 0xFFFFFFFF;
  }

  static Cell CellOf(const oracle::Tree& value) {
    const bool array = value.type == oracle::Type::kArray;
    if (!array && value.type != oracle::Type::kObject && value.type != oracle::Type::kDictionary) {
      return Cell{value, nullptr};
    }
    auto model = std::make_shared<Model>();
    model->array = array;
    for (size_t i = 0; i < value.items.size(); ++i) {
      if (array) {
        model->cells.push_back(CellOf(value.items[i]));
      } else {
        model->Set(value.names[i], CellOf(value.items[i]));
      }
    }
    return Cell{{}, model};
  }
  static oracle::Tree ValueOf(const Cell& cell) {
    if (cell.container == nullptr) return cell.leaf;
    oracle::Tree value{.type = cell.container->array ? oracle::Type::kArray : oracle::Type::kObject};
    value.names = cell.container->names;
    for (const Cell& inner : cell.container->cells) value.items.push_back(ValueOf(inner));
    return value;
  }

  size_t Find(const std::u16string& name) const {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }
  void Set(const std::u16string& name, Cell cell) {
    size_t at = Find(name);
    if (at < names.size()) {
      cells[at] = std::move(cell);
      return;
    }
    uint64_t index = 0;
    if (IndexOf(name, &index)) {
      uint64_t other = 0;
      for (at = 0; at < names.size() && IndexOf(names[at], &other) && other < index;) ++at;
    }
    names.insert(names.begin() + static_cast<ptrdiff_t>(at), name);
    cells.insert(cells.begin() + static_cast<ptrdiff_t>(at), std::move(cell));
  }
  static Cell Hole() { return Cell{oracle::Special(kHole), nullptr}; }
  static bool IsHoleCell(const Cell& cell) {
    return cell.container == nullptr && cell.leaf.type == oracle::Type::kSpecial &&
           cell.leaf.special == kHole;
  }
  static Cell CloneOf(const Cell& cell) {
    if (cell.container == nullptr) return cell;
    auto clone = std::make_shared<Model>(*cell.container);
    for (Cell& inner : clone->cells) inner = CloneOf(inner);
    return Cell{{}, clone};
  }
  // The ids known in a subtree.
  static void AppendIds(const Cell& cell, std::vector<NodeId>* ids) {
    if (cell.container == nullptr) return;
    if (cell.container->id != 0) ids->push_back(cell.container->id);
    for (const Cell& inner : cell.container->cells) AppendIds(inner, ids);
  }
};

}  // namespace forkstore
