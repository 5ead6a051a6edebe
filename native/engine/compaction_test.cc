// Emptying units: nothing that can be seen changes, whatever else happens between the steps; steps are
// bounded; and what is given back is nearly all there is.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "testing/map.h"
#include "testing/random_operations.h"

namespace forkstore {
namespace {

constexpr uint32_t kBudget = 256;  // of an idle step

// What is in the store, where all of it lies, and that a restart finds it.
void CheckWhole(EngineForTest* engine, const std::string& contents) {
  ASSERT_EQ(engine->Contents(), contents);
  std::unique_ptr<Engine> loaded;
  const Status status = engine->Twin(&loaded);
  ASSERT_TRUE(status.ok()) << status.message();
  EngineForTest twin(std::move(loaded));
  ASSERT_EQ(twin.Contents(), contents);
  ASSERT_EQ(twin->allocator()->stats().live_bytes, (*engine)->allocator()->stats().live_bytes);
  ASSERT_EQ(twin->allocator()->sparse_units(), (*engine)->allocator()->sparse_units());
}

// Two stores get the same operations; in one of them blocks move between them. All that can be seen stays the
// same: numbers of nodes, orders, and what is refused.
TEST(Compaction, IsNotSeenByOperations) {
  uint64_t moved = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    EngineForTest moving(uint64_t{32} << 20);
    std::unique_ptr<Engine> copy;
    ASSERT_TRUE(moving.Twin(&copy).ok());
    EngineForTest still(std::move(copy));
    RandomOperations random(seed, 4);
    std::mt19937_64 dice(seed);
    int open = 0;
    const auto both = [&](const Bytes& operation) {
      ApplyResult result;
      ApplyResult other;
      ASSERT_EQ(moving.Apply(operation, &result).code(), still.Apply(operation, &other).code());
      ASSERT_EQ(result.number, other.number);
      ASSERT_EQ(result.changed, other.changed);
    };
    both(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("map 0")));
    // Comes and goes, so that there is room below what is made meanwhile.
    int filler = 0;
    for (int step = 0; step < 1500; ++step) {
      std::vector<Bytes> definitions;
      const Bytes operation = random.Next(&moving, &definitions);
      for (const Bytes& definition : definitions) ASSERT_TRUE(still.Apply(definition).ok());
      both(operation);
      if (step % 250 == 0) {
        for (; filler < 4000; ++filler) {
          const std::string value = MakeValue(8 * (1 + dice() % 70), 1);
          const std::string key = "filler " + std::to_string(filler);
          both(MakeOperation(OperationCode::kSet, 1, Bytes(value.begin(), value.end()), StringKey(key)));
        }
      }
      for (int i = 0; i < 20 && filler > 0; ++i) {
        const std::string key = "filler " + std::to_string(--filler);
        both(MakeOperation(OperationCode::kDelete, 1, {}, StringKey(key)));
      }
      if (dice() % 20 == 0) {
        moving->Begin();
        still->Begin();
        ++open;
      } else if (open > 0 && dice() % 10 == 0) {
        const bool keeps = dice() % 2 == 0;
        ASSERT_TRUE((keeps ? moving->Commit() : moving->Rollback()).ok());
        ASSERT_TRUE((keeps ? still->Commit() : still->Rollback()).ok());
        --open;
      }
      const uint64_t before = moving->moved_blocks();
      if (dice() % 3 == 0) moving->Reclaim(1 << 20);
      moving->Compact(static_cast<uint32_t>(1 + dice() % 40));
      if (open > 0) {
        ASSERT_EQ(moving->moved_blocks(), before) << "nothing moves in a transaction";
      }
      if (step % 250 == 249) {
        ASSERT_EQ(moving.Contents(), still.Contents()) << "seed " << seed << ", step " << step;
      }
    }
    for (; open > 0; --open) {
      ASSERT_TRUE(moving->Rollback().ok());
      ASSERT_TRUE(still->Rollback().ok());
    }
    moving.ReclaimAll();
    while (!moving->Compact(kBudget)) {
    }
    CheckWhole(&moving, still.Contents());
    moved += moving->moved_blocks();
  }
  EXPECT_GT(moved, 1000u);
}

// Fills a store of everything that blocks are made of, removes nearly all of it again, and leaves the rest.
class Emptied {
 public:
  static constexpr uint64_t kBytes = uint64_t{12} << 20;
  static constexpr uint32_t kKeptOf = 100;  // one of so many stays

