// Tests and fuzzing only: any bytes as a program of operations and transactions on a small store that runs
// full again and again. What it took is replayed in a roomy one, which must come to the same state with the
// same ids. The small one holds what is removed from arrays, and reads it at some later time, as it was.
//
//   program: steps of u8 what, and u16 with what
//   what % 16: 0 begin, 1 commit, 2 rollback, 3 reclaim, or cut a long array, 4 fill the store, 5 and 6 use
//   up the blocks of one small size, 7 delete some of what fills it, 8 a new record in the tree, 9 and 10
//   delete a member of a record, 11 add one, else a random operation of this seed
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>

#include "data/held_items.h"
#include "data/small_node.h"
#include "engine/random_operations.h"
#include "engine/root.h"

namespace forkstore {

class ReplayProgram {
 public:
  static constexpr size_t kStepBytes = 3;

  struct Done {
    uint64_t applied = 0;
    uint64_t full = 0;      // refused for want of memory
    uint64_t unshaped = 0;  // of those, deletions that then did without a shape
    uint64_t rollbacks = 0;
    uint64_t held = 0;  // items of lists that were held and read
  };

  ReplayProgram() : live_(Start(kMinArenaBytes)), roomy_(Start(uint64_t{64} << 20)) {}

  // Aborts when something is not as it has to be.
  Done Run(const uint8_t* program, size_t size) {
    for (size_t at = 0; at + kStepBytes <= size; at += kStepBytes) {
      Step(program[at] % 16, program[at + 1] | uint32_t{program[at + 2]} << 8);
    }
    while (!marks_.empty()) Rollback();
    while (!held_.empty()) ReadHeld(~uint64_t{0});
    Replay();
    return done_;
  }

 private:
  static constexpr size_t kMostScopes = 4;
  static constexpr uint64_t kMostFilled = uint64_t{24} << 20;  // bytes, in all
  static constexpr uint32_t kMostAtOnce = 3000;
  static constexpr uint32_t kFiller = 1;  // a map

  struct Logged {
    Bytes operation;
    std::optional<EngineCounts> after;  // none where an operation behind it belongs to it
  };

  // Items that a SPLICE has removed.
  struct Held {
    uint64_t list;
    uint64_t taken;
    std::vector<oracle::Tree> items;  // with holes
  };

  static void Require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
  }

  // The same bytes each time, so that what is found can be found again.
  static std::unique_ptr<Engine> Start(uint64_t max_bytes) {
    static EngineForTest* const start = [] {
      EngineForTest random(kMinArenaBytes);
      auto& seed = random->arena()->Mutate<RootBlock>(kRootOffset).seed;
      seed[0] = 3;
      seed[1] = 4;
      for (const uint32_t map : {kFiller, kFiller + 1}) {
        const std::string name = "map " + std::to_string(map - 1);
        Require(random.Apply(MakeOperation(OperationCode::kCreateMap, map, {}, StringKey(name))).ok(),
                "maps can be made");
      }
      std::unique_ptr<Engine> engine;
      Require(random.Twin(&engine).ok(), "the first store can be loaded");
      return new EngineForTest(std::move(engine));
    }();
    std::unique_ptr<Engine> engine;
    Require(start->Twin(&engine, max_bytes).ok(), "the first store can be loaded");
    return engine;
  }

