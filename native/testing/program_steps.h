// Tests and fuzzing only: what programs of random steps do to a small store that runs full again and again,
// whoever has the store and whatever follows from its operations: an engine
// (testing/replay_program.h) or a store with its log (testing/store_steps.h). What is removed
// from arrays is held outside of transactions, and read at some later time, as it was.
//
//   a step: what, and 16 bits with what
//   0 begin, 1 commit, 2 rollback, 3 reclaim, or cut a long array, 4 fill the store, 5 and 6 use up the
//   blocks of one small size, 7 delete some of what fills it, 8 a new record in the tree, 9 and 10 delete a
//   member of a record, 11 add one, 12 to 15 a random operation of this seed
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "data/node/small_node.h"
#include "data/tree/held_items.h"
#include "engine/root.h"
#include "testing/random_operations.h"

namespace forkstore {

inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

class ProgramSteps {
 public:
  static constexpr size_t kStepBytes = 3;  // u8 what, u16 with what

  struct Done {
    uint64_t applied = 0;
    uint64_t full = 0;      // refused for want of memory, also where it did without a shape
    uint64_t unshaped = 0;  // deletions that did
    uint64_t rollbacks = 0;
    uint64_t held = 0;  // items of lists that were held and read
  };

  virtual ~ProgramSteps() = default;

  // The same bytes each time, so that what is found can be found again.
  static const EngineForTest::Image& FirstImage() {
    static const auto* const first = [] {
      EngineForTest random(kMinArenaBytes);
      auto& seed = random->arena()->Mutate<RootBlock>(kRootOffset).seed;
      seed[0] = 3;
      seed[1] = 4;
      for (const uint32_t map : {kFiller, kFiller + 1}) {
        const std::string name = "map " + std::to_string(map - 1);
        Require(random.Apply(MakeOperation(OperationCode::kCreateMap, map, {}, StringKey(name))).ok(),
                "maps can be made");
      }
      return new EngineForTest::Image(random.Save());
    }();
    return *first;
  }
  static std::unique_ptr<Engine> FirstStore(uint64_t max_bytes) {
    std::unique_ptr<Engine> engine;
    Require(EngineForTest::Load(FirstImage(), max_bytes, &engine).ok(), "the first store can be loaded");
    return engine;
  }

  static constexpr uint32_t kFiller = 1;  // a map

  void Step(uint32_t what, uint32_t with) {
    switch (what) {
      case 0:
        if (scopes_ == kMostScopes) return;
        ++scopes_;
        Begin();
        return;
      case 1:
        if (scopes_ == 0) return;
        --scopes_;
        Commit();
        return;
      case 2:
        if (scopes_ == 0) return;
        --scopes_;
        ++done_.rollbacks;
        Rollback();
        return;
      case 3:
        if (with % 2 == 0) {
          live()->Reclaim(with);
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
        Bytes operation = random.Next(&live(), &definitions);
        Defined(std::move(definitions));
        Apply(std::move(operation));
      }
    }
  }

  uint32_t scopes() const { return scopes_; }
  const Done& done() const { return done_; }

 protected:
  virtual EngineForTest& live() = 0;
  virtual void Begin() = 0;
  virtual void Commit() = 0;
  virtual void Rollback() = 0;
  // As whoever keeps a log does it: one that is refused for want of memory may become another
  // (DoWithoutShape).
  virtual Status Take(Bytes* operation, ApplyResult* result, RemovedItems removed) = 0;
  // What live().Encode() has defined.
  virtual void Defined(std::vector<Bytes>&& definitions) = 0;

  void ReadAllHeld() {
    while (!held_.empty()) ReadHeld(~uint64_t{0});
  }
  // The engine is another one, without transactions and without what the old one held.
  void ForgetEngine() {
    held_.clear();
    scopes_ = 0;
  }
  Done done_;

 private:
  static constexpr uint32_t kMostScopes = 4;
  static constexpr uint64_t kMostFilled = uint64_t{24} << 20;  // bytes, in all
  static constexpr uint32_t kMostAtOnce = 3000;

  // Items that a SPLICE has removed.
  struct Held {
    uint64_t list;
    uint64_t taken;
    std::vector<oracle::Tree> items;  // with holes
  };

  Bytes Encode(const oracle::Tree& tree) {
    std::vector<Bytes> definitions;
    Bytes value = live().Encode(tree, &definitions);
    Defined(std::move(definitions));
    return value;
  }

  // One of the newest nodes that has a shape with members.
  void ChangeRecord(bool add, uint32_t with) {
    const Tree& tree = live()->tree();
    for (uint32_t age = 1 + with % 50; age <= 200 && age < tree.next_node(); ++age) {
      const NodeId node = tree.next_node() - age;
      if (tree.Locate(node) == kNone) continue;
      const NodeHead head = tree.Head(node);
      if (head.kind != NodeKind::kShaped || live()->shapes().FieldCount(head.shape) == 0) continue;
      if (add) {
        const std::string name(1 + with / 50 % 60, static_cast<char>('e' + with % 20));
        const Bytes value = Encode(oracle::Number(with));
        Apply(MakeOperation(OperationCode::kSetMember, node, value, StringKey(name)));
      } else {
        const uint32_t field = with / 50 % live()->shapes().FieldCount(head.shape);
        const StringBytes& name = live()->shapes().FieldName(head.shape, field);
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

  bool Apply(Bytes operation) {
    ApplyResult result;
    std::vector<oracle::Tree> removed;
    const bool holds = !live()->in_transaction() && Removes(operation, &removed);
    const uint8_t code = operation[0];
    const Status status = Take(&operation, &result, holds ? RemovedItems::kHeld : RemovedItems::kGo);
    if (result.held != 0) held_.push_back({result.held, 0, std::move(removed)});
    const bool unshaped = status.ok() && operation[0] != code;
    done_.full += unshaped || status.code() == Code::kFull;
    done_.unshaped += unshaped;
    done_.applied += status.ok();
    return status.ok();
  }

  // Takes some out of a long array, which is made anew when few are left.
  void CutArray(uint32_t with) {
    const Tree& tree = live()->tree();
    const Offset member = tree.FindMember(tree.Locate(kRootNode), StringKey("long"));
    const NodeId node = member == kNone ? 0 : SlotNode(live()->arena()->Read<Slot>(member));
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
    if (live()->tree().Locate(operation.node) == kNone) return false;
    const oracle::Tree array = live().Packed(operation.node);
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
      Require(live()->ReadHeld(held.list, held.taken, HeldItems::kMostAtOnce, &bytes, indexes, &count).ok(),
              "what is held can be read");
      if (count == 0) break;
      done_.held += count;
      const oracle::Tree read = oracle::Decoder(bytes.data(), live()->shapes()).Decode();
      Require(read.items.size() == count, "a chunk has as many items as it says");
      for (uint32_t i = 0; i < count; ++i) {
        Require(indexes[i] < held.items.size(), "only what has left is read");
        Require(live().Encode(read.items[i]) == live().Encode(held.items[indexes[i]]), "it is as it was");
        held.items[indexes[i]] = oracle::Special(kHole);
      }
    }
    if (count > 0 && held.list % 4 != 0) return;
    if (count == 0) {
      for (const oracle::Tree& item : held.items) {
        Require(item.type == oracle::Type::kSpecial && item.special == kHole, "all of it is read");
      }
    }
    live()->DropHeld(held.list);
    held_.pop_front();
  }

  uint32_t scopes_ = 0;
  std::deque<Held> held_;
  std::vector<std::string> fillers_;
  uint64_t filled_ = 0;
};

}  // namespace forkstore
