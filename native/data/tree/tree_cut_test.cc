// Very many items that leave an array at once: they and what is below them are gone, the others are not, and
// what that costs goes with the fewer of the two.
#include "data/tree/tree_cut.h"

#include <numeric>

#include "testing/tree.h"

namespace forkstore {
namespace {

using oracle::Array;
using oracle::Number;
using oracle::Object;

// An array of objects that hold one more each, which has the next number.
class Items {
 public:
  explicit Items(uint64_t seed = 1) : random_(seed) {
    EXPECT_TRUE(test_.SetMember(kRootNode, u"items", Array({})).ok());
    array_ = SlotNode(test_.Member(kRootNode, u"items"));
  }

  // `kinds`: numbers and long strings among them.
  Status Splice(uint32_t start, uint32_t deleted, uint32_t added, bool kinds = false) {
    oracle::Tree items{.type = oracle::Type::kArray};
    for (uint32_t i = 0; i < added; ++i) {
      const uint64_t kind = kinds ? random_.Below(4) : 3;
      items.items.push_back(kind == 0   ? Number(i)
                            : kind == 1 ? oracle::String(std::u16string(200, u's'))
                                        : Object({{u"o", Object({})}}));
    }
    Status status = test_.Splice(array_, start, deleted, items);
    if (!status.ok()) return status;
    Forget(start, deleted);
    ids_.erase(ids_.begin() + start, ids_.begin() + start + deleted);
    ids_.insert(ids_.begin() + start, added, 0);
    Learn(start, start + added);
    return status;
  }
  Status SetLength(uint32_t length) {
    Status status = test_.Apply([&] { return test_.tree->SetLength(array_, length); });
    if (!status.ok()) return status;
    if (length < ids_.size()) Forget(length, static_cast<uint32_t>(ids_.size()) - length);
    ids_.resize(length, 0);
    return status;
  }
  void Shuffle() {
    std::vector<uint32_t> order(ids_.size());
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_.Below(i)]);
    ASSERT_TRUE(test_
                    .Apply([&] {
                      return test_.tree->Permute(array_, order.data(), static_cast<uint32_t>(order.size()));
                    })
                    .ok());
    std::vector<NodeId> ids;
    for (const uint32_t i : order) ids.push_back(ids_[i]);
    ids_ = ids;
  }
  void Delete(uint32_t index) {
    bool was_there = false;
    ASSERT_TRUE(test_.Apply([&] { return test_.tree->DeleteItem(array_, index, &was_there); }).ok());
    Forget(index, 1);
    ids_[index] = 0;
  }

  // Some of them; or all.
  void Check(size_t samples = SIZE_MAX) {
    ASSERT_EQ(test_.tree->Length(test_.tree->Locate(array_)), ids_.size());
    CheckNodes(ids_, samples, true);
    CheckNodes(gone_, samples, false);
  }
  void CheckRestored() {
    TreeForTest restored(test_.memory.Save(), test_, test_.memory.arena().max_bytes());
    ASSERT_TRUE(restored.Restore().ok());
    for (const NodeId id : ids_) ASSERT_TRUE(id == 0 || restored.tree->Locate(id) != kNone);
    for (const NodeId id : gone_) ASSERT_EQ(restored.tree->Locate(id), kNone);
    ASSERT_EQ(restored.tree->node_count(), Nodes());
    ASSERT_EQ(restored.tree->next_node(), test_.tree->next_node());
  }
  void ReclaimAll() {
    while (!test_.tree->Reclaim(100)) Check(4);
    Check();
    ASSERT_EQ(test_.tree->node_count(), Nodes());
  }

  struct Scope {
    TreeForTest::Scope bytes;
    std::vector<NodeId> ids;
    std::vector<NodeId> gone;
    uint64_t nodes;
  };
  Scope Begin() { return Scope{test_.Begin(), ids_, gone_, test_.tree->node_count()}; }
  void RollBack(const Scope& scope) {
    test_.RollBack(scope.bytes);
    // What came since has gone for good; its numbers are not used again.
    std::vector<NodeId> came(ids_);
    came.insert(came.end(), gone_.begin() + static_cast<ptrdiff_t>(scope.gone.size()), gone_.end());
    const std::set<NodeId> before(scope.ids.begin(), scope.ids.end());
    ids_ = scope.ids;
    gone_ = scope.gone;
    for (const NodeId id : came) {
      if (id != 0 && before.count(id) == 0) gone_.push_back(id);
    }
    ASSERT_EQ(test_.tree->node_count(), scope.nodes);
  }