  void Step(uint32_t what, uint32_t with) {
    switch (what) {
      case 0:
        if (marks_.size() == kMostScopes) return;
        marks_.push_back(log_.size());
        live_->Begin();
        return;
      case 1:
        if (marks_.empty()) return;
        Require(live_->Commit().ok(), "an open transaction can be committed");
        marks_.pop_back();
        return;
      case 2:
        if (!marks_.empty()) Rollback();
        return;
      case 3:
        if (with % 2 == 0) {
          live_->Reclaim(with);
          ReadHeld(with % 3);
        } else {
          CutArray(with / 2);
        }
        return;
      case 4:
        for (const uint32_t bytes : {1 << 19, 1 << 17, 1 << 15, 1 << 13}) UseUp(bytes);
        return;
      case 5:
      case 6:
        UseUp(with % 600);
        return;
      case 7:
        for (uint32_t left = with % 8; left > 0 && !fillers_.empty(); --left) {
          std::swap(fillers_[with % fillers_.size()], fillers_.back());
          Apply(MakeOperation(OperationCode::kDelete, kFiller, {}, StringKey(fillers_.back())));
          fillers_.pop_back();
        }
        return;
      case 8: {
        std::vector<std::pair<std::u16string, oracle::Tree>> fields;
        for (char16_t name = u'a'; name < u'e'; ++name) {
          fields.push_back({std::u16string(1 + with % 40, name), oracle::Number(with)});
        }
        const std::string name = "record " + std::to_string(with / 40 % 32);
        const Bytes value = Encode(oracle::Object(fields));
        Apply(MakeOperation(OperationCode::kSetMember, kRootNode, value, StringKey(name)));
        return;
      }
      case 9:
      case 10:
      case 11:
        ChangeRecord(what == 11, with);
        return;
      default: {
        RandomOperations random(with, 2);
        std::vector<Bytes> definitions;
        const Bytes operation = random.Next(&live_, &definitions);
        for (const Bytes& definition : definitions) log_.push_back({definition, std::nullopt});
        Apply(operation);
      }
    }
  }

  Bytes Encode(const oracle::Tree& tree) {
    std::vector<Bytes> definitions;
    Bytes value = live_.Encode(tree, &definitions);
    for (const Bytes& definition : definitions) log_.push_back({definition, std::nullopt});
    return value;
  }

  // One of the newest nodes that has a shape with members.
  void ChangeRecord(bool add, uint32_t with) {
    const Tree& tree = live_->tree();
    for (uint32_t age = 1 + with % 50; age <= 200 && age < tree.next_node(); ++age) {
      const NodeId node = tree.next_node() - age;
      if (tree.Locate(node) == kNone) continue;
      const NodeHead head = tree.Head(node);
      if (head.kind != NodeKind::kShaped || live_->shapes().FieldCount(head.shape) == 0) continue;
      if (add) {
        const std::string name(1 + with / 50 % 60, static_cast<char>('e' + with % 20));
        const Bytes value = Encode(oracle::Number(with));
        Apply(MakeOperation(OperationCode::kSetMember, node, value, StringKey(name)));
      } else {
        const uint32_t field = with / 50 % live_->shapes().FieldCount(head.shape);
        const StringBytes& name = live_->shapes().FieldName(head.shape, field);
        Apply(MakeOperation(OperationCode::kDeleteMember, node, {}, KeyOfString(name)));
      }
      return;
    }
  }

  // Entries with as many bytes until no more of them fit.
  void UseUp(uint32_t bytes) {
    Bytes value = Words({8, uint32_t{kExtended} << 16 | kBytes, bytes, 0});
    value.resize(RoundUp(value.size() + bytes, 8));
    for (uint32_t count = 0; count < kMostAtOnce && filled_ < kMostFilled; ++count) {
      const std::string key = "filler " + std::to_string(filled_);
      filled_ += value.size();
      if (!Apply(MakeOperation(OperationCode::kSet, kFiller, value, StringKey(key)))) return;
      fillers_.push_back(key);
    }
  }

  // As whoever keeps a log does it.
  bool Apply(Bytes operation) {
    ApplyResult result;
    std::vector<oracle::Tree> removed;
    const bool holds = !live_->in_transaction() && Removes(operation, &removed);
    Status status = live_.Apply(operation, &result, holds ? RemovedItems::kHeld : RemovedItems::kGo);
    if (result.held != 0) held_.push_back({result.held, 0, std::move(removed)});
    if (status.code() == Code::kFull) {
      ++done_.full;
      if (DoWithoutShape(operation.data())) {
        status = live_.Apply(operation, &result);
        done_.unshaped += status.ok();
      }
    }
    if (!status.ok()) return false;
    ++done_.applied;
    if (!IsIdle(operation.data(), result)) log_.push_back({std::move(operation), live_->counts()});
    return true;
  }

