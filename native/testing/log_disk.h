// SimulatedDisk: a directory in memory that keeps apart what was written and what is on disk, and loses
// power.
//
// What it may do at a power cut is what a disk may do: of everything written to a file since its last
// sync, any 512-byte sectors may have arrived and any not; of the changes to the directory since its last
// sync, any first ones. A sync that fails drops what it has not brought to the disk, and the next one
// succeeds without it; the page cache still shows it, until it is dropped.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "log/log_file_system.h"

namespace forkstore {

class SimulatedDisk {
 public:
  static constexpr uint64_t kSectorBytes = 512;
  using Bytes = std::vector<uint8_t>;

  enum class Call {
    kCreate,
    kOpen,
    kWrite,
    kRead,
    kSync,
    kAllocate,
    kTruncate,
    kRename,
    kRemove,
    kSyncDirectory,
    kList,
    kPut,
  };

  struct Operation {
    Call call;
    std::string name;
    std::string to;
    uint64_t file = 0;  // its number, for what goes by an open file
    uint64_t position = 0;
    Bytes data;
    bool sync_fails = false;
    uint64_t noted = 0;  // what `note` gave when the call was made
  };

  // A change of a file that is not synced yet: a write, or (no data) a new length.
  struct Change {
    uint64_t position;
    Bytes data;
    bool length = false;
  };
  struct File {
    Bytes cached;
    Bytes durable;
    std::vector<Change> pending;
  };
  using Names = std::map<std::string, uint64_t>;

  static void Apply(const Change& change, Bytes* bytes) {
    if (change.length) {
      bytes->resize(change.position);
      return;
    }
    if (bytes->size() < change.position + change.data.size())
      bytes->resize(change.position + change.data.size());
    std::copy(change.data.begin(), change.data.end(),
              bytes->begin() + static_cast<std::ptrdiff_t>(change.position));
  }

  // How much of what was not synced arrives.
  enum class Loss { kEverything, kNothing, kSomeSectors, kFewSectors };

  // The disk after the power came back; where nothing else is said, without anything that was not synced.
  std::unique_ptr<SimulatedDisk> AfterPowerCut() const { return AfterPowerCut(Loss::kEverything, nullptr); }
  std::unique_ptr<SimulatedDisk> AfterPowerCut(Loss loss, std::mt19937_64* random) const {
    auto disk = std::make_unique<SimulatedDisk>();
    disk->next_file_ = next_file_;
    Names names = durable_names_;
    const size_t changes = loss == Loss::kEverything ? 0
                           : loss == Loss::kNothing  ? name_changes_.size()
                                                     : (*random)() % (name_changes_.size() + 1);
    for (size_t i = 0; i < changes; ++i) name_changes_[i](&names);
    for (const auto& [name, number] : names) {
      const File& file = files_.at(number);
      File survivor;
      survivor.durable = file.durable;
      for (const Change& change : file.pending) Survive(change, loss, random, &survivor.durable);
      survivor.cached = survivor.durable;
      disk->files_[number] = std::move(survivor);
    }
    disk->names_ = disk->durable_names_ = names;
    return disk;
  }

  // As a killed process leaves it: all that was written is there, in the cache.
  std::unique_ptr<SimulatedDisk> AfterKill() const {
    auto disk = std::make_unique<SimulatedDisk>();
    disk->files_ = files_;
    disk->names_ = names_;
    disk->durable_names_ = durable_names_;
    disk->name_changes_ = name_changes_;
    disk->next_file_ = next_file_;
    return disk;
  }

  // Does what was recorded of another disk.
  void Repeat(const Operation& operation) {
    bool unused = false;
    Execute(operation, &unused);
  }

  // Not by name: for tests that look and damage.
  Bytes* Contents(const std::string& name) { return &files_.at(names_.at(name)).cached; }
  // There, and on disk.
  void Put(const std::string& name, Bytes bytes) { Unasked({Call::kPut, name, {}, 0, 0, std::move(bytes)}); }
  // The same, as the end of a change that ends with a sync of the directory.
  void PutSynced(const std::string& name, Bytes bytes) {
    Unasked({Call::kPut, name, {}, 0, 0, std::move(bytes)});
    Unasked({Call::kSyncDirectory, {}, {}, 0, 0, {}});
  }
  // Removed, by somebody whom `before` has no say over.
  void Forget(const std::string& name) { Unasked({Call::kRemove, name, {}, 0, 0, {}}); }
  void SyncAll() {
    for (auto& [number, file] : files_) {
      file.durable = file.cached;
      file.pending.clear();
    }
    durable_names_ = names_;
    name_changes_.clear();
  }
  bool Has(const std::string& name) const { return names_.contains(name); }
  std::vector<std::string> List() const {
    std::vector<std::string> list;
    for (const auto& [name, number] : names_) list.push_back(name);
    return list;
  }
  uint64_t NumberOf(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? 0 : found->second;
  }

