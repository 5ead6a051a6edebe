// The writer's side of Log: everything that may wait for the disk.
#include <algorithm>
#include <cerrno>

#include "files/file_descriptor.h"
#include "log/log_opening.h"
#include "log/log_state.h"

namespace forkstore {

namespace {

Status CannotWrite(const LogSegment& segment, const char* what, int error) {
  return Status(
      Code::kIo,
      std::string("cannot ") + what + " " + LogSegmentName(segment.number) + ": " + ErrorText(error), error);
}

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void Log::State::RunThread() {
  for (;;) {
    const uint32_t heard = work.Count();
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (stop || state.load() == LogState::kClosed) break;
    }
    if (!Claim()) {
      work.Sleep(heard, Bell::kForever);  // the owner rings when it has written
      continue;
    }
    const int64_t wait_ms = TimeToWork(/*deadline_passed=*/false);
    bool is_idle = false;
    if (wait_ms == 0) {
      Turn(/*deadline_passed=*/false);
    } else {
      is_idle = !Prepare();
    }
    GiveBackClaim();
    if (!is_idle) continue;
    buffer.Prepare();
    work.Sleep(heard, wait_ms);
  }
  if (state.load() == LogState::kClosed) return;
  // The end of the environment: to the file system, so that only a power cut can take it. A cut that is still
  // to come is made, since the batches behind it belong into its segment.
  uint64_t last_epoch;
  taken.clear();
  {
    const std::lock_guard<std::mutex> lock(mutex);
    last_epoch = epoch;
    if (Accepting()) taken.swap(queue);
  }
  static_cast<void>(WriteTaken(last_epoch));  // there is nobody left to be told
  DropPrepared();
}

bool Log::State::Claim() {
  const std::lock_guard<std::mutex> lock(mutex);
  writer_waits = writing;
  if (!writing) {
    writing = true;
    return true;
  }
  return false;
}

void Log::State::GiveBackClaim() {
  const std::lock_guard<std::mutex> lock(mutex);
  writing = false;
}

int64_t Log::State::TimeToWork(bool deadline_passed) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (state.load() == LogState::kClosed) return Bell::kForever;
  if (closing) return 0;
  if (!Accepting()) {
    // What was sealed is to be dropped, and a segment to be given up.
    const bool left = !queue.empty() || buffer.released() < sealed_end || segment.active();
    return left ? 0 : Bell::kForever;
  }
  if (!queue.empty() && queue.back().cut) return 0;
  if (sync_wanted > synced) return 0;
  if (!queue.empty() && (write_wanted || sealed_end - buffer.released() >= options.write_bytes)) return 0;
  if (!timing) return queue.empty() ? Bell::kForever : 0;
  if (deadline_passed) return 0;
  const auto passed = static_cast<int64_t>(MillisecondsSince(unsynced_since));
  return std::max<int64_t>(0, int64_t{options.sync_interval_ms} - passed);
}

// One round: takes all that is sealed, writes it, and syncs when somebody waits or the time has come.
void Log::State::Turn(bool deadline_passed) {
  uint64_t turn_epoch;
  bool sync;
  bool close;
  bool was_behind;
  bool accepting;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    turn_epoch = epoch;
    taken.clear();
    close = closing;
    write_wanted = false;
    accepting = Accepting();
    if (!accepting) {
      queue.clear();
      buffer.Release(sealed_end);
    }
    taken.swap(queue);
    sync = sync_wanted > synced || close ||
           (timing && (deadline_passed || MillisecondsSince(unsynced_since) >= options.sync_interval_ms));
    was_behind = buffer.end() - buffer.released() > options.soft_bound_bytes;
  }
  if (accepting) {
    Status status = WriteTaken(turn_epoch);
    if (status.ok() && sync) status = SyncSegment(turn_epoch);
    if (!status.ok()) Fail(status, turn_epoch);
  } else {
    GiveUpSegment();
  }
  if (close) Close();
  if (was_behind && buffer.end() - buffer.released() <= options.soft_bound_bytes) {
    Tell();
  } else {
    progress.Ring();  // the owner may be waiting for room
  }
}

