#include "log/log.h"

#include <algorithm>
#include <cerrno>

#include "log/log_state.h"

namespace forkstore {

namespace {

constexpr uint8_t kZeros[8] = {};

Status Failed(const Status& cause) {
  return Status(Code::kLogFailed, "the log has failed: " + cause.message(), cause.system_errno());
}

}  // namespace

Log::State::State(std::unique_ptr<LogFileSystem> files_in, LogStart start, const LogOptions& options_in)
    : options(options_in),
      files(std::move(files_in)),
      store_id(start.store_id),
      next(start.position),
      durable(start.position.sequence - 1),
      bases(std::move(start.bases)) {
  sealed = synced = sync_wanted = written = durable;
  counters.segment = start.segment.number;
  counters.segments = start.segments;
  segment.Take(std::move(start.segment));
  buffer.Prepare();
}

Log::Log(std::unique_ptr<LogFileSystem> files, LogStart start, const LogOptions& options)
    : state_(std::make_unique<State>(std::move(files), std::move(start), options)) {}

Log::~Log() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
  }
  state_->work.Ring();
  // The thread is joined by the state's end. Without one, nobody writes what is left.
}

Status Log::Start(OnProgress on_progress, void* context) {
  state_->started = true;
  state_->on_progress = on_progress;
  state_->context = context;
  if (!state_->options.own_thread) return Status::Ok();
  return Thread::Start([](void* state) { static_cast<State*>(state)->RunThread(); }, state_.get(),
                       "forkstore-log", &state_->thread);
}

void Log::Append(const uint8_t* operation, uint64_t bytes, const EngineCounts& after) {
  State& state = *state_;
  state.dirty = true;
  state.counts = after;
  if (!state.Accepting()) return;
  state.Copy(operation, bytes);
  state.OperationsEnd();
}

void Log::Append(const std::vector<std::vector<uint8_t>>& operations, const EngineCounts& after) {
  State& state = *state_;
  if (operations.empty()) return;
  state.dirty = true;
  state.counts = after;
  if (!state.Accepting()) return;
  for (const auto& operation : operations) state.Copy(operation.data(), operation.size());
  state.OperationsEnd();
}

void Log::State::Copy(const uint8_t* operation, uint64_t bytes) {
  const LogOperationHead head{static_cast<uint32_t>(bytes), 0};
  buffer.Append(&head, sizeof(head));
  buffer.Append(operation, bytes);
  if (bytes % 8 != 0) buffer.Append(kZeros, 8 - bytes % 8);
  operations += 1;
}

void Log::State::OperationsEnd() {
  const uint64_t end = buffer.end();
  const uint64_t begin = splits.empty() ? fragment_begin : splits.back().position;
  if (end - begin >= options.fragment_bytes) {
    splits.push_back({end, operations, 0, true, counts});
    if (marks.empty()) SealSplits(/*last=*/false);
  }
  if (end - buffer.released() > options.hard_bound_bytes) WaitForRoom();
}

uint64_t Log::Mark() {
  State& state = *state_;
  state.marks.push_back(
      {state.buffer.end(), state.operations, state.splits.size(), state.dirty, state.counts});
  return state.marks.size() - 1;
}

void Log::RollbackTo(uint64_t mark) {
  State& state = *state_;
  const State::Point point = state.marks[mark];
  state.marks.resize(mark);
  state.buffer.TruncateTo(point.position);
  state.operations = point.operations;
  state.splits.resize(point.splits);
  state.dirty = point.dirty;
  state.counts = point.counts;
}

void Log::Release(uint64_t mark) {
  State& state = *state_;
  state.marks.resize(mark);
  if (state.marks.empty() && !state.splits.empty()) state.SealSplits(/*last=*/false);
}

// Makes records of what lies before each split; with `last`, of the rest too, which ends the batch.
void Log::State::SealSplits(bool last) {
  const Point rest{buffer.end(), operations, 0, true, counts};
  uint32_t sealed_operations = 0;
  for (Point split : splits) {
    split.operations -= sealed_operations;
    sealed_operations += split.operations;
    SealOne(split, /*last=*/false);
  }
  splits.clear();
  operations -= sealed_operations;
  if (last) SealOne({rest.position, operations, 0, true, counts}, /*last=*/true);
}

