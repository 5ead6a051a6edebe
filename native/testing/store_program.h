// Tests and fuzzing only: any bytes as a program on a small store whose log is on a simulated disk:
// operations, transactions, turns, snapshots, failing calls, power cuts. The oracle is a second, roomy
// engine: the image of each generation that the manifest names, and the log behind it, must give the state at
// the end of one batch, not before the last that was acknowledged.
//
//   program: steps of u8 what, and u16 with what
//   what % 32: below 16 as in testing/program_steps.h; 16 to 19 the turn ends; 20 the writer runs;
//   21 a snapshot begins; 22 and 23 it comes to an end; 24 writes are refused, or taken again; 25 a call
//   fails; 26 power cut, as seen by a second store; 27 the store is killed, and what is there goes on; else a
//   random operation
#pragma once

#include <cerrno>

#include "log/log_opening.h"
#include "log/log_recovery.h"
#include "testing/log_disk.h"
#include "testing/small_log.h"
#include "testing/store_steps.h"

namespace forkstore {

class StoreProgram final : public StoreSteps {
 public:
  struct Counted {
    uint64_t steps = 0;  // of ProgramSteps::Done: applied
    uint64_t full = 0;
    uint64_t unshaped = 0;
    uint64_t rollbacks = 0;
    uint64_t refused = 0;
    uint64_t snapshots = 0;
    uint64_t failed_snapshots = 0;
    uint64_t failures = 0;  // of the log
    uint64_t recoveries = 0;
    uint64_t lives = 0;
  };

  StoreProgram() : disk_(std::make_unique<SimulatedDisk>()) {
    OpenedStore opened;
    opened.engine = FirstStore(kMinArenaBytes);
    opened.generation = 1;
    opened.next_generation = 2;
    images_[1] = FirstImage();
    SimulatedFileSystem files(disk_.get());
    LogStart start;
    Require(StartSegment(&files, kId, {1, 0}, 1, 0, Options().segment_bytes, &start).ok(), "a log begins");
    start.bases = {{1, start.segment.number, start.segment.identity, 1}};
    Require(WriteManifest(&files, {kId, start.bases}).ok(), "a manifest can be written");
    Take(std::move(opened), std::move(start));
  }

  // Aborts when something is not as it has to be.
  Counted Run(const uint8_t* program, size_t size) {
    for (size_t at = 0; at + kStepBytes <= size; at += kStepBytes) {
      Next(program[at] % 32, program[at + 1] | uint32_t{program[at + 2]} << 8);
    }
    Finish();
    counted_.steps = done().applied;
    counted_.full = done().full;
    counted_.unshaped = done().unshaped;
    counted_.rollbacks = done().rollbacks;
    counted_.refused = refused();
    return counted_;
  }

 private:
  using StoreSteps::Take;
  static constexpr uint64_t kRoomyBytes = uint64_t{64} << 20;
  static constexpr StoreId kId = {1, 2, 3};

  LogOptions Options() const {
    LogOptions options = SmallLog();
    // In every other life the writer writes many batches at once.
    options.owner_writes = counted_.lives % 2 == 0;
    return options;
  }

  // A snapshot that has been cut.
  struct Cut {
    explicit Cut(bool* is_done) : snapshot([](void* done) { *static_cast<bool*>(done) = true; }, is_done) {}
    StoreSnapshot snapshot;
    SnapshotRequest request;
    EngineForTest::Image image;
  };

  void Take(OpenedStore opened, LogStart start) {
    opened.store_id = start.store_id = kId;
    opened.log = std::make_unique<Log>(std::make_unique<SimulatedFileSystem>(disk_.get()), std::move(start),
                                       Options());
    Require(opened.log->Start(nullptr, nullptr).ok(), "a log without a thread starts");
    TakeOver(std::move(opened));
  }

  bool log_works() { return log().state() == LogState::kHealthy || log().state() == LogState::kHealing; }