  // What each call is asked first: an errno, or 0. `bytes` may be made smaller (short results).
  std::function<int(Call, uint64_t* bytes)> before;
  // Called before a call that may change something, and before anybody is asked about it.
  std::function<void()> before_change;
  std::function<uint64_t()> note;
  std::vector<Operation>* record = nullptr;  // of calls that change something

  int Do(Operation operation, uint64_t* bytes) {
    if (before_change) before_change();
    const std::lock_guard<std::mutex> lock(mutex_);
    const int error = before ? before(operation.call, bytes) : 0;
    if (error != 0) {
      if (operation.call != Call::kSync || error == EINTR) return error;
      operation.sync_fails = true;  // with what it means for the file
    }
    if (operation.call == Call::kWrite) operation.data.resize(*bytes);
    operation.noted = note ? note() : 0;
    bool changed = false;
    const int result = Execute(operation, &changed);
    if (changed && record != nullptr) record->push_back(std::move(operation));
    return error != 0 ? error : result;
  }
  int Read(uint64_t number, uint64_t position, void* out, uint64_t bytes, size_t* got) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const int error = before ? before(Call::kRead, &bytes) : 0; error != 0) return error;
    const Bytes& from = files_.at(number).cached;
    *got = position >= from.size() ? 0 : std::min<uint64_t>(bytes, from.size() - position);
    if (*got > 0) memcpy(out, from.data() + position, *got);
    return 0;
  }
  int Size(uint64_t number, uint64_t* bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    *bytes = files_.at(number).cached.size();
    return 0;
  }
  void DropCache(uint64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    File& file = files_.at(number);
    file.cached = file.durable;
    for (const Change& change : file.pending) Apply(change, &file.cached);
  }
  int ListTo(std::vector<std::string>* names) {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint64_t none = 0;
    if (const int error = before ? before(Call::kList, &none) : 0; error != 0) return error;
    *names = List();
    return 0;
  }

 private:
  static void Survive(const Change& change, Loss loss, std::mt19937_64* random, Bytes* bytes) {
    if (loss == Loss::kEverything) return;
    if (loss == Loss::kNothing || change.length) {
      if (loss == Loss::kNothing || (*random)() % 2 == 0) Apply(change, bytes);
      return;
    }
    const uint64_t one_in = loss == Loss::kSomeSectors ? 2 : 8;
    const uint64_t end = change.position + change.data.size();
    for (uint64_t at = change.position; at < end;) {
      const uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if ((*random)() % one_in == 0) {
        Apply({at,
               Bytes(change.data.begin() + static_cast<std::ptrdiff_t>(at - change.position),
                     change.data.begin() + static_cast<std::ptrdiff_t>(next - change.position)),
               false},
              bytes);
      }
      at = next;
    }
  }

  void Unasked(Operation operation) {
    uint64_t count = operation.data.size();
    const auto asked = std::exchange(before, nullptr);
    const auto looked = std::exchange(before_change, nullptr);
    Do(std::move(operation), &count);
    before = asked;
    before_change = looked;
  }

  void ChangeNames(std::function<void(Names*)> change) {
    change(&names_);
    name_changes_.push_back(std::move(change));
  }

  int Execute(const Operation& operation, bool* changed) {
    const std::string name = operation.name;
    const std::string to = operation.to;
    switch (operation.call) {
      case Call::kCreate: {
        if (names_.contains(name)) return EEXIST;
        const uint64_t number = next_file_++;
        files_[number] = {};
        ChangeNames([name, number](Names* names) { (*names)[name] = number; });
        break;
      }
      case Call::kOpen:
        return names_.contains(name) ? 0 : ENOENT;
      case Call::kWrite:
        ChangeFile(operation.file, {operation.position, operation.data, false});
        break;
      case Call::kAllocate:
        if (files_.at(operation.file).cached.size() >= operation.position) return 0;
        ChangeFile(operation.file, {operation.position, {}, true});
        break;
      case Call::kTruncate:
        ChangeFile(operation.file, {operation.position, {}, true});
        break;
      case Call::kSync: {
        File& file = files_.at(operation.file);
        for (size_t i = 0; i < file.pending.size(); ++i) {
          // Of a failing one every other write has arrived.
          if (!operation.sync_fails || i % 2 == 1) Apply(file.pending[i], &file.durable);
        }
        file.pending.clear();
        break;
      }
      case Call::kRename:
        if (!names_.contains(name)) return ENOENT;
        ChangeNames([name, to](Names* names) {
          const auto found = names->find(name);
          if (found == names->end()) return;
          const uint64_t number = found->second;
          names->erase(found);
          (*names)[to] = number;
        });
        break;
      case Call::kRemove:
        if (!names_.contains(name)) return ENOENT;
        ChangeNames([name](Names* names) { names->erase(name); });
        break;
      case Call::kSyncDirectory:
        durable_names_ = names_;
        name_changes_.clear();
        break;
      case Call::kPut: {
        File file;
        file.cached = file.durable = operation.data;
        files_[next_file_] = std::move(file);
        names_[name] = durable_names_[name] = next_file_++;
        break;
      }
      case Call::kRead:
      case Call::kList:
        return 0;
    }
    *changed = true;
    return 0;
  }

  void ChangeFile(uint64_t number, Change change) {
    File& file = files_.at(number);
    Apply(change, &file.cached);
    file.pending.push_back(std::move(change));
  }

  std::mutex mutex_;
  std::map<uint64_t, File> files_;  // by number; removed ones too, as they may be open
  Names names_;
  Names durable_names_;
  std::vector<std::function<void(Names*)>> name_changes_;  // since the directory was synced
  uint64_t next_file_ = 1;
};