Status Log::State::WriteTaken(uint64_t turn_epoch) {
  for (const LogOrder& order : taken) {
    if (Status status = order.cut ? BeginCut(order, turn_epoch) : WriteRecord(order); !status.ok())
      return status;
    buffer.Release(order.end);
  }
  if (!segment.active()) return Status::Ok();
  const int error = segment.Flush();
  return error == 0 ? Status::Ok() : CannotWrite(segment.segment(), "write", error);
}

Status Log::State::WriteRecord(const LogOrder& order) {
  const uint64_t bytes = sizeof(LogRecordHeader) + (order.end - order.begin);
  if (segment.end() > kLogHeaderBytes && segment.end() + bytes > options.segment_bytes) {
    if (Status status = NewSegment(order); !status.ok()) return status;
  }
  LogRecordHeader header{};
  header.sequence = order.position.sequence;
  header.durable = durable.load();
  header.fragment = order.position.fragment;
  header.flags = order.last ? kLogLast : 0;
  header.operations = order.operations;
  header.shapes = order.counts.shapes;
  header.maps = order.counts.maps;
  header.next_node = order.counts.next_node;
  const int error = segment.Append(header, buffer, order.begin, order.end);
  if (error != 0) return CannotWrite(segment.segment(), "write", error);
  if (order.last) written = order.position.sequence;
  return Status::Ok();
}

// What the disk has of a file that nobody will find again is not durable, whatever the sync says.
Status Log::State::SyncAndConfirm() {
  if (const int error = segment.Sync(); error != 0) return CannotWrite(segment.segment(), "sync", error);
  return files->Confirm(LogSegmentName(segment.segment().number), segment.segment().file.get());
}

Status Log::State::SyncSegment(uint64_t turn_epoch) {
  if (!segment.active()) return Status::Ok();
  const auto start = Clock::now();
  if (Status status = SyncAndConfirm(); !status.ok()) return status;
  const double took_ms = MillisecondsSince(start);
  bool told = false;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    counters.syncs += 1;
    counters.last_sync_ms = took_ms;
    counters.longest_sync_ms = std::max(counters.longest_sync_ms, took_ms);
    if (epoch != turn_epoch || !Accepting()) return Status::Ok();
    told = written > synced;
    synced = std::max(synced, written);
    timing = !queue.empty();  // sealed meanwhile: since `start` at the earliest
    unsynced_since = start;
    if (state.load() == LogState::kHealthy) durable.store(std::max(durable.load(), synced));
  }
  if (told) Tell();
  return Status::Ok();
}

// Everything written so far is on disk, and so is a new segment's header. `order`: what comes first in it.
Status Log::State::NewSegment(const LogOrder& order) {
  const bool after_failure = order.cut && order.after_failure;
  if (after_failure) {
    GiveUpSegment();
    RemoveVainAttempt();  // first, as its space may be the room that the disk lacks
  } else if (Status status = SyncAndConfirm(); !status.ok()) {
    return status;
  }
  LogSegment fresh = std::move(prepared);
  if (!fresh.file) {
    const uint64_t number = segment.segment().number + 1;
    if (Status status = CreateSegment(files.get(), number, options.segment_bytes, &fresh); !status.ok()) {
      return status;
    }
  }
  LogSegmentHeader header{};
  header.flags = after_failure ? kLogAfterFailure : 0;
  header.store_id = store_id;
  header.first_sequence = order.position.sequence;
  header.first_fragment = order.position.fragment;
  header.base_generation = order.generation;
  if (Status status = BeginSegment(&fresh, header); !status.ok()) {
    const std::string name = LogSegmentName(fresh.number);
    fresh.file.reset();
    files->Remove(name);
    return status;
  }
  if (!after_failure) segment.Trim();
  segment.Take(std::move(fresh));
  may_prepare = true;
  const std::lock_guard<std::mutex> lock(mutex);
  if (after_failure || !attempt.empty()) attempt.push_back(segment.segment().number);
  counters.segment = segment.segment().number;
  counters.segments += 1;
  return Status::Ok();
}