  void Next(uint32_t what, uint32_t with) {
    switch (what) {
      case 16:
      case 17:
      case 18:
      case 19:
        EndTurn(with);
        if (with % 3 == 0) RunWriter(with % 5 == 0);
        return;
      case 20:
        RunWriter(with % 2 == 0);
        return;
      case 21:
        BeginSnapshot(with);
        return;
      case 22:
      case 23:
        EndSnapshot(with);
        return;
      case 24:
        EndTurn(with / 2);
        Refuse(with % 2 == 0);
        return;
      case 25: {
        const int error = with % 3 == 0 ? EIO : with % 3 == 1 ? ENOSPC : EINTR;
        disk_->before = [left = with / 3 % 32, error](SimulatedDisk::Call, uint64_t*) mutable {
          return left-- == 0 ? error : 0;
        };
        return;
      }
      case 26: {
        std::mt19937_64 random(with);
        const auto loss = static_cast<SimulatedDisk::Loss>(with % 4);
        const auto after = disk_->AfterPowerCut(loss, &random);
        Recover(after.get(), nullptr);
        return;
      }
      case 27:
        Kill();
        return;
      default:
        Step(what % 16, with);
    }
  }

  void RunWriter(bool deadline_passed) {
    const bool worked = log_works();
    log().RunWriter(deadline_passed);
    counted_.failures += worked && !log_works();
  }

  void BeginSnapshot(uint32_t with) {
    if (cut_) return;
    EndTurn(with / 4);
    is_done_ = false;
    cut_ = std::make_unique<Cut>(&is_done_);
    cut_->request = store().CutForSnapshot({1 + with % 3, 1000}, &cut_->snapshot);
    Require(cut_->request.source.generation == store().opened().next_generation - 1,
            "a generation is used up");
    Require(images_.count(cut_->request.source.generation) == 0, "no generation is given away twice");
    cut_->image = live().Save();
    Remember();
  }

  // As child and watcher would.
  void EndSnapshot(uint32_t with) {
    if (!cut_) return;
    if (scopes() > 0) EndTurn(with / 8);  // an outcome is heard of between turns
    const uint64_t generation = cut_->request.source.generation;
    SnapshotOutcome outcome;
    outcome.generation = generation;
    if (with % 4 == 0) {
      outcome.status = Status(Code::kSnapshotFailed, "the image");
    } else {
      images_[generation] = std::move(cut_->image);
      std::vector<uint64_t> named;
      outcome.status =
          cut_->request.published(cut_->request.published_context, generation, cut_->request.keep, &named);
      if (outcome.status.ok()) {
        std::erase_if(images_, [&](const auto& image) {
          return std::find(named.begin(), named.end(), image.first) == named.end();
        });
      }
    }
    counted_.snapshots += outcome.status.ok();
    counted_.failed_snapshots += !outcome.status.ok();
    const bool ok = outcome.status.ok();
    StoreSnapshot::Done(&cut_->snapshot, std::move(outcome));
    Require(is_done_ && !live()->arena()->is_saving(), "the save has ended when on_done is called");
    store().FinishSnapshot(&cut_->snapshot);
    // Whatever the outcome, the next snapshot can come, and one that has failed heals nothing.
    Require(ok || log().state() != LogState::kHealing, "a log does not wait for what will not come");
    cut_.reset();
  }

