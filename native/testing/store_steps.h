// Tests and fuzzing only: random steps (testing/program_steps.h) on a Store with a log, its turns,
// and what the state was at the end of each: what a log must come to.
#pragma once

#include <functional>
#include <map>

#include "store/store.h"
#include "testing/program_steps.h"

namespace forkstore {

// A Store's engine as tests see it; shapes are defined by operations that the log gets.
class StoreEngineForTest final : public EngineForTest {
 public:
  explicit StoreEngineForTest(Store* store) : EngineForTest(store->engine()), store_(store) {}
  bool Define(const Bytes& definition) override {
    Bytes operation = definition;
    ApplyResult result;
    return store_->Apply(operation.data(), operation.size(), &result).ok();
  }

 private:
  Store* store_;
};

class StoreSteps : public ProgramSteps {
 public:
  // What can be seen of a state, and the ids.
  struct State {
    uint64_t bytes = 0;
    size_t hash = 0;
    EngineCounts counts;
    friend bool operator==(const State&, const State&) = default;
  };
  State StateOf(EngineForTest* engine) {
    contents_.clear();
    engine->AppendContents(&contents_);
    return {contents_.size(), std::hash<std::string>()(contents_), (*engine)->counts()};
  }

  Store& store() { return *store_; }
  Log& log() { return *store_->log(); }
  uint64_t refused() const { return refused_; }

 protected:
  // Takes over a store whose log has just been opened: what there is, is on disk.
  void TakeOver(OpenedStore opened) {
    ForgetEngine();
    store_ = std::make_unique<Store>(std::move(opened));
    live_ = std::make_unique<StoreEngineForTest>(store_.get());
    refuses_ = false;
    Remember();
  }

  EngineForTest& live() override { return *live_; }
  void Begin() override { Require(store_->Begin().ok(), "a transaction can begin"); }
  void Commit() override { Require(store_->Commit().ok(), "an open transaction can be committed"); }
  void Rollback() override { Require(store_->Rollback().ok(), "an open transaction can be rolled back"); }
  void Defined(std::vector<Bytes>&& /*definitions*/) override {}

  Status Take(Bytes* operation, ApplyResult* result, RemovedItems removed) override {
    const EngineCounts counts = live()->counts();
    const uint64_t writes = live()->writes();
    const uint64_t buffered = log().stats().buffered_bytes;
    const uint64_t sequence = log().SequenceToAwait();
    Status status = removed == RemovedItems::kHeld
                        ? store_->ApplyHolding(operation->data(), operation->size(), result)
                        : store_->Apply(operation->data(), operation->size(), result);
    if (refuses_) {
      Require(status.code() == Code::kLogFailed, "a write is refused with the log's failure");
      ++refused_;
    }
    if (!status.ok() || IsIdle(operation->data(), *result)) {
      Require(live()->counts() == counts && live()->writes() == writes,
              "what changes nothing counts nowhere");
      // A writer may have taken some away meanwhile.
      Require(log().stats().buffered_bytes <= buffered && log().SequenceToAwait() == sequence,
              "and is not in the log");
    }
    return status;
  }

  void Refuse(bool refuse) {
    refuses_ = refuse;
    store_->RefuseWrites(refuse);
  }

  // Ends what is open first, by the bits of `how`; then the batch.
  void EndTurn(uint32_t how) {
    for (; scopes() > 0; how /= 2) Step(1 + how % 2, 0);
    log().EndBatch(/*sync=*/how % 2 == 0);
    Remember();
  }

  // The state at the end of a batch; the last one again where nothing was appended since.
  void Remember() {
    const uint64_t sequence = log().stats().sealed_sequence;
    const State state = StateOf(live_.get());
    const auto [there, added] = states_.emplace(sequence, state);
    Require(added || there->second == state, "what is not in the log has changed nothing");
    last_ = sequence;
  }
  const State& StateAt(uint64_t sequence) const {
    const auto found = states_.find(sequence);
    Require(found != states_.end(), "recovery comes to the end of a batch");
    return found->second;
  }
  uint64_t last_sequence() const { return last_; }
  // What comes behind `sequence` has not happened, and other batches take its place.
  void ForgetBehind(uint64_t sequence) { states_.erase(states_.upper_bound(sequence), states_.end()); }

 private:
  std::unique_ptr<Store> store_;
  std::unique_ptr<StoreEngineForTest> live_;
  std::map<uint64_t, State> states_;  // by sequence
  std::string contents_;              // its memory is used again
  uint64_t last_ = 0;
  bool refuses_ = false;
  uint64_t refused_ = 0;
};

}  // namespace forkstore