  // Takes some out of a long array, which is made anew when few are left.
  void CutArray(uint32_t with) {
    const Tree& tree = live_->tree();
    const Offset member = tree.FindMember(tree.Locate(kRootNode), StringKey("long"));
    const NodeId node = member == kNone ? 0 : SlotNode(live_->arena()->Read<Slot>(member));
    const uint32_t length = node == 0 ? 0 : tree.Length(tree.Locate(node));
    if (length < 200) {
      std::vector<oracle::Tree> items;
      for (uint32_t i = 0; i < 900; ++i) {
        items.push_back(i % 7 == 0 ? oracle::Special(kHole) : oracle::Array({oracle::Number(i + with)}));
      }
      const Bytes value = Encode(oracle::Array(std::move(items)));
      Apply(MakeOperation(OperationCode::kSetMember, kRootNode, value, StringKey("long")));
      return;
    }
    const uint32_t start = with % 3 == 0 ? 0 : with % length;
    const uint32_t count = std::min(length - start, 1 + with / 3 % 700);
    Bytes value = Words({start, count});
    const Bytes added = Encode(oracle::Array({oracle::Number(with)}));
    value.insert(value.end(), added.begin(), added.end());
    Apply(MakeOperation(OperationCode::kSplice, node, value));
  }

  // Whether the operation removes items from an array, and which.
  bool Removes(const Bytes& bytes, std::vector<oracle::Tree>* removed) {
    Operation operation;
    if (!ParseOperation(bytes.data(), bytes.size(), &operation).ok()) return false;
    if (operation.code != OperationCode::kSplice || operation.second == 0) return false;
    if (live_->tree().Locate(operation.node) == kNone) return false;
    const oracle::Tree array = live_.Packed(operation.node);
    const uint64_t end = uint64_t{operation.first} + operation.second;
    if (array.type != oracle::Type::kArray || end > array.items.size()) return false;
    removed->assign(array.items.begin() + operation.first, array.items.begin() + static_cast<long>(end));
    return true;
  }

  // So many chunks of the oldest list; what is read whole is let go, or some that is not.
  void ReadHeld(uint64_t chunks) {
    if (held_.empty()) return;
    Held& held = held_.front();
    uint32_t count = 1;
    for (; chunks > 0 && count > 0; --chunks, held.taken += count) {
      Bytes bytes;
      uint32_t indexes[HeldItems::kMostAtOnce];
      Require(live_->ReadHeld(held.list, held.taken, HeldItems::kMostAtOnce, &bytes, indexes, &count).ok(),
              "what is held can be read");
      if (count == 0) break;
      done_.held += count;
      const oracle::Tree read = oracle::Decoder(bytes.data(), live_->shapes()).Decode();
      Require(read.items.size() == count, "a chunk has as many items as it says");
      for (uint32_t i = 0; i < count; ++i) {
        Require(indexes[i] < held.items.size(), "only what has left is read");
        Require(live_.Encode(read.items[i]) == live_.Encode(held.items[indexes[i]]), "it is as it was");
        held.items[indexes[i]] = oracle::Special(kHole);
      }
    }
    if (count > 0 && held.list % 4 != 0) return;
    if (count == 0) {
      for (const oracle::Tree& item : held.items) {
        Require(item.type == oracle::Type::kSpecial && item.special == kHole, "all of it is read");
      }
    }
    live_->DropHeld(held.list);
    held_.pop_front();
  }

  void Rollback() {
    ++done_.rollbacks;
    Require(live_->Rollback().ok(), "an open transaction can be rolled back");
    log_.resize(marks_.back());
    marks_.pop_back();
    for (Bytes& survivor : live_->TakeSurvivors()) log_.push_back({std::move(survivor), std::nullopt});
    if (!log_.empty()) log_.back().after = live_->counts();
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
  std::deque<Held> held_;
  std::vector<std::string> fillers_;
  uint64_t filled_ = 0;
  Done done_;
};

}  // namespace forkstore