void Log::State::SealOne(const Point& to, bool last) {
  bool ring = false;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (Accepting()) {
      queue.push_back({false, next, fragment_begin, to.position, to.operations, last, to.counts});
      // A batch that has ended is handed to the system at once: then only the system's end can take it.
      write_wanted = write_wanted || last;
      // Of the last one HandOver() tells the writer.
      ring = !last && (!timing || to.position - buffer.released() >= options.write_bytes);
      if (!timing) {
        unsynced_since = Clock::now();
        timing = sets_timer = true;
      }
    }
    counters.appended_bytes += to.position - fragment_begin;
    fragment_begin = sealed_end = to.position;
    next = last ? LogPosition{next.sequence + 1, 0} : LogPosition{next.sequence, next.fragment + 1};
    if (last) {
      sealed = next.sequence - 1;
      counters.batches += 1;
    }
  }
  if (last) operations = 0;
  if (ring) work.Ring();
}

void Log::State::WaitForRoom() {
  bool waited = false;
  for (;;) {
    const uint32_t heard = progress.Count();
    {
      const std::lock_guard<std::mutex> lock(mutex);
      const uint64_t end = buffer.end();
      const uint64_t released = buffer.released();
      if (!Accepting() || end - released <= options.hard_bound_bytes || released >= sealed_end) break;
      counters.stalls += !waited;
      write_wanted = true;
    }
    waited = true;
    if (thread.joinable()) {
      work.Ring();
      progress.Sleep(heard, Bell::kForever);
    } else if (!options.own_thread) {
      Turn(/*deadline_passed=*/false);
    } else {
      break;  // not started yet: nobody would make room
    }
  }
}

void Log::SyncSealed(uint32_t most_ms) {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  const auto end = State::Clock::now() + std::chrono::milliseconds(most_ms);
  for (;;) {
    const uint32_t heard = state.progress.Count();
    {
      const std::lock_guard<std::mutex> lock(state.mutex);
      if (!state.Accepting() || state.durable.load() >= state.sealed) return;
      state.sync_wanted = state.sealed;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - State::Clock::now()).count();
    if (left <= 0) return;
    state.work.Ring();
    state.progress.Sleep(heard, left);
  }
}

void Log::EndBatch(bool sync) {
  state_->EndBatch(sync, state_->options.owner_writes);
}

void Log::State::EndBatch(bool sync, bool may_write) {
  if (!dirty && !sync) return;
  if (dirty) SealSplits(/*last=*/true);
  dirty = false;
  HandOver(sync, may_write);
}

bool Log::State::CanWriteNow() const {
  // A writer that has waited has its turn, or syncs would be late by chance.
  if (!started || writing || writer_waits || closing || !Accepting() || queue.empty() || !segment.active())
    return false;
  uint64_t bytes = 0;
  for (const LogOrder& order : queue) {
    if (order.cut) return false;
    bytes += sizeof(LogRecordHeader) + (order.end - order.begin);
    if (bytes > options.write_bytes) return false;
  }
  return segment.end() + bytes <= options.segment_bytes;
}

void Log::State::HandOver(bool sync, bool may_write) {
  const auto start = Clock::now();
  uint64_t turn_epoch = 0;
  bool writes;
  // The writer has to know when the next sync is due.
  bool ring = sync || sets_timer;
  sets_timer = false;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (sync) sync_wanted = sealed;
    writes = may_write && start >= rests_until && CanWriteNow();
    ring = ring || (!writes && !queue.empty());
    if (writes) {
      writing = true;
      write_wanted = false;
      turn_epoch = epoch;
      taken.clear();
      taken.swap(queue);
    }
  }
  if (!writes) {
    if (ring) work.Ring();
    return;
  }
  if (const Status status = WriteTaken(turn_epoch); !status.ok()) Fail(status, turn_epoch);
  const auto end = Clock::now();
  if (end - start >= std::chrono::milliseconds(options.long_write_ms)) {
    rests_until = end + std::chrono::milliseconds(options.rest_ms);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex);
    ring = ring || writer_waits || WantsReserve() || WantsNextSegment();
    writing = false;
  }
  if (ring) work.Ring();
}

uint64_t Log::SequenceToAwait() const {
  return state_->dirty ? state_->next.sequence : state_->next.sequence - 1;
}

void Log::Cut(uint64_t generation) {
  State& state = *state_;
  // The fork comes next: no system call before it.
  state.EndBatch(/*sync=*/true, /*may_write=*/false);
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    LogOrder order;
    order.cut = true;
    order.position = state.next;
    order.begin = order.end = state.sealed_end;
    order.generation = generation;
    if (state.state.load() != LogState::kHealthy) {
      order.after_failure = true;
      state.state.store(LogState::kHealing);
      state.epoch += 1;
      state.queue.clear();
    }
    state.queue.push_back(order);
    state.cut = {true, false, {generation, 0, 0, state.next.sequence}, order.after_failure};
  }
  state.work.Ring();
}

