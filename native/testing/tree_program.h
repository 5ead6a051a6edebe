// Tests only: random programs of object and array operations on a live tree, and on plain objects and arrays
// beside it.
#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/tree.h"

namespace forkstore {

class Program {
 public:
  explicit Program(uint64_t seed, uint64_t max_bytes = uint64_t{1} << 30)
      : random_(seed), own_(std::make_unique<TreeForTest>(max_bytes)), test_(*own_), root_(new Model) {
    root_->id = kRootNode;
  }
  // Goes on with a tree that is there.
  Program(uint64_t seed, TreeForTest* test)
      : random_(seed), test_(*test), root_(Model::CellOf(test->Read(kRootNode)).container) {
    root_->id = kRootNode;
  }

  // One operation on a node somewhere in the tree.
  void Step() {
    std::shared_ptr<Model> model = root_;
    while (random_.Below(5) != 0) {
      std::shared_ptr<Model> child = DescendFrom(model);
      if (testing::Test::HasFatalFailure()) return;
      if (child == nullptr) break;
      model = child;
    }
    if (model->array) {
      ChangeArray(model.get());
    } else {
      ChangeObject(model.get());
    }
    if (testing::Test::HasFatalFailure()) return;
    if (random_.Below(4) == 0) CheckNode(*model);
    if (may_reclaim_ && random_.Below(8) == 0) test_.tree->Reclaim(static_cast<uint32_t>(random_.Below(40)));
    CheckGone(random_.Below(20) == 0);
  }

  void CheckAll() {
    CheckNode(*root_);
    CheckGone(true);
    CheckIds(*root_);
  }

  // Some operations, which are then taken back.
  void StepBack() {
    const TreeForTest::Scope scope = test_.Begin();
    const uint64_t live_bytes = test_.memory.live_bytes();
    const uint64_t nodes = test_.tree->node_count();
    const Model::Cell before = Model::CloneOf(Model::Cell{{}, root_});
    const size_t gone = gone_.size();
    const NodeId first_new = test_.tree->next_node();
    may_reclaim_ = false;
    for (uint64_t i = random_.Below(20); i > 0; --i) {
      Step();
      if (testing::Test::HasFatalFailure()) return;
    }
    std::vector<NodeId> new_ids(gone_.begin() + static_cast<ptrdiff_t>(gone), gone_.end());
    Model::AppendIds(Model::Cell{{}, root_}, &new_ids);
    may_reclaim_ = true;
    const uint64_t version = test_.tree->layout_version();
    test_.RollBack(scope);
    EXPECT_NE(test_.tree->layout_version(), version);
    root_ = before.container;
    gone_.resize(gone);
    std::vector<NodeId> old_ids;
    Model::AppendIds(Model::Cell{{}, root_}, &old_ids);
    for (const NodeId id : old_ids) ASSERT_NE(test_.tree->Locate(id), kNone);
    for (const NodeId id : new_ids) {
      if (id >= first_new) {
        gone_.push_back(id);
      } else {
        ASSERT_NE(test_.tree->Locate(id), kNone);
      }
    }
    ASSERT_EQ(test_.tree->node_count(), nodes);
    // Shapes stay.
    ASSERT_GE(test_.memory.live_bytes(), live_bytes);
  }

  // An operation while there is hardly any memory.
  void StepInNeed() {
    std::vector<Offset> hog = test_.memory.Exhaust();
    for (uint64_t i = random_.Below(30); i > 0 && !hog.empty(); --i) {
      const size_t at = random_.Below(4) == 0 ? hog.size() - 1 : random_.Below(hog.size());
      test_.memory.heap().Free(hog[at]);
      hog.erase(hog.begin() + static_cast<ptrdiff_t>(at));
    }
    may_reclaim_ = false;
    in_need_ = true;
    for (int i = 0; i < 3; ++i) {
      const uint64_t refused = refused_;
      Step();
      if (testing::Test::HasFatalFailure()) return;
      if (refused_ != refused) CheckAll();
    }
    in_need_ = false;
    may_reclaim_ = true;
    for (const Offset block : hog) test_.memory.heap().Free(block);
  }

