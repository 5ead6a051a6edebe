// Random operations and transactions: what is taken back leaves no trace, what is kept can be replayed from
// its bytes.

#include "engine/transaction.h"

#include <gtest/gtest.h>

#include <map>

#include "testing/random_operations.h"

namespace forkstore {
namespace {

// A program that runs on one engine, and its log: what a second one has to apply to become equal.
class Program {
 public:
  Program(uint64_t seed, uint64_t max_bytes, size_t weight) : engine_(max_bytes), random_(seed, weight) {
    std::unique_ptr<Engine> twin;
    EXPECT_TRUE(engine_.Twin(&twin).ok());  // the same seed of hashes
    replayed_ = std::make_unique<EngineForTest>(std::move(twin));
  }

  EngineForTest& engine() { return engine_; }
  uint64_t refused() const { return refused_; }
  uint64_t full() const { return full_; }
  uint64_t applied() const { return applied_; }
  uint64_t rollbacks() const { return rollbacks_; }

  void Step() {
    switch (random_.Below(60)) {
      case 0:
      case 1:
        if (scopes_.size() < 4) Begin();
        break;
      case 2:
        if (!scopes_.empty()) Commit();
        break;
      case 3:
        if (!scopes_.empty()) Rollback();
        break;
      default:
        Operate();
    }
  }

  void CloseAll() {
    while (!scopes_.empty()) random_.Below(2) == 0 ? Commit() : Rollback();
  }

  // Applies to the second engine what was logged, and compares.
  void Replay() {
    for (const Bytes& operation : log_) {
      const Status status = replayed_->Apply(operation);
      ASSERT_TRUE(status.ok()) << int{operation[0]} << " " << status.message();
    }
    log_.clear();
    ASSERT_EQ(engine_.Contents(), replayed_->Contents());
  }

  // The store as a restart finds it is the same, and nothing but what it reaches takes memory.
  void CheckTwin() {
    engine_.ReclaimAll();
    std::unique_ptr<Engine> loaded;
    const Status status = engine_.Twin(&loaded);
    ASSERT_TRUE(status.ok()) << status.message();
    EngineForTest twin(std::move(loaded));
    ASSERT_EQ(twin.Contents(), engine_.Contents());
    EXPECT_EQ(twin->allocator()->stats().live_blocks, engine_->allocator()->stats().live_blocks);
    EXPECT_EQ(twin->allocator()->stats().live_bytes, engine_->allocator()->stats().live_bytes);
    EXPECT_EQ(twin->tree().node_count(), engine_->tree().node_count());
  }

 private:
  struct Scope {
    size_t logged;
    std::string contents;
    uint32_t shapes;
    uint32_t maps;
    uint64_t writes;
    std::unique_ptr<EngineForTest> twin;  // the state at its beginning
    uint64_t nodes;
  };

  void Operate() {
    const Bytes operation = random_.Next(&engine_, &log_);
    const bool look = random_.Below(30) == 0;
    const std::string before = look ? engine_.Contents() : "";
    const uint64_t nodes = engine_->tree().node_count();
    ApplyResult result;
    const Status status = engine_.Apply(operation, &result);
    if (status.ok()) {
      ++applied_;
      log_.push_back(operation);
      return;
    }
    ++refused_;
    full_ += status.code() == Code::kFull;
    if (look) {
      EXPECT_EQ(engine_.Contents(), before) << int{operation[0]} << " " << status.message();
    }
    // When memory has run out, what had been dropped before is given back.
    if (status.code() != Code::kFull) {
      EXPECT_LE(engine_->tree().node_count(), nodes);
    }
  }

  void Begin() {
    Scope scope;
    scope.logged = log_.size();
    scope.contents = engine_.Contents();
    scope.shapes = engine_->shapes().count();
    scope.maps = engine_->map_count();
    scope.writes = engine_->writes();
    if (scopes_.empty()) {
      std::unique_ptr<Engine> twin;
      EXPECT_TRUE(engine_.Twin(&twin).ok());
      scope.twin = std::make_unique<EngineForTest>(std::move(twin));
    }
    engine_->Begin();
    scope.nodes = engine_->tree().node_count();
    scopes_.push_back(std::move(scope));
  }

  void Commit() {
    ASSERT_TRUE(engine_->Commit().ok());
    scopes_.pop_back();
  }

