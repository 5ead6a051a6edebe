// Tests and fuzzing only: any bytes as a program of operations and transactions on a small store that runs
// full again and again. What it took is replayed in a roomy one, which must come to the same state with the
// same ids.
//
//   program: steps of u8 what, and u16 with what
//   what % 16: as in testing/program_steps.h
#pragma once

#include <optional>

#include "testing/program_steps.h"

namespace forkstore {

class ReplayProgram final : public ProgramSteps {
 public:
  ReplayProgram() : live_(FirstStore(kMinArenaBytes)), roomy_(FirstStore(uint64_t{64} << 20)) {}

  // Aborts when something is not as it has to be.
  Done Run(const uint8_t* program, size_t size) {
    for (size_t at = 0; at + kStepBytes <= size; at += kStepBytes) {
      Step(program[at] % 16, program[at + 1] | uint32_t{program[at + 2]} << 8);
    }
    while (scopes() > 0) Step(2, 0);
    ReadAllHeld();
    Replay();
    return done_;
  }

 private:
  struct Logged {
    Bytes operation;
    std::optional<EngineCounts> after;  // none where an operation behind it belongs to it
  };

  EngineForTest& live() override { return live_; }

  void Begin() override {
    marks_.push_back(log_.size());
    live_->Begin();
  }

  void Commit() override {
    Require(live_->Commit().ok(), "an open transaction can be committed");
    marks_.pop_back();
  }

  void Rollback() override {
    Require(live_->Rollback().ok(), "an open transaction can be rolled back");
    log_.resize(marks_.back());
    marks_.pop_back();
    for (Bytes& survivor : live_->TakeSurvivors()) log_.push_back({std::move(survivor), std::nullopt});
    if (!log_.empty()) log_.back().after = live_->counts();
  }

  Status Take(Bytes* operation, ApplyResult* result, RemovedItems removed) override {
    Status status = live_.Apply(*operation, result, removed);
    if (status.code() == Code::kFull && DoWithoutShape(operation->data())) {
      status = live_.Apply(*operation, result);
    }
    if (status.ok() && !IsIdle(operation->data(), *result)) log_.push_back({*operation, live_->counts()});
    return status;
  }

  void Defined(std::vector<Bytes>&& definitions) override {
    for (Bytes& definition : definitions) log_.push_back({std::move(definition), std::nullopt});
  }

  void Replay() {
    for (const Logged& logged : log_) {
      const Status status = roomy_.Apply(logged.operation);
      if (!status.ok()) std::fprintf(stderr, "%d: %s\n", int{logged.operation[0]}, status.message().c_str());
      Require(status.ok(), "what was taken is taken again");
      if (logged.after) Require(roomy_->counts() == *logged.after, "ids are the same");
    }
    Require(roomy_->counts() == live_->counts(), "ids are the same");
    Require(roomy_.Contents() == live_.Contents(), "so is the state");
    std::unique_ptr<Engine> loaded;
    Require(live_.Twin(&loaded).ok(), "a restart can load it");
    Require(EngineForTest(std::move(loaded)).Contents() == live_.Contents(), "and finds the same");
  }

  EngineForTest live_;
  EngineForTest roomy_;
  std::vector<Logged> log_;
  std::vector<size_t> marks_;  // of it, one for each open transaction
};

}  // namespace forkstore