  // The bytes as they are, loaded elsewhere: the same tree.
  void CheckRestored() {
    TreeForTest restored(test_.memory.Save(), test_, test_.memory.arena().max_bytes());
    const Status status = restored.Restore();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(Same(restored.Read(kRootNode), Model::ValueOf(Model::Cell{{}, root_})));
    std::vector<NodeId> ids;
    Model::AppendIds(Model::Cell{{}, root_}, &ids);
    for (const NodeId id : ids) EXPECT_NE(restored.tree->Locate(id), kNone);
    for (const NodeId id : gone_) EXPECT_EQ(restored.tree->Locate(id), kNone);
    EXPECT_EQ(restored.tree->next_node(), test_.tree->next_node());
    // What is dropped but not given back is not taken over.
    while (!test_.tree->Reclaim(1000)) {
    }
    EXPECT_EQ(restored.memory.live_blocks(), test_.memory.live_blocks());
    EXPECT_EQ(restored.memory.live_bytes(), test_.memory.live_bytes());
    EXPECT_EQ(restored.tree->node_count(), test_.tree->node_count());
  }

  void Empty() {
    while (!root_->names.empty()) {
      const std::u16string name = root_->names[random_.Below(root_->names.size())];
      bool was_there = false;
      ASSERT_TRUE(test_.DeleteMember(kRootNode, name, &was_there).ok());
      ASSERT_TRUE(was_there);
      const size_t at = root_->Find(name);
      Forget(root_->cells[at]);
      root_->names.erase(root_->names.begin() + static_cast<ptrdiff_t>(at));
      root_->cells.erase(root_->cells.begin() + static_cast<ptrdiff_t>(at));
    }
    while (!test_.tree->Reclaim(100)) {
    }
    CheckGone(true);
    EXPECT_EQ(test_.tree->node_count(), 1u);
  }

  TreeForTest& test() { return test_; }
  const std::set<NodeKind>& kinds() const { return kinds_; }
  uint64_t refused() const { return refused_; }

 private:
  std::u16string RandomName() {
    static const std::u16string odd[] = {u"",           u"0",          u"1",          u"7",         u"64",
                                         u"01",         u"4294967294", u"4294967295", u"__proto__", u"a",
                                         u"\u20AC uro", u"-1",         u"12345",      u"1e3"};
    switch (random_.Below(8)) {
      case 0:
      case 1:
        return odd[random_.Below(std::size(odd))];
      case 2: {
        const std::string digits = std::to_string(random_.Below(100));
        return std::u16string(digits.begin(), digits.end());
      }
      case 3:
        return random_.Below(20) == 0 ? std::u16string(120 + random_.Below(20), u'n') : u"name";
      default: {
        const std::string number = std::to_string(random_.Below(90));
        return u"f" + std::u16string(number.begin(), number.end()) +
               (random_.Below(2) == 0 ? u" and more" : u"");
      }
    }
  }
  oracle::Tree RandomValue() {
    if (random_.Below(40) == 0) return RandomWide();
    oracle::Tree value = random_.RandomTree(3);
    if (random_.Below(12) == 0) value = oracle::String(std::u16string(100 + random_.Below(60), u's'));
    return value;
  }
  oracle::Tree RandomWide() {
    const size_t count = 55 + random_.Below(20);
    if (random_.Below(2) == 0) {
      oracle::Tree array{.type = oracle::Type::kArray};
      for (size_t i = 0; i < count; ++i) array.items.push_back(random_.RandomTree(1, true));
      return array;
    }
    Model object;
    while (object.names.size() < count) object.Set(RandomName(), Model::CellOf(random_.RandomTree(1)));
    auto shared = std::make_shared<Model>(object);
    return Model::ValueOf(Model::Cell{{}, shared});
  }