// A snapshot that was to heal has failed. The segment has had no failure of its own, so it may be shortened
// to what it holds: who knows when there will be another, and the room may be wanted.
void Log::State::GiveUpSegment() {
  if (segment.active()) segment.Trim();
  segment.Abandon();
}

// However often healing fails, it leaves the segments of one attempt. What cannot be removed now will be when
// the log is healthy.
void Log::State::RemoveVainAttempt() {
  std::vector<uint64_t> vain;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    vain.swap(attempt);
  }
  if (!RemoveSegments(files.get(), vain).ok()) return;
  const std::lock_guard<std::mutex> lock(mutex);
  counters.segments -= vain.size();
}

Status Log::State::BeginCut(const LogOrder& order, uint64_t turn_epoch) {
  if (Status status = NewSegment(order); !status.ok()) return status;
  const uint64_t before = order.position.sequence - 1;
  written = before;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (epoch != turn_epoch || !Accepting()) return Status::Ok();
    synced = std::max(synced, before);
    if (state.load() == LogState::kHealthy) durable.store(std::max(durable.load(), synced));
    if (cut.pending && cut.base.generation == order.generation) {
      cut.base.segment = segment.segment().number;
      cut.base.identity = segment.segment().identity;
      cut.done = true;
    }
  }
  Tell();
  return Status::Ok();
}

// The segment is poisoned: what a failed sync has left on disk cannot be known, and a second one would not
// tell.
void Log::State::Fail(const Status& status, uint64_t turn_epoch) {
  segment.Abandon();
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (epoch != turn_epoch || !Accepting()) return;
    failure = Status(Code::kLogFailed, "the log has failed: " + status.message(), status.system_errno());
    state.store(state.load() == LogState::kHealing ? LogState::kReadOnly : LogState::kFailed);
    queue.clear();
    timing = false;
    buffer.Release(sealed_end);
  }
  Tell();
}

bool Log::State::WantsReserve() const {
  return Accepting() && segment.active() && !cut.pending && segment.WantsReserve(options.segment_bytes);
}

bool Log::State::WantsNextSegment() const {
  return Accepting() && segment.active() && !prepared.file && may_prepare &&
         segment.end() >= options.segment_bytes / 4;
}

// Makes room and the next segment's file ahead of need; false when there was nothing to do.
bool Log::State::Prepare() {
  bool wants_reserve;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    wants_reserve = WantsReserve();
  }
  if (wants_reserve && segment.Reserve(files.get(), options.segment_bytes)) return true;
  if (!WantsNextSegment()) return false;
  // If it fails, whoever needs the segment will see whether it fails still.
  may_prepare =
      CreateSegment(files.get(), segment.segment().number + 1, options.segment_bytes, &prepared).ok();
  return true;
}

void Log::State::DropPrepared() {
  if (!prepared.file) return;
  const std::string name = LogSegmentName(prepared.number);
  prepared.file.reset();
  files->Remove(name);
}

void Log::State::Close() {
  if (segment.active() && state.load() == LogState::kHealthy) {
    // All is on disk. What follows only spares the next opening a doubt, and space.
    LogRecordHeader mark{};
    mark.sequence = mark.durable = written;
    mark.flags = kLogMark;
    const bool has_batches = written != 0;
    if (!has_batches || (segment.Append(mark, buffer, 0, 0) == 0 && segment.Flush() == 0)) {
      segment.Trim();
      segment.Sync();
    }
  }
  segment.Abandon();
  DropPrepared();
  {
    const std::lock_guard<std::mutex> lock(mutex);
    state.store(LogState::kClosed);
  }
  Tell();
}

}  // namespace forkstore
