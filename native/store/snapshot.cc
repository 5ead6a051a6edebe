#include "store/snapshot.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>

#include "base/bell.h"
#include "base/thread.h"
#include "files/memory_limit.h"
#include "store/copy_writer.h"
#include "store/fork_writer.h"

namespace forkstore {

namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// One snapshot under way.
struct Task {
  std::unique_ptr<SnapshotWriter> writer;
  uint32_t keep = 1;
  uint32_t watchdog_ms = 1;
  Snapshots::OnDone on_done = nullptr;
  void* context = nullptr;
  Status (*published)(void* context, uint64_t generation, uint32_t keep,
                      std::vector<uint64_t>* named) = nullptr;
  void* published_context = nullptr;
  Clock::time_point start;
  SnapshotOutcome outcome;
};

}  // namespace

struct Snapshots::State {
  Arena* arena;
  Directory* directory;

  std::atomic<Task*> next{nullptr};  // from the owner to the watcher
  std::atomic<bool> stop{false};
  Bell bell;

  std::atomic<int64_t> child_pid{0};
  std::atomic<uint64_t> bytes_written{0};
  std::atomic<bool> is_stuck{false};
  bool fork_refused = false;  // the owner's
  // Guards `running` against being stopped when it is not there any more. Never the owner's, but at the end.
  std::mutex mutex;
  SnapshotWriter* running = nullptr;
  // The watcher's: a writer that could not be killed. It may have ended by now.
  std::unique_ptr<SnapshotWriter> stuck;

  Thread watcher;  // last, so that it is joined before anything else goes

  void Run();
  void Watch(Task* task);
  Status Listen(Task* task);
  Status Publish(Task* task);
  void LookAtStuck();
};

Snapshots::Snapshots(Arena* arena, Directory* directory) : state_(std::make_unique<State>()) {
  state_->arena = arena;
  state_->directory = directory;
}

Snapshots::~Snapshots() {
  State& state = *state_;
  state.stop.store(true);
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (state.running != nullptr) state.running->Stop();
  }
  state.bell.Ring();
  if (state.watcher.joinable()) state.watcher.Join();
}

Status Snapshots::StartWatcher() {
  if (state_->watcher.joinable()) return Status::Ok();
  return Thread::Start([](void* argument) { static_cast<State*>(argument)->Run(); }, state_.get(),
                       "forkstore-watch", &state_->watcher);
}

void Snapshots::State::Run() {
  for (;;) {
    const uint32_t heard = bell.Count();
    if (Task* task = next.exchange(nullptr)) {
      Watch(task);
      continue;
    }
    if (stop.load()) return;
    LookAtStuck();
    bell.Sleep(heard, stuck ? 1000 : Bell::kForever);
  }
}

void Snapshots::State::LookAtStuck() {
  if (!stuck || !stuck->has_ended()) return;
  stuck.reset();
  is_stuck.store(false);
}

// Silence is counted in slices that this thread has lived through, not by the clock: when the whole process
// group, or the machine, was stopped for an hour, that is one slice, and the writer can speak again before the
// others have passed.
Status Snapshots::State::Listen(Task* task) {
  SnapshotWriter* writer = task->writer.get();
  const uint32_t slice_ms = std::clamp<uint32_t>(task->watchdog_ms / 16, 1, 1000);
  uint64_t silent_ms = 0;
  bool silent = false;
  for (;;) {
    const SnapshotWriter::Heard heard = writer->Listen(slice_ms);
    bytes_written.store(writer->bytes_written(), std::memory_order_relaxed);
    if (heard == SnapshotWriter::Heard::kEnd) break;
    if (heard == SnapshotWriter::Heard::kProgress) silent_ms = 0;
    if (heard == SnapshotWriter::Heard::kProgress || silent) continue;
    silent_ms += slice_ms;
    if (silent_ms < task->watchdog_ms) continue;
    silent = true;
    writer->Stop();
    if (!writer->can_be_killed()) break;
  }
  Status status = writer->End(&task->outcome);
  if (status.ok() || !silent || task->outcome.copies_exceeded) return status;
  return Status(Code::kSnapshotFailed,
                "the snapshot's " + std::string(writer->can_be_killed() ? "process" : "thread") +
                    " was silent for " + std::to_string(task->watchdog_ms) + " ms and has been " +
                    (writer->can_be_killed() ? "killed" : "given up"));
}

