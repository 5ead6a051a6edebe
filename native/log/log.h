// Log: every change since the last snapshot, on disk before anybody is told that it is; docs/format.md,
// section 7, docs/design.md, "The log".
//
//   owner (event loop)          writer thread                     watcher thread of a snapshot
//   Append(): a memory copy
//   EndBatch(): seals, writes;
//     or hands over -------->   writes all that is sealed,
//                               one fdatasync for all,
//   durable_sequence() <------  publishes; OnProgress
//   Cut(): before the fork -->  last records, sync, new segment
//                               with its header on disk <-------  Published(): waits for it, writes the
//                                                                 manifest, removes old segments
//
// The owner never waits for a sync, with one exception: Append() when more than `hard_bound_bytes` are
// buffered. It gives what a turn has ended to the file system itself, so that the end of the process takes
// nothing of it, unless the writer is at work (it syncs, or begins a segment), more than `write_bytes` wait,
// or the last write took long: then the writer does.
//
// How store/store.h and the binding use it, in this order:
//   1. OpenStore() with OpenOptions::log makes OpenedStore::log (worker thread); then Start(), once.
//   2. After each Engine::Apply that returned kOk: Append() with the same bytes. (A DELETE that found
//      nothing may be left out; not so a CLEAR of an empty map, which takes its holder's number.) Nothing
//      else may change the engine, and an operation that is not appended may not be depended on by a later
//      one.
//   3. At the end of the turn: EndBatch(sync). sync: 'commit' mode, or somebody awaits commit().
//   4. commit(): `awaited = SequenceToAwait()`; ask for EndBatch(true) at the end of the turn; resolve once
//      durable_sequence() >= awaited, reject with failure() when state() becomes kFailed or kReadOnly. While
//      state() is not kHealthy when commit() is called: kHealing, wait; else reject at once.
//   5. Snapshot, between turns, with `generation` and no Apply from Cut to the fork: Cut(generation), then
//      Snapshots::Start with SnapshotRequest::published = Log::PublishedHook and published_context =
//      the log. When Start fails, or the outcome's status is not good: SnapshotFailed(generation). At most
//      one cut is unfinished.
//   6. OnProgress (any thread): wake the owner, who looks at durable_sequence(), state() and stats(). When
//      state() has become kFailed: reject those who wait, take a snapshot as in 5 as soon as none is under way (the
//      one under way will fail): its Cut() begins healing. kReadOnly: refuse every write with
//      failure() before Apply; try again as for kFailed after a while (a second, then longer).
//   7. close(): EndBatch(true), await the sequence, snapshot if wanted; BeginClose(); OnProgress; once
//      state() is kClosed, destroy. At the end of an environment: just destroy; what was sealed is then
//      written but not synced. The Snapshots must be destroyed before the Log, the Log before the
//      Directory.
//
// Thread safety: the owner's thread, except where a function says otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "engine/counts.h"
#include "log/log_file_system.h"
#include "log/log_format.h"
#include "log/log_manifest.h"
#include "log/log_segment_writer.h"

namespace forkstore {

struct LogOptions {
  uint64_t segment_bytes = uint64_t{64} << 20;      // more only for a single record
  uint64_t soft_bound_bytes = uint64_t{64} << 20;   // buffered: above it the log says that the disk is behind
  uint64_t hard_bound_bytes = uint64_t{256} << 20;  // buffered: above it Append() waits for the writer
  uint64_t fragment_bytes = uint64_t{4} << 20;      // of a batch that is handed on before it ends
  // Buffered: from here on written before the batch ends, and by the writer only.
  uint64_t write_bytes = uint64_t{1} << 20;
  uint32_t sync_interval_ms = 1000;  // nothing sealed stays unsynced for longer, as far as it is up to us
  bool owner_writes = true;          // what a turn has ended is written within EndBatch(), where it can be
  uint32_t long_write_ms = 2;  // after one of these the owner leaves writing to the writer, for a while:
  uint32_t rest_ms = 1000;
  // Tests: no thread is started, and the owner calls RunWriter().
  bool own_thread = true;
};

enum class LogState {
  kHealthy,
  kFailed,    // a call has failed: nothing more is written or acknowledged until a Cut() and its snapshot
  kHealing,   // between that Cut() and its Published()
  kReadOnly,  // healing has failed as well: the owner refuses writes. The next Cut() tries again
  kClosed,
};

struct LogStats {
  LogState state = LogState::kHealthy;
  uint64_t sealed_sequence = 0;   // the last batch that is whole
  uint64_t durable_sequence = 0;  // the last one that is on disk
  uint64_t buffered_bytes = 0;    // in memory, not written yet
  bool behind = false;            // buffered_bytes is above the soft bound
  uint64_t segment = 0;           // the one being written
  uint64_t segments = 0;          // on disk, that a kept generation may need
  uint64_t appended_bytes = 0;    // in this log's life: operations with their framing
  uint64_t batches = 0;           // likewise, sealed
  uint64_t syncs = 0;             // likewise, of segments
  uint64_t stalls = 0;            // times that Append() has waited
  double last_sync_ms = 0;
  double longest_sync_ms = 0;
};

// What recovery has found, or made: where the log goes on.
struct LogStart {
  StoreId store_id{};
  std::vector<LogBase> bases;  // as in the manifest, which is on disk
  LogPosition position;        // of the next record; fragment 0
  LogSegment segment;          // its header is on disk, nothing else is in it
  uint64_t segments = 1;       // how many files there are
};

class Log {
 public:
  // Called after durable_sequence() or state() has changed, or the log is no longer behind; on any thread,
  // the owner's within EndBatch() included. Must not call into the log, except for what any thread may call,
  // nor destroy it.
  using OnProgress = void (*)(void* context);