class SimulatedFile final : public LogFile {
 public:
  SimulatedFile(SimulatedDisk* disk, uint64_t number) : disk_(disk), number_(number) {}
  int WriteAt(uint64_t position, const void* data, size_t bytes, size_t* written) override {
    const auto* from = static_cast<const uint8_t*>(data);
    uint64_t allowed = bytes;
    const int error = disk_->Do(Of(SimulatedDisk::Call::kWrite, position, {from, from + bytes}), &allowed);
    *written = allowed;
    return error;
  }
  int ReadAt(uint64_t position, void* out, size_t bytes, size_t* got) override {
    return disk_->Read(number_, position, out, bytes, got);
  }
  int DataSync() override { return Simple(SimulatedDisk::Call::kSync, 0); }
  int Allocate(uint64_t bytes) override { return Simple(SimulatedDisk::Call::kAllocate, bytes); }
  int Truncate(uint64_t bytes) override { return Simple(SimulatedDisk::Call::kTruncate, bytes); }
  int Size(uint64_t* bytes) override { return disk_->Size(number_, bytes); }
  void DropCache() override { disk_->DropCache(number_); }

 private:
  SimulatedDisk::Operation Of(SimulatedDisk::Call call, uint64_t position, SimulatedDisk::Bytes data) const {
    return {call, {}, {}, number_, position, std::move(data)};
  }
  int Simple(SimulatedDisk::Call call, uint64_t position) {
    uint64_t none = 0;
    return disk_->Do(Of(call, position, {}), &none);
  }
  SimulatedDisk* disk_;
  uint64_t number_;
};

class SimulatedFileSystem final : public LogFileSystem {
 public:
  explicit SimulatedFileSystem(SimulatedDisk* disk) : disk_(disk) {}
  int Create(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return Opened(Do(SimulatedDisk::Call::kCreate, name), name, file);
  }
  int Open(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return Opened(Do(SimulatedDisk::Call::kOpen, name), name, file);
  }
  int Rename(const std::string& from, const std::string& to) override {
    return Do(SimulatedDisk::Call::kRename, from, to);
  }
  int Remove(const std::string& name) override { return Do(SimulatedDisk::Call::kRemove, name); }
  int SyncDirectory() override { return Do(SimulatedDisk::Call::kSyncDirectory, {}); }
  int List(std::vector<std::string>* names) override { return disk_->ListTo(names); }

 private:
  int Do(SimulatedDisk::Call call, const std::string& name, const std::string& to = {}) {
    uint64_t none = 0;
    return disk_->Do({call, name, to, 0, 0, {}}, &none);
  }
  int Opened(int error, const std::string& name, std::unique_ptr<LogFile>* file) {
    if (error == 0) *file = std::make_unique<SimulatedFile>(disk_, disk_->NumberOf(name));
    return error;
  }
  SimulatedDisk* disk_;
};

}  // namespace forkstore