  void Rollback() {
    ++rollbacks_;
    Scope scope = std::move(scopes_.back());
    scopes_.pop_back();
    const NodeId highest = engine_->tree().next_node();
    const uint32_t count = engine_->map_count();
    std::map<uint32_t, uint64_t> sequences;
    for (uint32_t id = 1; id <= count; ++id) {
      if (engine_->map(id) != nullptr) sequences[id] = engine_->map(id)->next_sequence();
    }
    ASSERT_TRUE(engine_->Rollback().ok());
    EXPECT_EQ(engine_->tree().next_node(), highest);
    EXPECT_EQ(engine_->map_count(), count);
    for (const auto& [id, sequence] : sequences) {
      // A map may go that was made in place of one that comes back.
      if (engine_->map(id) == nullptr) continue;
      EXPECT_EQ(engine_->map(id)->next_sequence(), sequence);
    }
    const std::vector<Bytes> survivors = engine_->TakeSurvivors();
    EXPECT_TRUE(engine_->TakeSurvivors().empty());
    log_.resize(scope.logged);
    log_.insert(log_.end(), survivors.begin(), survivors.end());
    if (survivors.empty()) {
      EXPECT_EQ(engine_.Contents(), scope.contents);
    }
    if (!scope.twin) return;
    for (const Bytes& survivor : survivors) ASSERT_TRUE(scope.twin->Apply(survivor).ok());
    ASSERT_EQ(scope.twin->Contents(), engine_.Contents());
  }

  EngineForTest engine_;
  std::unique_ptr<EngineForTest> replayed_;
  RandomOperations random_;
  std::vector<Bytes> log_;
  std::vector<Scope> scopes_;
  uint64_t refused_ = 0;
  uint64_t full_ = 0;
  uint64_t applied_ = 0;
  uint64_t rollbacks_ = 0;
};

TEST(Transaction, RandomProgramsAreReplayedFromTheirBytes) {
  uint64_t applied = 0, refused = 0, rollbacks = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Program program(seed, uint64_t{64} << 20, 3);
    for (int part = 0; part < 15; ++part) {
      for (int step = 0; step < 300; ++step) {
        program.Step();
        if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " part " << part << " step " << step;
      }
      program.CloseAll();
      program.Replay();
      program.CheckTwin();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " part " << part;
    }
    applied += program.applied();
    refused += program.refused();
    rollbacks += program.rollbacks();
  }
  EXPECT_GT(applied, refused);
  EXPECT_GT(refused, 100u);
  EXPECT_GT(rollbacks, 100u);
}

TEST(Transaction, RunningFullLeavesNoTrace) {
  uint64_t full = 0;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Program program(seed, kMinArenaBytes, 5);
    // Most of the memory goes to one member.
    for (const auto& [name, bytes] : {std::pair{"large", 3 << 20}, std::pair{"more", 300 << 10}}) {
      const Bytes text =
          program.engine().Encode(oracle::String(std::u16string(static_cast<size_t>(bytes), u'x')));
      ASSERT_TRUE(program.engine()
                      .Apply(MakeOperation(OperationCode::kSetMember, kRootNode, text, StringKey(name)))
                      .ok());
    }
    for (int step = 0; step < 1200; ++step) {
      program.Step();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    program.CloseAll();
    program.CheckTwin();
    full += program.full();
  }
  EXPECT_GT(full, 100u);
}

// Outside of a transaction an operation that finds no room has all garbage given back; within one what it has
// dropped itself, and a rollback brings it back.
TEST(Transaction, WhatItHasDroppedMakesRoomForIt) {
  const auto number = [](double value) { return oracle::Number(value); };
  std::vector<std::pair<std::u16string, oracle::Tree>> table;
  std::vector<oracle::Tree> sequence;
  oracle::Tree deep = oracle::Object({{u"leaf", number(1)}});
  for (char16_t i = 0; i < 2800; ++i) {
    const oracle::Tree text = oracle::String(std::u16string(600, u'x'));
    const oracle::Tree item = oracle::Object({{u"n", number(i)}, {u"texts", oracle::Array({text})}});
    table.push_back({{u'n', static_cast<char16_t>(u'!' + i)}, item});
    sequence.push_back(item);
    deep = oracle::Array({text, std::move(deep)});
  }
  const std::pair<const char*, oracle::Tree> members[] = {
      {"table", oracle::Object(table, oracle::Type::kDictionary)},
      {"sequence", oracle::Array(sequence)},
      {"deep", deep},
  };
  for (const auto& [name, value] : members) {
    SCOPED_TRACE(name);
    EngineForTest engine(kMinArenaBytes);
    const auto apply = [&engine](const Bytes& operation) { return engine.Apply(operation).code(); };
    const Bytes encoded = engine.Encode(value);
    const Bytes set = MakeOperation(OperationCode::kSetMember, kRootNode, encoded, StringKey(name));
    const Bytes remove = MakeOperation(OperationCode::kDeleteMember, kRootNode, {}, StringKey(name));
    ASSERT_EQ(apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m"))), Code::kOk);
    const Bytes text = engine.Encode(oracle::String(std::u16string(900, u'x')));
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(apply(MakeOperation(OperationCode::kSet, 1, text, StringKey("old " + std::to_string(i)))),
                Code::kOk);
    }
    ASSERT_EQ(apply(set), Code::kOk);
    // Outside of a transaction it can be set again, but not a second time.
    ASSERT_EQ(apply(remove), Code::kOk);
    ASSERT_EQ(apply(set), Code::kOk);
    const Bytes twice = MakeOperation(OperationCode::kSetMember, kRootNode, encoded, StringKey("twice"));
    ASSERT_EQ(apply(twice), Code::kFull);
    const std::string before = engine.Contents();
    const uint64_t live = engine->allocator()->stats().live_bytes;
    engine->Begin();
    for (int round = 0; round < 3; ++round) {
      engine->Begin();
      for (int again = 0; again < 2; ++again) {
        ASSERT_EQ(apply(remove), Code::kOk);
        const Status status = engine.Apply(set);
        ASSERT_TRUE(status.ok()) << round << again << status.message();
      }
      if (round == 1) {
        ASSERT_TRUE(engine->Rollback().ok());
      } else {
        ASSERT_TRUE(engine->Commit().ok());
      }
    }
    // A map that was cleared as well.
    ASSERT_EQ(apply(MakeOperation(OperationCode::kClear, 1)), Code::kOk);
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(apply(MakeOperation(OperationCode::kSet, 1, text, StringKey("new " + std::to_string(i)))),
                Code::kOk);
    }
    ASSERT_TRUE(engine->Rollback().ok());
    engine.ReclaimAll();
    // Numbers of nodes go on, and a log is told of that.
    EXPECT_EQ(engine->TakeSurvivors().size(), 1u);
    EXPECT_EQ(engine->allocator()->stats().live_bytes, live);
    std::unique_ptr<Engine> loaded;
    ASSERT_TRUE(engine.Twin(&loaded).ok());
    EngineForTest twin(std::move(loaded));
    EXPECT_EQ(twin.Contents(), engine.Contents());
    EXPECT_EQ(before.substr(before.find("map m")), engine.Contents().substr(engine.Contents().find("map m")));
    EXPECT_EQ(twin->tree().node_count(), engine->tree().node_count());
    EXPECT_EQ(apply(twice), Code::kFull) << "the store should be full";
  }
}