  Emptied() : engine(kBytes), random_(3) {
    Must(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m")));
    object_ =
        engine.Encode(oracle::Object({{u"a", oracle::Number(1)}, {u"b", oracle::String(u"some text")}}));
    boxed_ = engine.Encode(oracle::String(std::u16string(200, u'x')));
    const Bytes empty = engine.Encode(oracle::Object({}, oracle::Type::kDictionary));
    const Bytes list = engine.Encode(oracle::Array({}));
    table_ = NewNode("table", empty);
    sequence_ = NewNode("sequence", list);
  }

  void Fill() {
    for (uint32_t i = 0;; ++i) {
      const std::string key = "key " + std::to_string(i);
      const bool fits =
          engine.Apply(MakeOperation(OperationCode::kSet, 1, i % 4 == 0 ? object_ : boxed_, StringKey(key)))
              .ok() &&
          (i % 8 != 0 || engine.Apply(MakeOperation(OperationCode::kAdopt, 1, {}, StringKey(key))).ok()) &&
          engine
              .Apply(MakeOperation(OperationCode::kSetMember, table_, i % 2 == 0 ? object_ : boxed_,
                                   StringKey(key)))
              .ok() &&
          engine.Apply(SetItem(i, i % 2 == 0 ? boxed_ : object_)).ok();
      if (!fits) return;
      ++count_;
    }
  }

  void Remove() {
    std::vector<uint32_t> order(count_);
    for (uint32_t i = 0; i < count_; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    for (const uint32_t i : order) {
      if (i % kKeptOf == 0) continue;
      const std::string key = "key " + std::to_string(i);
      Must(MakeOperation(OperationCode::kDelete, 1, {}, StringKey(key)));
      Must(MakeOperation(OperationCode::kDeleteMember, table_, {}, StringKey(key)));
      Must(MakeOperation(OperationCode::kDeleteItem, sequence_, Words({i, 0})));
    }
    // What the last operation, which found no memory, had done before it did.
    for (const OperationCode code : {OperationCode::kDelete, OperationCode::kDeleteMember}) {
      const std::string key = "key " + std::to_string(count_);
      Must(MakeOperation(code, code == OperationCode::kDelete ? 1 : table_, {}, StringKey(key)));
    }
  }

  void Must(const Bytes& operation) {
    const Status status = engine.Apply(operation);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  EngineForTest engine;

 private:
  NodeId NewNode(const char* name, const Bytes& value) {
    const NodeId node = engine->tree().next_node();
    Must(MakeOperation(OperationCode::kSetMember, kRootNode, value, StringKey(name)));
    return node;
  }
  Bytes SetItem(uint32_t index, const Bytes& value) const {
    Bytes operand = Words({index, 0});
    operand.insert(operand.end(), value.begin(), value.end());
    return MakeOperation(OperationCode::kSetItem, sequence_, operand);
  }

  std::mt19937_64 random_;
  Bytes object_, boxed_;
  NodeId table_ = 0;
  NodeId sequence_ = 0;
  uint32_t count_ = 0;
};

TEST(Compaction, GoesOnAfterARestart) {
  Emptied store;
  store.Fill();
  store.Remove();
  while (store.engine->tree().has_garbage()) store.engine->Reclaim(1);
  const std::string contents = store.engine.Contents();
  std::unique_ptr<Engine> loaded;
  ASSERT_TRUE(store.engine.Twin(&loaded).ok());
  EngineForTest twin(std::move(loaded));
  ASSERT_GT(twin->allocator()->sparse_units() * kUnitBytes, Emptied::kBytes / 4);
  twin.ReclaimAll();
  EXPECT_LE(twin->allocator()->sparse_units(), 2u);
  CheckWhole(&twin, contents);
}

// The child shares all pages: each that is written would be copied.
TEST(Compaction, RestsWhileASnapshotIsWritten) {
  Emptied store;
  store.Fill();
  store.Remove();
  while (store.engine->tree().has_garbage()) store.engine->Reclaim(1);
  store.engine->Reclaim(kBudget);
  const uint64_t moved = store.engine->moved_blocks();
  ASSERT_GT(moved, 0u);
  store.engine->arena()->BeginSave();
  EXPECT_TRUE(store.engine->Reclaim(kBudget)) << "there is nothing to be done before the end of the snapshot";
  EXPECT_EQ(store.engine->moved_blocks(), moved);
  store.engine->arena()->EndSave(true);
  EXPECT_FALSE(store.engine->Reclaim(kBudget));
  EXPECT_GT(store.engine->moved_blocks(), moved);
}

// A store that is used as usual has nothing to move.
TEST(Compaction, DoesNothingWhereLittleIsToBeHad) {
  Emptied store;
  store.Fill();
  store.engine.ReclaimAll();
  store.Must(MakeOperation(OperationCode::kDelete, 1, {}, StringKey("key 5")));
  store.engine.ReclaimAll();
  EXPECT_LE(store.engine->moved_blocks(), 500u);
}

}  // namespace
}  // namespace forkstore