  // A random member or item that is a container; learns its id, or checks it.
  std::shared_ptr<Model> DescendFrom(const std::shared_ptr<Model>& model) {
    std::vector<size_t> places;
    for (size_t i = 0; i < model->cells.size(); ++i) {
      if (model->cells[i].container != nullptr) places.push_back(i);
    }
    if (places.empty()) return nullptr;
    const size_t at = places[random_.Below(places.size())];
    std::shared_ptr<Model> child = model->cells[at].container;
    Learn(*model, at);
    return testing::Test::HasFatalFailure() ? nullptr : child;
  }
  void Learn(const Model& model, size_t at) {
    Tree& tree = *test_.tree;
    const Offset block = tree.Locate(model.id);
    ASSERT_NE(block, kNone);
    kinds_.insert(tree.Head(model.id).kind);
    const Offset slot = model.array ? tree.FindItem(block, static_cast<uint32_t>(at))
                                    : tree.FindMember(block, NameForTest(model.names[at]).key());
    ASSERT_NE(slot, kNone);
    ASSERT_TRUE(IsNodeSlot(test_.SlotAt(slot)));
    const NodeId id = SlotNode(test_.SlotAt(slot));
    Model& child = *model.cells[at].container;
    if (child.id != 0) {
      ASSERT_EQ(id, child.id);
    }
    child.id = id;
    ASSERT_EQ(tree.Head(id).parent, model.id);
    ASSERT_EQ(tree.Head(id).is_array(), child.array);
  }

  // Whether an operation was done; it may be refused only where memory is short.
  bool Done(const Status& status) {
    if (status.ok()) return true;
    EXPECT_TRUE(in_need_ && status.code() == Code::kFull) << status.message();
    ++refused_;
    return false;
  }

  void Forget(const Model::Cell& cell) { Model::AppendIds(cell, &gone_); }

  void ChangeObject(Model* model) {
    // Often one that is there.
    const bool old = !model->names.empty() && random_.Below(2) == 0;
    const std::u16string name = old ? model->names[random_.Below(model->names.size())] : RandomName();
    const size_t at = model->Find(name);
    if (random_.Below(model->names.size() > 100 ? 2 : 5) == 0) {
      bool was_there = false;
      if (!Done(test_.DeleteMember(model->id, name, &was_there))) return;
      ASSERT_EQ(was_there, at < model->names.size());
      if (!was_there) return;
      Forget(model->cells[at]);
      model->names.erase(model->names.begin() + static_cast<ptrdiff_t>(at));
      model->cells.erase(model->cells.begin() + static_cast<ptrdiff_t>(at));
      return;
    }
    const oracle::Tree value = RandomValue();
    if (!Done(test_.SetMember(model->id, name, value))) return;
    if (at < model->names.size()) Forget(model->cells[at]);
    model->Set(name, Model::CellOf(value));
    bool was_there = false;
    ASSERT_EQ(test_.tree->SetItem(model->id, 0, nullptr).code(), Code::kWrongType);
    ASSERT_EQ(test_.tree->DeleteItem(model->id, 0, &was_there).code(), Code::kWrongType);
  }

