// What Log consists of; for log.cc (the owner's side) and log_writer.cc (the writer's) alone.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "base/bell.h"
#include "base/thread.h"
#include "log/log.h"
#include "log/log_buffer.h"
#include "log/log_segment_writer.h"

namespace forkstore {

// What the owner has sealed: a record to be, or the order to begin a new segment.
struct LogOrder {
  bool cut = false;
  LogPosition position;  // of the record; of the first one of the new segment
  uint64_t begin = 0;    // of the payload, in the buffer
  uint64_t end = 0;
  uint32_t operations = 0;
  bool last = false;
  EngineCounts counts;      // once the record is applied
  uint64_t generation = 0;  // of a cut
  bool after_failure = false;
};

struct Log::State {
  using Clock = std::chrono::steady_clock;

  State(std::unique_ptr<LogFileSystem> files_in, LogStart start, const LogOptions& options_in);

  // Fixed.
  const LogOptions options;
  const std::unique_ptr<LogFileSystem> files;
  const StoreId store_id;
  OnProgress on_progress = nullptr;
  void* context = nullptr;

  // The owner's.
  struct Point {
    uint64_t position;  // in the buffer
    uint32_t operations;
    size_t splits;
    bool dirty;
    EngineCounts counts;
  };
  bool started = false;
  LogPosition next;             // of the next record to be sealed
  uint64_t fragment_begin = 0;  // where its payload begins
  uint32_t operations = 0;      // in it
  bool dirty = false;           // the batch is not empty, though its bytes may have been dropped
  EngineCounts counts;          // after the last operation
  std::vector<Point> marks;
  std::vector<Point> splits;      // where the open fragment can be cut in two
  Clock::time_point rests_until;  // the writer writes until then
  bool sets_timer = false;        // `timing` has begun, and the writer has not been told

  LogBuffer buffer;

  // Shared. The mutex is held for a few instructions, never across a system call.
  mutable std::mutex mutex;
  std::atomic<LogState> state{LogState::kHealthy};  // changed under the mutex
  std::atomic<uint64_t> durable;                    // likewise
  std::vector<LogOrder> queue;
  uint64_t epoch = 0;         // counts Cuts that begin to heal: what the writer did before one counts no more
  uint64_t sealed = 0;        // the last whole batch that was sealed
  uint64_t sealed_end = 0;    // in the buffer: before it everything is the writer's
  uint64_t synced = 0;        // what a sync has covered; becomes `durable` at once, or when healed
  uint64_t sync_wanted = 0;   // up to this batch as soon as possible
  bool write_wanted = false;  // a batch has ended, or the owner waits for room
  bool timing = false;        // something sealed is unsynced, since:
  Clock::time_point unsynced_since;
  bool closing = false;
  bool stop = false;
  bool writing = false;       // somebody has claimed what is the writer's, below
  bool writer_waits = false;  // for the owner, to have written
  Status failure;
  std::vector<LogBase> bases;  // of the manifest
  struct {
    bool pending = false;
    bool done = false;  // the segment is on disk: `base` is complete
    LogBase base;
    // It began to heal, whatever has become of that since: what lies before its segment does not lead to it.
    bool after_failure = false;
  } cut;
  // The segments since the last Cut that began to heal, rising: void as long as no manifest names the first;
  // empty when one may.
  std::vector<uint64_t> attempt;
  LogStats counters;
  Bell work;      // rung for the writer
  Bell progress;  // rung by the writer

  // For the thread that has the claim (`writing`): the writer, or the owner within EndBatch(). The owner never
  // waits for it; the writer does.
  std::vector<LogOrder> taken;
  LogSegmentWriter segment;
  LogSegment prepared;  // the next segment's file
  bool may_prepare = true;
  uint64_t written = 0;  // the last whole batch that was given to the segment

  Thread thread;  // the last member: joined before the others go

  bool Accepting() const {
    const LogState now = state.load(std::memory_order_relaxed);
    return now == LogState::kHealthy || now == LogState::kHealing;
  }
  void Tell() {
    progress.Ring();
    if (on_progress != nullptr) on_progress(context);
  }

  // Owner's side (log.cc).
  void EndBatch(bool sync, bool may_write);
  void SealSplits(bool last);
  void SealOne(const Point& to, bool last);
  // One operation to the end of the buffer.
  void Copy(const uint8_t* operation, uint64_t bytes);
  // `counts` are those after the last one: a fragment may end here.
  void OperationsEnd();
  void WaitForRoom();
  // What is sealed is on its way: written at once if the owner may and can, else the writer's.
  void HandOver(bool sync, bool may_write);
  bool CanWriteNow() const;                 // REQUIRES: the mutex
  void RemoveOldSegments(uint64_t oldest);  // watcher's thread

  // Writer's side (log_writer.cc).
  void RunThread();
  int64_t TimeToWork(bool deadline_passed);  // milliseconds; 0: now; Bell::kForever
  void Turn(bool deadline_passed);
  Status WriteTaken(uint64_t turn_epoch);
  Status WriteRecord(const LogOrder& order);
  Status SyncAndConfirm();
  Status SyncSegment(uint64_t turn_epoch);
  Status NewSegment(const LogOrder& order);
  Status BeginCut(const LogOrder& order, uint64_t turn_epoch);
  void GiveUpSegment();
  void RemoveVainAttempt();
  void Fail(const Status& status, uint64_t turn_epoch);
  bool Claim();
  void GiveBackClaim();
  bool WantsReserve() const;      // REQUIRES: the claim and the mutex
  bool WantsNextSegment() const;  // REQUIRES: the claim
  bool Prepare();
  void Close();
  void DropPrepared();
};

}  // namespace forkstore
