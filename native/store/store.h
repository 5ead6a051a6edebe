// Store: one store, without Node: the engine, the log that follows it, the directory that both are kept in,
// and its snapshots. What couples them is here and nowhere else: which operations the log gets, what becomes
// of them in a transaction, and what must happen around a fork.
//
//   Apply() ------------> Engine::Apply --- taken ---> Log::Append
//   Begin() ------------> Engine::Begin,               Log::Mark
//   Commit() -----------> Engine::Commit,              Log::Release
//   Rollback() ---------> Engine::Rollback,            Log::RollbackTo, Log::Append of what survives
//   StartSnapshot() ----> Arena::BeginSave,            Log::Cut         (store_snapshot.h)
//                         the fork or Arena::Freeze
//
// Invariants
//  1. An image, and the operations that the log holds behind its cut, in their order, give the engine's state,
//     with the same ids (Engine::counts()), whatever room there is to replay them in.
//  2. So an operation is in the log, once, when the engine has taken it and it has changed something, with the
//     bytes that were taken in the end. One that was refused, or has changed nothing, is not.
//  3. The log has one mark for each open transaction. Of one that was rolled back it holds what the engine
//     did not take back, and nothing else.
//  4. While writes are refused, no Apply() changes the engine or the log. Open transactions can be ended.
//  5. Nothing is applied between the log's cut and the fork or freeze: both are in one call.
//  6. No generation is given to two snapshots, whatever became of the first. None is above kMaxGeneration.
//
// A store without a log (memory only, durability 'snapshot') is the same without what concerns the log.
//
// Thread safety: one thread, the owner's. Open() may run on another one before, and StoreRemains be released
// on another one after. The watcher of a snapshot and the log's writer use what they were given, never this
// class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/recovery.h"
#include "store/store_remains.h"
#include "store/store_snapshot.h"

namespace forkstore {

class Store {
 public:
  // OpenStore(), and the engine's helper thread. Blocks on disk: not for the owner's thread. Errors: as
  // OpenStore(); everything has been given back by then, the lock included.
  static Status Open(const std::string& path, const OpenOptions& options, OpenedStore* opened);

  // REQUIRES: opened.engine; a log was not appended to, and has no mark.
  explicit Store(OpenedStore opened);
  // Without Close(), releases everything in the order of StoreRemains.
  ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // nullptr once the store is closed. To read from, to Reclaim(), and for items that are held: what Apply()
  // and transactions do to it goes through this class.
  Engine* engine() const { return opened_.engine.get(); }
  // nullptr when the store keeps none, or is closed. To start, to end batches, and to ask: appending, marks,
  // cuts and the beginning of the close go through this class.
  Log* log() const { return opened_.log.get(); }
  // What opening has found. Engine, log and directory are gone once the store is closed.
  const OpenedStore& opened() const { return opened_; }

  // The one way to the engine. Where memory is short, a DELETE_MEMBER becomes an operation that does without
  // a new shape: the bytes are then changed, and what the log holds is the changed ones. REQUIRES: not
  // closed; 8-aligned. kHeld REQUIRES: no transaction is open. Errors: Engine::Apply's, and while writes are
  // refused the log's failure (kLogFailed, or kInvalid where there is no log); either way nothing has
  // changed.
  Status Apply(uint8_t* operation, size_t size, ApplyResult* result,
               RemovedItems removed = RemovedItems::kGo) {
    if (refuses_writes_) [[unlikely]]
      return WriteRefusal();
    Status status = engine()->Apply(operation, size, result, removed);
    if (status.code() == Code::kFull && DoWithoutShape(operation)) {
      status = engine()->Apply(operation, size, result);
    }
    if (opened_.log && status.ok() && !IsIdle(operation, *result)) {
      opened_.log->Append(operation, size, engine()->counts());
    }
    return status;
  }
  // The same for a SPLICE whose items are to be held. Errors: also kInvalid within a transaction.
  Status ApplyHolding(uint8_t* operation, size_t size, ApplyResult* result);

