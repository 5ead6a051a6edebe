#include <gtest/gtest.h>

#include "engine/root.h"
#include "testing/engine.h"

namespace forkstore {
namespace {

class DropMap : public testing::Test {
 protected:
  Status Create(const std::string& name) {
    return engine_.Apply(
        MakeOperation(OperationCode::kCreateMap, engine_->map_count() + 1, {}, StringKey(name)));
  }
  Status Drop(uint32_t id) { return engine_.Apply(MakeOperation(OperationCode::kDropMap, id)); }
  Status Set(uint32_t id, const std::string& key) {
    const oracle::Tree value = oracle::Object({{u"a", oracle::Number(1)}});
    return engine_.Apply(MakeOperation(OperationCode::kSet, id, engine_.Encode(value), StringKey(key)));
  }
  uint32_t IdOf(const std::string& name) { return engine_->FindMap(StringKey(name)); }
  // What a restart would have.
  std::string Reloaded() {
    std::unique_ptr<Engine> twin;
    const Status status = engine_.Twin(&twin);
    return status.ok() ? EngineForTest(std::move(twin)).Contents() : status.message();
  }

  EngineForTest engine_;
};

TEST_F(DropMap, TheNameIsFreeAndTheIdIsNot) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Create(name).ok());
  ASSERT_TRUE(Set(2, "k").ok());
  ApplyResult result;
  ASSERT_TRUE(engine_.Apply(MakeOperation(OperationCode::kDropMap, 2), &result).ok());
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(engine_->map(2), nullptr);
  EXPECT_EQ(IdOf("b"), 0u);
  EXPECT_EQ(engine_->entries(), 0u);
  EXPECT_EQ(engine_->live_maps(), 2u);
  EXPECT_EQ(Drop(2).code(), Code::kInvalid);
  EXPECT_EQ(Set(2, "k").code(), Code::kInvalid);
  EXPECT_EQ(Drop(0).code(), Code::kInvalid);
  EXPECT_EQ(Drop(4).code(), Code::kInvalid);
  EXPECT_EQ(Reloaded(), engine_.Contents());
  ASSERT_TRUE(Create("b").ok());
  EXPECT_EQ(IdOf("b"), 4u);
  EXPECT_EQ(engine_->map(4)->size(), 0u);
  EXPECT_EQ(Reloaded(), engine_.Contents());
}

TEST_F(DropMap, TheNewestAndTheOldestAndTheLastOne) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Create(name).ok());
  for (const uint32_t id : {3u, 1u, 2u}) {
    ASSERT_TRUE(Drop(id).ok());
    EXPECT_EQ(Reloaded(), engine_.Contents());
  }
  EXPECT_EQ(engine_->live_maps(), 0u);
  EXPECT_EQ(engine_->map_count(), 3u);
}

TEST_F(DropMap, ManyCyclesTakeNoMemory) {
  const auto cycle = [this] {
    ASSERT_TRUE(Create("x").ok());
    const uint32_t id = engine_->map_count();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(Set(id, std::to_string(i)).ok());
    ASSERT_TRUE(engine_.Apply(MakeOperation(OperationCode::kAdopt, id, {}, StringKey("3"))).ok());
    ASSERT_TRUE(Drop(id).ok());
    engine_.ReclaimAll();
  };
  for (int i = 0; i < 10; ++i) cycle();
  const uint64_t live = engine_->allocator()->stats().live_bytes;
  for (int i = 0; i < 1000; ++i) cycle();
  // The node table ages a little.
  EXPECT_LE(engine_->allocator()->stats().live_bytes, live + 2048);
  EXPECT_EQ(engine_->tree().node_count(), 1u);
}

TEST_F(DropMap, ARollbackBringsItBack) {
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(Set(1, "k").ok());
  ASSERT_TRUE(engine_.Apply(MakeOperation(OperationCode::kAdopt, 1, {}, StringKey("k"))).ok());
  const std::string before = engine_.Contents();
  const uint64_t live = engine_->allocator()->stats().live_bytes;
  engine_->Begin();
  ASSERT_TRUE(Set(1, "l").ok());
  ASSERT_TRUE(Drop(1).ok());
  EXPECT_EQ(engine_->map(1), nullptr);
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_TRUE(engine_->TakeSurvivors().empty());
  EXPECT_EQ(engine_.Contents(), before);
  EXPECT_EQ(engine_->map(1)->next_sequence(), 3u) << "an iterator may have come past the second";
  EXPECT_EQ(engine_->allocator()->stats().live_bytes, live);
  EXPECT_EQ(Reloaded(), before);
}