  Log(std::unique_ptr<LogFileSystem> files, LogStart start, const LogOptions& options);
  // Without BeginClose(): writes what is sealed, without sync, and stops.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Before it nothing is written; Append() and EndBatch() already work. Errors: kIo (no thread).
  Status Start(OnProgress on_progress, void* context);

  // Copies one operation to the end of the batch. Waits for the writer above the hard bound, as long as it
  // has anything to write: what has a mark before it is not handed to it yet, and not waited for. In states
  // other than kHealthy and kHealing the bytes are dropped: the snapshot that heals has their effect.
  // `after`: what the engine counts now.
  void Append(const uint8_t* operation, uint64_t bytes, const EngineCounts& after);
  // Several that are taken as one, since what the engine counts is known only after the last of them: what
  // survives a rollback.
  void Append(const std::vector<std::vector<uint8_t>>& operations, const EngineCounts& after);

  // For transactions, within one turn. RollbackTo() forgets what was appended after the mark; the engine must
  // be as it was then, shapes and maps included (what stays defined is appended again). Each mark ends with
  // RollbackTo() or Release(), inner ones first. While there is one, the batch stays in memory.
  uint64_t Mark();
  void RollbackTo(uint64_t mark);
  void Release(uint64_t mark);

  // The turn has ended: what was appended since the last call is one batch, which is handed to the system
  // within the call, or (see above) by the writer as soon as it can. `sync`: brought to the disk as soon as
  // possible (also what was sealed before, and when nothing was appended); else within sync_interval_ms.
  // REQUIRES: no mark.
  void EndBatch(bool sync);
  // For the end of a process: asks for a sync of what is sealed and waits for it, `most_ms` at most.
  void SyncSealed(uint32_t most_ms);
  // The sequence that covers everything appended so far, the unsealed batch included.
  uint64_t SequenceToAwait() const;

  // Seals, and has the next batch begin a new segment, of which `generation` is the base. No system call.
  // In kFailed and kReadOnly: drops what is buffered and begins to heal. REQUIRES: no mark, not closed, no
  // other cut unfinished.
  void Cut(uint64_t generation);
  // The snapshot of the last Cut() will not come. No effect after Published() has failed or succeeded.
  void SnapshotFailed(uint64_t generation);

  // Any thread but the owner's and the writer's: the image of the last Cut()'s generation is published. Waits
  // until its segment is on disk, publishes the manifest with the newest `keep` generations, removes segments
  // that none of them needs. Everything up to the cut is then durable, and a log that was healing is healthy.
  // *named: the generations in the manifest, rising.
  // Errors: kLogFailed (the manifest that was there stays valid; the image must be left where it is, and so
  // must all older ones).
  Status Published(uint64_t generation, uint32_t keep, std::vector<uint64_t>* named);
  // For SnapshotRequest::published; `log` is a Log*.
  static Status PublishedHook(void* log, uint64_t generation, uint32_t keep, std::vector<uint64_t>* named);

  // Syncs, writes the closing mark, gives back preallocated space; then kClosed (also when
  // that failed: failure() tells).
  void BeginClose();

  // Any thread.
  uint64_t durable_sequence() const;
  LogState state() const;
  Status failure() const;  // kLogFailed with the cause, or kOk when there was none since the last healing
  LogStats stats() const;

  // Tests, own_thread false: does what the writer would do now. `deadline_passed`: as if sync_interval_ms had
  // passed.
  void RunWriter(bool deadline_passed = true);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