  // Transactions, nested; within one turn: REQUIRES: none is open where a batch ends. Errors: kInvalid when
  // the store is closed, and of the latter two when none is open.
  Status Begin();
  Status Commit();
  Status Rollback();

  // While it is set, every Apply() is refused. To be changed between turns only: no turn shall write one half
  // of what it means to.
  void RefuseWrites(bool refuse) { refuses_writes_ = refuse; }
  // No write and no snapshot after it; the log ends its batch and becomes kClosed on its own time. Once is
  // enough. REQUIRES: there is a log; no transaction is open.
  void BeginClose();

  // A snapshot, of which there is one at a time: PrepareSnapshot() until it is ready, once a turn; then
  // StartSnapshot(), or ForgoSnapshot(); FinishSnapshot() ends it.

  // Chooses the strategy, and for a fork asks the helper thread to rest, without waiting. *ready: it does, until
  // StartSnapshot() or ForgoSnapshot(). Else a transaction is open, or the thread is at a step, and another turn
  // may try again. Errors: kInvalid when the store is closed or about to be, has no directory, or its last
  // snapshot waits for FinishSnapshot(); *ready is false.
  Status PrepareSnapshot(const SnapshotSettings& settings, bool* ready);
  // There will be no StartSnapshot().
  void ForgoSnapshot();
  // Cuts the log, and forks or freezes; where kAuto's fork is refused, freezes. Whatever comes of it,
  // snapshot->outcome() tells, once snapshot's on_done has been called: by the watcher, or within this call when
  // there is no writer (kSnapshotFailed). REQUIRES: PrepareSnapshot() was ready, on this turn, with the same
  // settings.
  void StartSnapshot(const SnapshotSettings& settings, StoreSnapshot* snapshot);
  // StartSnapshot() without a writer: for tests, which write the image themselves, call request.published,
  // and StoreSnapshot::Done(). The log is cut, and the marks of changed pages are taken over. Gives the next
  // generation away. REQUIRES: no transaction is open.
  SnapshotRequest CutForSnapshot(const SnapshotSettings& settings, StoreSnapshot* snapshot);
  // What the owner has to do about an outcome: tells the log of a failure, and the helper thread what to put
  // together again; copies no more pages. REQUIRES: on_done was called; the store is not closed.
  void FinishSnapshot(StoreSnapshot* snapshot);
  // Of the snapshot under way; 0 when there is none.
  uint64_t snapshot_bytes_written() const { return snapshot_runs_ ? opened_.snapshots->bytes_written() : 0; }

  // Ends the store at once, a snapshot under way included: hands over what takes time to give back. What was
  // not synced (BeginClose) may be lost. Empty when that has been done.
  StoreRemains Close();

 private:
  Status WriteRefusal() const;
  StrategyChoice Choose(const SnapshotSettings& settings);
  Status Freeze(const SnapshotSettings& settings, SnapshotRequest* request);
  void Learn(const StoreSnapshot& snapshot);

  OpenedStore opened_;
  std::vector<uint64_t> marks_;  // of the log, one for each open transaction
  bool refuses_writes_ = false;
  bool is_closing_ = false;
  bool has_cut_ = false;          // from the cut to FinishSnapshot(), with or without a writer
  bool snapshot_runs_ = false;    // there is a writer
  double snapshot_asked_ms_ = 0;  // when PrepareSnapshot() was last called
  StrategyChoice choice_;         // its
  StrategyFacts facts_;           // what snapshots so far have told
  // Until a memory limit, as read when the store took mapped_when_read_.
  uint64_t memory_left_bytes_ = 0;
  uint64_t mapped_when_read_ = 0;
  uint32_t forks_to_come_ = 0;  // before kCopy is tried again, after copies were exceeded
};

}  // namespace forkstore