  TreeForTest& test() { return test_; }
  oracle::Generator& random() { return random_; }
  uint32_t length() const { return static_cast<uint32_t>(ids_.size()); }
  const std::vector<NodeId>& ids() const { return ids_; }
  // The root, the array, and two for each item that is an object.
  uint64_t Nodes() const {
    return 2 + 2 * static_cast<uint64_t>(
                       std::count_if(ids_.begin(), ids_.end(), [](NodeId id) { return id != 0; }));
  }

 private:
  void Learn(uint32_t from, uint32_t to) {
    const Offset block = test_.tree->Locate(array_);
    for (uint32_t i = from; i < to; ++i) {
      const Slot slot = test_.SlotAt(test_.tree->FindItem(block, i));
      if (IsNodeSlot(slot)) ids_[i] = SlotNode(slot);
    }
  }
  void Forget(uint32_t start, uint32_t count) {
    for (uint32_t i = start; i < start + count; ++i) {
      if (ids_[i] != 0) gone_.push_back(ids_[i]);
    }
  }
  void CheckNodes(const std::vector<NodeId>& ids, size_t samples, bool attached) {
    const bool all = samples >= ids.size();
    for (size_t i = 0; i < (all ? ids.size() : samples); ++i) {
      const NodeId id = ids[all ? i : random_.Below(ids.size())];
      if (id == 0) continue;
      // What is below it first, or it itself.
      const NodeId first = id + random_.Below(2);
      ASSERT_EQ(test_.tree->Locate(first) != kNone, attached) << first;
      ASSERT_EQ(test_.tree->Locate(first == id ? id + 1 : id) != kNone, attached) << id;
    }
  }

  oracle::Generator random_;
  TreeForTest test_;
  NodeId array_ = 0;
  std::vector<NodeId> ids_;  // 0: no object
  std::vector<NodeId> gone_;
};