void Log::SnapshotFailed(uint64_t generation) {
  State& state = *state_;
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (!state.cut.pending || state.cut.base.generation != generation) return;
    state.cut.pending = false;
    if (state.state.load() == LogState::kHealing) {
      state.state.store(LogState::kReadOnly);
      if (state.failure.ok()) state.failure = Status(Code::kLogFailed, "the log has failed");
    }
  }
  state.work.Ring();
  state.Tell();
}

Status Log::PublishedHook(void* log, uint64_t generation, uint32_t keep, std::vector<uint64_t>* named) {
  return static_cast<Log*>(log)->Published(generation, keep, named);
}

Status Log::Published(uint64_t generation, uint32_t keep, std::vector<uint64_t>* named) {
  State& state = *state_;
  Manifest manifest;
  manifest.store_id = state.store_id;
  for (;;) {
    const uint32_t heard = state.progress.Count();
    {
      const std::lock_guard<std::mutex> lock(state.mutex);
      if (!state.cut.pending || state.cut.base.generation != generation) {
        return Status(Code::kLogFailed, "the log has not begun a segment for this snapshot");
      }
      if (state.cut.done) {
        // A log that healed, or was about to when it failed once more, names one generation only: what is
        // behind the failure cannot be had from what is before it.
        if (!state.cut.after_failure) manifest.bases = state.bases;
        manifest.bases.push_back(state.cut.base);
        break;
      }
      if (!state.Accepting()) {
        state.cut.pending = false;
        return state.failure;
      }
    }
    if (state.options.own_thread) {
      state.progress.Sleep(heard, Bell::kForever);
    } else {
      state.Turn(/*deadline_passed=*/true);
    }
  }
  const std::vector<LogBase> all = manifest.bases;
  if (manifest.bases.size() > keep) {
    manifest.bases.erase(manifest.bases.begin(), manifest.bases.end() - std::max<uint32_t>(keep, 1));
  }
  for (const LogBase& base : manifest.bases) named->push_back(base.generation);
  bool may_be_there = false;
  const Status written = WriteManifest(state.files.get(), manifest, &may_be_there);
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.cut.pending = false;
    if (may_be_there) state.attempt.clear();
    const bool healing = state.state.load() == LogState::kHealing;
    if (written.ok()) {
      state.bases = manifest.bases;
      if (healing) {
        state.state.store(LogState::kHealthy);
        state.failure = Status::Ok();
      }
      // Of a log that has failed meanwhile, the snapshot is durable all the same.
      const uint64_t covered = state.cut.base.first_sequence - 1;
      const bool healthy = state.state.load() == LogState::kHealthy;
      state.durable.store(std::max({state.durable.load(), covered, healthy ? state.synced : 0}));
    } else {
      // The image is there, and a later manifest may name it.
      state.bases = all;
      if (healing) {
        state.failure = Failed(written);
        state.state.store(LogState::kReadOnly);
      }
    }
  }
  state.work.Ring();
  if (written.ok()) state.RemoveOldSegments(manifest.bases.front().segment);
  state.Tell();
  return written.ok() ? written : Failed(written);
}

// Failure to remove is not an error: the next snapshot, or the next opening, tries again.
void Log::State::RemoveOldSegments(uint64_t oldest) {
  std::vector<std::string> names;
  if (files->List(&names) != 0) return;
  uint64_t kept = 0;
  for (const std::string& name : names) {
    uint64_t number;
    if (!ParseLogSegmentName(name, &number)) continue;
    if (number >= oldest || files->Remove(name) != 0) ++kept;
  }
  const std::lock_guard<std::mutex> lock(mutex);
  counters.segments = kept;
}

void Log::BeginClose() {
  State& state = *state_;
  EndBatch(/*sync=*/true);
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.closing = true;
  }
  state.work.Ring();
}

uint64_t Log::durable_sequence() const {
  return state_->durable.load();
}

LogState Log::state() const {
  return state_->state.load();
}

Status Log::failure() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->failure;
}

LogStats Log::stats() const {
  const State& state = *state_;
  const std::lock_guard<std::mutex> lock(state.mutex);
  LogStats stats = state.counters;
  stats.state = state.state.load();
  stats.sealed_sequence = state.sealed;
  stats.durable_sequence = state.durable.load();
  stats.buffered_bytes = state.buffer.end() - state.buffer.released();
  stats.behind = stats.buffered_bytes > state.options.soft_bound_bytes;
  return stats;
}

void Log::RunWriter(bool deadline_passed) {
  while (state_->TimeToWork(deadline_passed) == 0) state_->Turn(deadline_passed);
}

}  // namespace forkstore