class TransactionTest : public testing::Test {
 protected:
  Status Set(const std::string& name, const oracle::Tree& value) {
    return engine_.Apply(
        MakeOperation(OperationCode::kSetMember, kRootNode, engine_.Encode(value), StringKey(name)));
  }

  EngineForTest engine_;
};

TEST_F(TransactionTest, CommitAndRollbackAskForAnOpenOne) {
  EXPECT_EQ(engine_->Commit().code(), Code::kInvalid);
  EXPECT_EQ(engine_->Rollback().code(), Code::kInvalid);
  engine_->Begin();
  EXPECT_TRUE(engine_->in_transaction());
  EXPECT_TRUE(engine_->Commit().ok());
  EXPECT_FALSE(engine_->in_transaction());
  EXPECT_EQ(engine_->Rollback().code(), Code::kInvalid);
}

TEST_F(TransactionTest, ASavepointIsTakenBackAlone) {
  engine_->Begin();
  ASSERT_TRUE(Set("outer", oracle::Number(1)).ok());
  engine_->Begin();
  ASSERT_TRUE(Set("inner", oracle::Number(2)).ok());
  ASSERT_TRUE(engine_->Rollback().ok());
  ASSERT_TRUE(Set("after", oracle::Number(3)).ok());
  ASSERT_TRUE(engine_->Commit().ok());
  EXPECT_EQ(engine_.Packed(kRootNode).names, (std::vector<std::u16string>{u"outer", u"after"}));
}

TEST_F(TransactionTest, NothingIsReclaimedInATransaction) {
  ASSERT_TRUE(Set("gone", oracle::Array(std::vector<oracle::Tree>(5000, oracle::Array({})))).ok());
  engine_->Begin();
  ASSERT_TRUE(Set("gone", oracle::Number(1)).ok());
  EXPECT_FALSE(engine_->Reclaim(1 << 20));
  ASSERT_TRUE(engine_->Rollback().ok());
  EXPECT_EQ(engine_.Packed(kRootNode).items[0].items.size(), 5000u);
  EXPECT_TRUE(engine_->Reclaim(1 << 20));
}

TEST_F(TransactionTest, WhatRanFullCanBeTriedAgain) {
  EngineForTest small(kMinArenaBytes);
  const auto set = [&small](const std::string& name, const oracle::Tree& value) {
    return small.Apply(
        MakeOperation(OperationCode::kSetMember, kRootNode, small.Encode(value), StringKey(name)));
  };
  const auto many = oracle::Array(std::vector<oracle::Tree>(60000, oracle::Array({oracle::Number(1)})));
  ASSERT_TRUE(set("many", many).ok());
  ASSERT_TRUE(set("many", oracle::Number(0)).ok());
  small->Begin();
  EXPECT_EQ(set("again", many).code(), Code::kFull);
  ASSERT_TRUE(small->Rollback().ok());
  small->Begin();
  EXPECT_TRUE(set("again", many).ok());
  EXPECT_TRUE(small->Commit().ok());
}

}  // namespace
}  // namespace forkstore