TEST(TreeCut, CostsWhatTheFewerOfBothSidesAre) {
  constexpr uint32_t kCount = 9000;
  struct Cut {
    uint32_t start;
    uint32_t deleted;
    uint32_t added;
  };
  const Cut cuts[] = {
      {1, kCount - 1, 0}, {0, kCount - 1, 0},     {100, kCount - 200, 3}, {kCount / 2, kCount / 2, 0},
      {0, 300, 0},        {kCount - 300, 300, 0}, {2500, 4000, 20},       {0, kCount, 0},
      {64, 64 * 64, 0},   {4096, 4096, 0},        {4095, 4098, 100}};
  for (const bool shuffled : {false, true}) {
    for (const Cut& cut : cuts) {
      SCOPED_TRACE(std::to_string(cut.start) + " " + std::to_string(cut.deleted));
      Items items;
      ASSERT_TRUE(items.Splice(0, 0, kCount).ok());
      if (shuffled) {
        ASSERT_NO_FATAL_FAILURE(items.Shuffle());
      }
      TreeForTest& test = items.test();
      const bool shortened = cut.start + cut.deleted == kCount && cut.added == 0;
      const auto run = [&] {
        return shortened ? items.SetLength(cut.start) : items.Splice(cut.start, cut.deleted, cut.added);
      };
      for (const bool kept : {false, true}) {
        const Items::Scope scope = items.Begin();
        const uint64_t listed = test.tree->listed_items();
        const uint64_t blocks = test.memory.live_blocks();
        const uint64_t bytes = test.undo.recorded_bytes();
        ASSERT_TRUE(run().ok());
        // Some batches at most on top of the fewer; slots of the shorter side move where both are there.
        const uint32_t fewer = std::min(cut.deleted, kCount - cut.deleted);
        EXPECT_LE(test.tree->listed_items() - listed, 2 * fewer + 1024);
        const uint32_t behind = kCount - cut.start - cut.deleted;
        const uint64_t moved = cut.deleted == cut.added ? 0 : std::min(cut.start, behind);
        EXPECT_LE(test.undo.recorded_bytes() - bytes, (moved + cut.added) * 400 + 100'000);
        EXPECT_LE(blocks, test.memory.live_blocks() + moved + 3 * TreeGarbage::kAtOnce);
        ASSERT_NO_FATAL_FAILURE(items.Check());
        if (kept) {
          test.undo.Commit();
        } else {
          ASSERT_NO_FATAL_FAILURE(items.RollBack(scope));
          ASSERT_NO_FATAL_FAILURE(items.Check());
        }
      }
      if (shuffled) {
        ASSERT_NO_FATAL_FAILURE(items.CheckRestored());
      }
      ASSERT_NO_FATAL_FAILURE(items.ReclaimAll());
    }
  }
}

// A queue of which long pieces are taken, faster than they are given back.
TEST(TreeCut, ManyCutsThatWaitAtOnce) {
  Items items;
  ASSERT_TRUE(items.Splice(0, 0, 12'000).ok());
  for (int cut = 0; items.length() > 1000; ++cut) {
    ASSERT_TRUE(items.Splice(cut % 2 == 0 ? 0 : 150, 600, 5).ok());
    ASSERT_NO_FATAL_FAILURE(items.Check(50));
  }
  ASSERT_TRUE(items.test().tree->has_garbage());
  ASSERT_NO_FATAL_FAILURE(items.Check());
  ASSERT_NO_FATAL_FAILURE(items.CheckRestored());
  ASSERT_NO_FATAL_FAILURE(items.ReclaimAll());
}

// The same operations give the same numbers, however much is given back in between.
TEST(TreeCut, NumbersDoNotDependOnWhatWaits) {
  Items lazy;
  Items eager;
  for (Items* items : {&lazy, &eager}) {
    for (int round = 0; round < 20; ++round) {
      ASSERT_TRUE(items->Splice(0, 0, 800).ok());
      ASSERT_TRUE(items->Splice(10, 500, 2).ok());
      if (items == &eager) {
        ASSERT_NO_FATAL_FAILURE(items->ReclaimAll());
      }
    }
  }
  EXPECT_EQ(lazy.ids(), eager.ids());
  EXPECT_EQ(lazy.test().tree->next_node(), eager.test().tree->next_node());
}

TEST(TreeCut, RandomCuts) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Items items(seed);
    oracle::Generator& random = items.random();
    std::vector<Items::Scope> scopes;
    for (int step = 0; step < 120; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
      const uint32_t length = items.length();
      const auto below = [&](uint64_t limit) { return static_cast<uint32_t>(random.Below(limit)); };
      const uint64_t dice = random.Below(100);
      if (length < 600 || dice < 25) {
        const uint32_t start = below(3) == 0 ? below(length + 1) : length;
        ASSERT_TRUE(items.Splice(start, 0, below(700), true).ok());
      } else if (dice < 55) {
        const uint32_t start = below(3) == 0 ? below(10) : below(length);
        const uint32_t most = length - start;
        const uint32_t deleted = below(3) == 0 ? most - std::min(most, below(10)) : below(most + 1);
        ASSERT_TRUE(items.Splice(start, deleted, below(4) == 0 ? below(300) : below(3), true).ok());
      } else if (dice < 70) {
        ASSERT_TRUE(items.SetLength(below(2) == 0 ? below(10) : below(length + 50)).ok());
      } else if (dice < 76) {
        ASSERT_NO_FATAL_FAILURE(items.Shuffle());
      } else if (dice < 82) {
        ASSERT_NO_FATAL_FAILURE(items.Delete(below(length)));
      } else if (dice < 90) {
        if (scopes.size() < 3) scopes.push_back(items.Begin());
      } else if (!scopes.empty()) {
        if (below(2) == 0) {
          ASSERT_NO_FATAL_FAILURE(items.RollBack(scopes.back()));
        } else {
          items.test().undo.Commit();
        }
        scopes.pop_back();
      }
      if (scopes.empty()) items.test().tree->Reclaim(below(200));
      ASSERT_NO_FATAL_FAILURE(items.Check(40));
      if (step % 30 == 29) {
        ASSERT_NO_FATAL_FAILURE(items.Check());
        if (scopes.empty()) {
          ASSERT_NO_FATAL_FAILURE(items.CheckRestored());
        }
      }
    }
    for (; !scopes.empty(); scopes.pop_back()) items.test().undo.Commit();
    ASSERT_NO_FATAL_FAILURE(items.ReclaimAll());
  }
}

}  // namespace
}  // namespace forkstore