TEST_F(DropMap, AnotherOneUnderItsNameGoesWhenItComesBack) {
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(Set(1, "k").ok());
  std::unique_ptr<Engine> loaded;
  ASSERT_TRUE(engine_.Twin(&loaded).ok());
  EngineForTest twin(std::move(loaded));
  engine_->Begin();
  ASSERT_TRUE(Drop(1).ok());
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(Set(2, "other").ok());
  ASSERT_TRUE(Create("b").ok());
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_EQ(IdOf("a"), 1u);
  EXPECT_EQ(engine_->map(2), nullptr);
  EXPECT_EQ(IdOf("b"), 3u);
  EXPECT_EQ(engine_->entries(), 1u);
  const std::vector<Bytes> survivors = engine_->TakeSurvivors();
  EXPECT_EQ(survivors.size(), 3u) << "2 made and dropped, 3 made";
  for (const Bytes& survivor : survivors) ASSERT_TRUE(twin.Apply(survivor).ok());
  EXPECT_EQ(twin.Contents(), engine_.Contents());
  EXPECT_EQ(Reloaded(), engine_.Contents());
}

TEST_F(DropMap, AnInnerRollbackKeepsWhatTheOuterOneHasDropped) {
  ASSERT_TRUE(Create("a").ok());
  engine_->Begin();
  ASSERT_TRUE(Drop(1).ok());
  engine_->Begin();
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(Set(2, "k").ok());
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_EQ(IdOf("a"), 2u) << "maps that were made stay";
  EXPECT_EQ(engine_->map(2)->size(), 0u);
  engine_->Begin();
  ASSERT_TRUE(Drop(2).ok());
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_EQ(IdOf("a"), 2u);
  ASSERT_TRUE(engine_->Commit().ok());
  EXPECT_EQ(engine_->map(1), nullptr);
  EXPECT_EQ(engine_->map(3), nullptr);
  EXPECT_EQ(Reloaded(), engine_.Contents());
}

// Its header is given back at once, and what takes the place is nothing that the outer scope may restore.
TEST_F(DropMap, OneThatGoesInAnInnerRollbackLeavesTheOuterOneNothing) {
  for (uint32_t round = 1; round <= 40; ++round) {
    const std::string name = "map " + std::string(round, 'x');
    ASSERT_TRUE(Create(name).ok());
    const uint32_t id = engine_->map_count();
    ASSERT_TRUE(Set(id, "k").ok());
    engine_->Begin();
    engine_->Begin();
    ASSERT_TRUE(Drop(id).ok());
    ASSERT_TRUE(Create(name).ok());
    ASSERT_TRUE(Set(id + 1, "other").ok());
    ASSERT_TRUE(engine_->Rollback().ok());
    EXPECT_EQ(IdOf(name), id);
    // Shapes outlive the rollback; one of them has the header's size.
    for (char16_t letter = u'a'; letter < u'g'; ++letter) {
      engine_.Encode(oracle::Object({{std::u16string(round, letter), oracle::Number(1)},
                                     {std::u16string(round + 9, letter), oracle::Number(2)}}));
    }
    ASSERT_TRUE(engine_->Rollback().ok());
    ASSERT_EQ(Reloaded(), engine_.Contents()) << round;
  }
}

TEST_F(DropMap, InsertionsOfSavepointsCountForTheScopesAround) {
  ASSERT_TRUE(Create("a").ok());
  ASSERT_TRUE(Create("b").ok());
  engine_->Begin();
  for (int i = 0; i < 3; ++i) {
    engine_->Begin();
    engine_->Begin();
    ASSERT_TRUE(Set(1, "k").ok());
    ASSERT_TRUE(i == 1 ? engine_->Commit().ok() : engine_->Rollback().ok());
    ASSERT_TRUE(engine_->Rollback().ok());
    ASSERT_TRUE(Set(2, std::to_string(i)).ok());
  }
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_EQ(engine_->map(1)->next_sequence(), 4u);
  EXPECT_EQ(engine_->map(2)->next_sequence(), 4u);
  EXPECT_EQ(engine_->entries(), 0u);
}

TEST_F(DropMap, IdsEnd) {
  ASSERT_TRUE(Create("a").ok());
  engine_->arena()->Mutate<RootBlock>(kRootOffset).map_count = 0xFFFFFFFF;
  EXPECT_EQ(engine_.Apply(MakeOperation(OperationCode::kCreateMap, 0, {}, StringKey("b"))).code(),
            Code::kFull);
  ASSERT_TRUE(Drop(1).ok());
  EXPECT_EQ(engine_.Apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("b"))).code(),
            Code::kFull);
  EXPECT_EQ(Reloaded(), engine_.Contents());
}

TEST_F(DropMap, LoadingRefusesIdsThatDoNotFall) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Create(name).ok());
  const auto id_of = [this](uint32_t id) -> uint32_t& {
    return engine_->arena()->Mutate<uint32_t>(engine_->map(id)->header() + offsetof(MapHeader, id));
  };
  uint32_t& second = id_of(2);
  for (const uint32_t wrong : {0u, 1u, 3u, 4u}) {
    second = wrong;
    std::unique_ptr<Engine> twin;
    EXPECT_EQ(engine_.Twin(&twin).code(), Code::kCorrupt) << wrong;
  }
  second = 2;
  uint32_t& newest = id_of(3);
  newest = 4;
  std::unique_ptr<Engine> twin;
  EXPECT_EQ(engine_.Twin(&twin).code(), Code::kCorrupt) << "above all that were given";
  newest = 3;
  EXPECT_TRUE(engine_.Twin(&twin).ok());
}

}  // namespace
}  // namespace forkstore
