// Tests and fuzzing only: any bytes as a program of operations and transactions, run on a small store that is
// always the same one, with a check after each step.
//
//   program: steps of u8 what, then for an operation u16 length and as many bytes (fewer at the end)
//   what % 8: 0 begin, 1 commit, 2 rollback, 3 reclaim and compact, else an operation
#pragma once

#include <cstdio>
#include <cstdlib>

#include "engine/root.h"
#include "testing/engine.h"

namespace forkstore {

enum class ProgramStep : uint8_t { kBegin = 0, kCommit = 1, kRollback = 2, kReclaim = 3, kOperation = 4 };

inline void AppendStep(ProgramStep step, Bytes* program) {
  program->push_back(static_cast<uint8_t>(step));
}
inline void AppendOperation(const Bytes& operation, Bytes* program) {
  AppendStep(ProgramStep::kOperation, program);
  program->push_back(static_cast<uint8_t>(operation.size() & 0xFF));
  program->push_back(static_cast<uint8_t>(operation.size() >> 8));
  program->insert(program->end(), operation.begin(), operation.end());
}

class OperationProgram {
 public:
  OperationProgram() : engine_(StartOfProgram()) {}

  EngineForTest& engine() { return engine_; }

  // Aborts when something is not as it has to be.
  void Run(const uint8_t* program, size_t size) {
    contents_ = engine_.Contents();
    for (size_t at = 0; at < size;) {
      switch (program[at++] % 8) {
        case 0:
          Begin();
          break;
        case 1:
          Commit();
          break;
        case 2:
          Rollback();
          break;
        case 3:
          engine_->Reclaim(program[at - 1]);
          engine_->Compact(program[at - 1]);
          Require(engine_.Contents() == contents_, "reclaiming changes nothing that can be seen");
          break;
        default: {
          if (size - at < 2) return Finish();
          const size_t length = std::min(size - at - 2, program[at] | size_t{program[at + 1]} << 8);
          Operate(Bytes(program + at + 2, program + at + 2 + length));
          at += 2 + length;
        }
      }
    }
    Finish();
  }

 private:
  static constexpr size_t kMostScopes = 20;
  static constexpr uint32_t kLongest = 2000;

  static void Require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
  }

  // The same bytes each time, so that what is found can be found again.
  static std::unique_ptr<Engine> StartOfProgram() {
    static EngineForTest* const start = [] {
      EngineForTest random(kMinArenaBytes);
      auto& seed = random->arena()->Mutate<RootBlock>(kRootOffset).seed;
      seed[0] = 3;
      seed[1] = 4;
      std::unique_ptr<Engine> engine;
      Require(random.Twin(&engine).ok(), "an empty store can be loaded");
      auto* made = new EngineForTest(std::move(engine));
      Fill(made);
      return made;
    }();
    std::unique_ptr<Engine> engine;
    Require(start->Twin(&engine).ok(), "the first store can be loaded");
    return engine;
  }

  // Map 1 with a packed and an adopted entry; nodes of each kind below the root.
  static void Fill(EngineForTest* engine) {
    using oracle::Number;
    const auto apply = [engine](const Bytes& operation) {
      Require(engine->Apply(operation).ok(), "the first store can be filled");
    };
    const oracle::Tree object = oracle::Object({{u"a", Number(1)}, {u"b", oracle::String(u"a longer text")}});
    apply(MakeOperation(OperationCode::kCreateMap, 1, {}, StringKey("m")));
    for (const char* key : {"k", "l"}) {
      apply(MakeOperation(OperationCode::kSet, 1, engine->Encode(object), StringKey(key)));
    }
    apply(MakeOperation(OperationCode::kAdopt, 1, {}, StringKey("l")));
    std::vector<std::pair<std::u16string, oracle::Tree>> many;
    for (char16_t i = 0; i < 70; ++i) many.push_back({{u'n', static_cast<char16_t>(u' ' + i)}, Number(i)});
    const std::pair<const char*, oracle::Tree> members[] = {
        {"shaped", object},
        {"dictionary", oracle::Object({{u"x", Number(1)}, {u"7", object}}, oracle::Type::kDictionary)},
        {"table", oracle::Object(many, oracle::Type::kDictionary)},
        {"list", oracle::Array({Number(1), object, oracle::Special(4)})},
        {"sequence", oracle::Array(std::vector<oracle::Tree>(70, oracle::Array({Number(2)})))},
        {"boxed", oracle::String(std::u16string(200, u'x'))},
    };
    for (const auto& [name, value] : members) {
      apply(MakeOperation(OperationCode::kSetMember, kRootNode, engine->Encode(value), StringKey(name)));
    }
  }

  struct Scope {
    std::string contents;
    uint32_t shapes;
    uint32_t maps;
    NodeId next_node;
  };

  // Arrays of a billion holes take long to compare.
  static bool IsVast(const Bytes& bytes) {
    Operation operation;
    if (!ParseOperation(bytes.data(), bytes.size(), &operation).ok()) return false;
    const bool sets =
        operation.code == OperationCode::kSetItem || operation.code == OperationCode::kSetLength;
    return sets && operation.first > kLongest;
  }

  void Operate(const Bytes& operation) {
    if (IsVast(operation)) return;
    // A vector of words, as operations are 8-aligned; as long as the operation, so that a sanitizer sees its
    // end.
    const Status status = engine_.Apply(operation);
    std::string after = engine_.Contents();
    if (!status.ok()) Require(after == contents_, "a refused operation changes nothing");
    contents_ = std::move(after);
  }

  void Begin() {
    if (scopes_.size() == kMostScopes) return;
    scopes_.push_back(
        {contents_, engine_->shapes().count(), engine_->map_count(), engine_->tree().next_node()});
    engine_->Begin();
  }

  void Commit() {
    Require(engine_->Commit().ok() == !scopes_.empty(), "a transaction can be committed when one is open");
    if (!scopes_.empty()) scopes_.pop_back();
  }

  void Rollback() {
    Require(engine_->in_transaction() == !scopes_.empty(), "it is known whether a transaction is open");
    if (scopes_.empty()) return;
    const Scope scope = std::move(scopes_.back());
    scopes_.pop_back();
    Require(engine_->Rollback().ok(), "an open transaction can be rolled back");
    contents_ = engine_.Contents();
    const std::vector<Bytes> survivors = engine_->TakeSurvivors();
    size_t expected =
        engine_->shapes().count() - scope.shapes + (engine_->tree().next_node() != scope.next_node);
    for (uint32_t id = scope.maps + 1; id <= engine_->map_count(); ++id) {
      expected += engine_->map(id) == nullptr ? 2 : 1;
    }
    Require(survivors.size() == expected, "what survives is what cannot be taken back");
    if (survivors.empty()) Require(contents_ == scope.contents, "a rollback takes everything back");
  }

  void Finish() {
    while (!scopes_.empty()) Rollback();
    engine_.ReclaimAll();
    while (!engine_->Compact(100)) {
    }
    Require(engine_.Contents() == contents_, "reclaiming changes nothing that can be seen");
    std::unique_ptr<Engine> loaded;
    Require(engine_.Twin(&loaded).ok(), "the store can be loaded");
    EngineForTest twin(std::move(loaded));
    Require(twin.Contents() == contents_, "what is loaded is what was there");
    Require(twin->allocator()->stats().live_bytes == engine_->allocator()->stats().live_bytes,
            "what nothing refers to has been given back");
    Require(twin->tree().node_count() == engine_->tree().node_count(), "nodes are counted");
  }

  EngineForTest engine_;
  std::string contents_;
  std::vector<Scope> scopes_;
};

}  // namespace forkstore