  void ChangeArray(Model* model) {
    Tree& tree = *test_.tree;
    const uint32_t length = static_cast<uint32_t>(model->cells.size());
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2: {
        const uint32_t beyond = random_.Below(10) == 0 ? 70 : 3;
        const uint32_t index = static_cast<uint32_t>(random_.Below(length > 300 ? length : length + beyond));
        const oracle::Tree value = RandomValue();
        if (!Done(test_.SetItem(model->id, index, value))) return;
        while (model->cells.size() <= index) model->cells.push_back(Model::Hole());
        Forget(model->cells[index]);
        model->cells[index] = Model::CellOf(value);
        return;
      }
      case 3: {
        const uint32_t index = static_cast<uint32_t>(random_.Below(length + 2));
        bool was_there = false;
        if (!Done(test_.Apply([&] { return tree.DeleteItem(model->id, index, &was_there); }))) return;
        ASSERT_EQ(was_there, index < length && !Model::IsHoleCell(model->cells[index]));
        if (!was_there) return;
        Forget(model->cells[index]);
        model->cells[index] = Model::Hole();
        return;
      }
      case 4: {
        const uint32_t shorter = length - static_cast<uint32_t>(random_.Below(length + 1));
        const uint32_t after = random_.Below(3) == 0    ? length + static_cast<uint32_t>(random_.Below(9))
                               : random_.Below(20) == 0 ? 0
                               : random_.Below(4) == 0  ? shorter
                                                        : length;
        if (!Done(test_.Apply([&] { return tree.SetLength(model->id, after); }))) return;
        for (size_t i = after; i < length; ++i) Forget(model->cells[i]);
        model->cells.resize(after, Model::Hole());
        return;
      }
      case 5: {
        std::vector<uint32_t> order(length);
        for (uint32_t i = 0; i < length; ++i) order[i] = i;
        for (uint32_t i = length; i > 1; --i) std::swap(order[i - 1], order[random_.Below(i)]);
        if (!Done(test_.Apply([&] { return tree.Permute(model->id, order.data(), length); }))) return;
        std::vector<Model::Cell> cells;
        for (const uint32_t i : order) cells.push_back(model->cells[i]);
        model->cells = cells;
        if (length > 1) {
          ASSERT_EQ(tree.Permute(model->id, order.data(), length - 1).code(), Code::kInvalid);
        }
        return;
      }
      default: {
        const uint32_t start = static_cast<uint32_t>(random_.Below(length + 1));
        uint32_t deleted = static_cast<uint32_t>(random_.Below(4));
        if (random_.Below(10) == 0 || length > 200) deleted = static_cast<uint32_t>(random_.Below(40));
        deleted = std::min(deleted, length - start);
        oracle::Tree items{.type = oracle::Type::kArray};
        for (uint64_t i = random_.Below(random_.Below(12) == 0 ? 60 : 4); i > 0; --i) {
          items.items.push_back(random_.RandomTree(2, true));
        }
        if (!Done(test_.Splice(model->id, start, deleted, items))) return;
        for (uint32_t i = 0; i < deleted; ++i) Forget(model->cells[start + i]);
        const auto at = model->cells.begin() + start;
        model->cells.erase(at, at + deleted);
        std::vector<Model::Cell> cells;
        for (const oracle::Tree& item : items.items) cells.push_back(Model::CellOf(item));
        model->cells.insert(model->cells.begin() + start, cells.begin(), cells.end());
        ASSERT_EQ(tree.Splice(model->id, static_cast<uint32_t>(model->cells.size()), 1,
                              AlignedBytes(test_.Encode(items)).data())
                      .code(),
                  Code::kInvalid);
        return;
      }
    }
  }

  void CheckNode(const Model& model) {
    auto shared = std::make_shared<Model>(model);
    ASSERT_TRUE(Same(test_.Read(model.id), Model::ValueOf(Model::Cell{{}, shared})));
    if (!model.array) return;
    const Offset block = test_.tree->Locate(model.id);
    ASSERT_EQ(test_.tree->Length(block), model.cells.size());
    const uint32_t from = static_cast<uint32_t>(random_.Below(model.cells.size() + 3));
    ItemSequence::Item items[16];
    const uint32_t count = test_.tree->ScanItems(block, from, 16, items);
    uint32_t found = 0;
    for (uint32_t i = from; i < model.cells.size() && found < 16; ++i) {
      const Offset slot = test_.tree->FindItem(block, i);
      if (slot == kNone) continue;
      ASSERT_LT(found, count);
      ASSERT_EQ(items[found].index, i);
      ASSERT_EQ(items[found++].slot, slot);
    }
    ASSERT_EQ(found, count);
  }

  // Views of what has left the tree.
  void CheckGone(bool all) {
    for (size_t i = all ? 0 : gone_.size() - std::min<size_t>(gone_.size(), 3); i < gone_.size(); ++i) {
      ASSERT_EQ(test_.tree->Locate(gone_[i]), kNone);
    }
    if (gone_.empty()) return;
    bool was_there = false;
    ASSERT_EQ(
        test_.tree->DeleteMember(gone_.back(), NameForTest(u"x").key(), ShapeUse::kDefine, &was_there).code(),
        Code::kNotFound);
    ASSERT_EQ(test_.tree->SetLength(gone_.back(), 1).code(), Code::kNotFound);
  }

  // Every node, from the root down.
  void CheckIds(const Model& model) {
    for (size_t i = 0; i < model.cells.size(); ++i) {
      if (model.cells[i].container == nullptr) continue;
      Learn(model, i);
      if (testing::Test::HasFatalFailure()) return;
      CheckIds(*model.cells[i].container);
    }
  }

  oracle::Generator random_;
  std::unique_ptr<TreeForTest> own_;
  TreeForTest& test_;
  std::shared_ptr<Model> root_;
  std::vector<NodeId> gone_;
  std::set<NodeKind> kinds_;
  bool may_reclaim_ = true;
  bool in_need_ = false;
  uint64_t refused_ = 0;
};

}  // namespace forkstore