Status Snapshots::State::Publish(Task* task) {
  const uint64_t generation = task->outcome.generation;
  if (Status status = directory->Publish(generation); !status.ok()) {
    return AsSnapshotFailure(status);
  }
  std::vector<uint64_t> named;
  if (task->published != nullptr) {
    Status status = task->published(task->published_context, generation, task->keep, &named);
    if (!status.ok()) return AsSnapshotFailure(status);
  }
  directory->RemoveOldGenerations(generation, task->keep, named);
  task->outcome.path = directory->ImagePath(generation);
  return Status::Ok();
}

void Snapshots::State::Watch(Task* given) {
  const std::unique_ptr<Task> task(given);
  SnapshotOutcome& outcome = task->outcome;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    running = task->writer.get();
    if (stop.load()) running->Stop();
  }
  outcome.status = task->writer->Begin();
  if (outcome.status.ok()) outcome.status = Listen(task.get());
  {
    const std::lock_guard<std::mutex> lock(mutex);
    running = nullptr;
  }
  // Nobody wants it any more, unless it is all there.
  if (!outcome.status.ok() && stop.load()) {
    outcome.status = Status(Code::kSnapshotFailed, "the snapshot was cancelled", ECANCELED);
  }
  if (outcome.status.ok()) outcome.status = Publish(task.get());
  if (!task->writer->has_ended()) {
    // It removes its file itself: while it waits for the disk, whoever else tried might wait, too.
    stuck = std::move(task->writer);
    is_stuck.store(true);
  } else if (!outcome.status.ok()) {
    directory->RemoveTemporary(outcome.generation);
  }
  task->writer.reset();
  child_pid.store(0);
  bytes_written.store(0);
  outcome.memory_left_bytes = MemoryLeftBytes();
  outcome.duration_ms = MillisecondsSince(task->start);
  task->on_done(task->context, std::move(outcome));
}

Status Snapshots::Start(const SnapshotRequest& request, OnDone on_done, void* context) {
  State& state = *state_;
  state.fork_refused = false;
  auto task = std::make_unique<Task>();
  task->start = Clock::now();
  task->keep = std::max<uint32_t>(request.keep, 1);
  task->watchdog_ms = std::max<uint32_t>(request.watchdog_ms, 1);
  task->on_done = on_done;
  task->context = context;
  task->published = request.published;
  task->published_context = request.published_context;
  SnapshotOutcome& outcome = task->outcome;
  outcome.strategy = request.strategy;
  outcome.generation = request.source.generation;
  outcome.entries = request.source.entries;
  if (outcome.generation == 0 || outcome.generation > kMaxGeneration) {
    return Status(Code::kSnapshotFailed, "there is no generation " + std::to_string(outcome.generation),
                  EOVERFLOW);
  }
  // First, so that nothing has to be taken back when there is no thread to be had.
  if (Status status = StartWatcher(); !status.ok()) {
    return AsSnapshotFailure(status);
  }
  if (request.strategy == SnapshotStrategy::kFork) {
    if (Status status = state.directory->Check(); !status.ok()) {
      return AsSnapshotFailure(status);
    }
    std::unique_ptr<ForkWriter> writer;
    Status status = ForkWriter::Fork(state.arena, state.directory, request, &writer, &state.fork_refused);
    if (!status.ok()) return status;
    outcome.fork_ms = writer->fork_ms();
    state.child_pid.store(writer->child_pid());
    task->writer = std::move(writer);
  } else {
    if (is_stuck()) {
      return Status(Code::kSnapshotFailed, "the thread of the last snapshot still waits for the disk", EBUSY);
    }
    state.arena->Freeze(request.max_copied_bytes);
    request.frozen_table->Freeze(request.source.units);
    task->writer = std::make_unique<CopyWriter>(&state.arena->frozen(), request.frozen_table, state.directory,
                                                request.source, request.pace);
  }
  state.next.store(task.release());
  state.bell.Ring();
  return Status::Ok();
}

int64_t Snapshots::child_pid() const {
  return state_->child_pid.load();
}

uint64_t Snapshots::bytes_written() const {
  return state_->bytes_written.load(std::memory_order_relaxed);
}

bool Snapshots::fork_refused() const {
  return state_->fork_refused;
}

bool Snapshots::is_stuck() const {
  return state_->is_stuck.load();
}

}  // namespace forkstore