  // Opens what is on `disk`, from each generation that the manifest names. The newest, when asked for, goes
  // to *opened and *start.
  uint64_t Recover(SimulatedDisk* disk, OpenedStore* opened, LogStart* start = nullptr) {
    ++counted_.recoveries;
    const uint64_t acknowledged = log().durable_sequence();
    SimulatedFileSystem files(disk);
    Manifest manifest;
    bool found = false;
    Require(ReadManifest(&files, &manifest, &found).ok() && found, "there is a manifest");
    uint64_t sequence = 0;
    for (const LogBase& base : manifest.bases) {
      Require(images_.count(base.generation) == 1, "the image that the manifest names is there");
      const bool newest = base == manifest.bases.back();
      LogScan scan;
      Require(ScanLog(&files, kId, base, &scan).ok() && !scan.damaged, "the log can be read");
      std::unique_ptr<Engine> engine;
      Require(EngineForTest::Load(images_[base.generation], kRoomyBytes, &engine).ok(),
              "the image can be loaded");
      ReplayResult result;
      Require(ReplayLog(&files, kId, scan, scan.next.sequence, engine.get(), nullptr, nullptr, &result).ok(),
              "the log can be replayed");
      Require(!result.refused, "what was taken is taken again");
      sequence = scan.next.sequence - 1;
      Require(sequence >= acknowledged, "what was acknowledged is there");
      EngineForTest replayed(std::move(engine));
      Require(StateOf(&replayed) == StateAt(sequence), "the state is that at the end of the batch");
      if (!newest || opened == nullptr) continue;
      Continue(&files, scan, manifest, start);
      opened->engine = replayed.Give();
      Arena* arena = opened->engine->arena();
      arena->SetMaxBytes(std::max(kMinArenaBytes, RoundUp(arena->frontier(), kHugePageBytes)));
      opened->generation = manifest.bases.back().generation;
      opened->next_generation = store().opened().next_generation;
    }
    return sequence;
  }

  // What opening does with the log (store/recovery.cc).
  void Continue(LogFileSystem* files, const LogScan& scan, const Manifest& manifest, LogStart* start) {
    Require(RemoveSegments(files, scan.void_segments).ok(), "segments can be removed");
    std::erase_if(images_, [&](const auto& image) { return image.first > manifest.bases.back().generation; });
    Require(StartSegment(files, kId, scan.next, 0, scan.highest_segment, Options().segment_bytes, start).ok(),
            "the log goes on");
    TidySegments(files, scan, manifest.bases);
    start->segments = scan.ranges.size() + 1;
    start->bases = manifest.bases;
  }

  // In the middle of whatever is under way.
  void Kill() {
    ++counted_.lives;
    auto after = disk_->AfterKill();
    OpenedStore opened;
    LogStart start;
    const uint64_t sequence = Recover(after.get(), &opened, &start);
    store().Close().Release();
    Require(store().engine() == nullptr && store().Begin().code() == Code::kInvalid, "it is closed");
    cut_.reset();
    ForgetBehind(sequence);
    disk_ = std::move(after);
    Take(std::move(opened), std::move(start));
  }

  void Finish() {
    disk_->before = nullptr;
    EndTurn(0);
    Refuse(false);
    EndSnapshot(1);
    ReadAllHeld();
    RunWriter(true);
    if (!log_works()) {
      BeginSnapshot(0);
      EndSnapshot(1);
    }
    EndTurn(0);
    log().EndBatch(/*sync=*/true);
    RunWriter(true);
    Require(log().state() == LogState::kHealthy, "on a disk that works the log does");
    Require(log().durable_sequence() == last_sequence(), "what was asked for is on disk");
    ExpectTheEnd();
    store().BeginClose();
    store().BeginClose();
    ApplyResult result;
    Bytes operation = MakeOperation(OperationCode::kClear, kFiller);
    Require(!store().Apply(operation.data(), operation.size(), &result).ok(),
            "a store that closes is written");
    RunWriter(true);
    Require(log().state() == LogState::kClosed, "the log closes");
    ExpectTheEnd();
    store().Close().Release();
  }

  void ExpectTheEnd() {
    std::mt19937_64 random(0);
    const auto after = disk_->AfterPowerCut(SimulatedDisk::Loss::kEverything, &random);
    Require(Recover(after.get(), nullptr) == last_sequence(), "nothing that was synced is lost");
  }

  std::unique_ptr<SimulatedDisk> disk_;
  std::map<uint64_t, EngineForTest::Image> images_;  // by generation
  std::unique_ptr<Cut> cut_;
  bool is_done_ = false;
  Counted counted_;
};

}  // namespace forkstore
