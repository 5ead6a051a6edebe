#include "store/snapshot.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "base/crc32c.h"
#include "base/thread.h"
#include "files/file_descriptor.h"
#include "store/child.h"

namespace forkstore {

namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Status Failed(const std::string& what, int error) {
  return Status(Code::kSnapshotFailed, what + ": " + ErrorText(error), error);
}

// Not fork(): its handlers belong to the application's own forks, and may allocate. No exit signal, so that
// no SIGCHLD is sent and no waitpid(-1) of the application finds this child. Where that is refused
// (qemu-user), one with SIGCHLD: a handler of the application then hears of it, and a wait for any child may
// take its exit status, which Reap() can do without.
long CloneProcess() {
  const long pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
  return pid < 0 && errno == EINVAL ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : pid;
}

// Stores of other threads may fork too: without this, what one has exposed would be copied by the other.
std::mutex& ForkMutex() {
  static std::mutex* mutex = new std::mutex;  // never destroyed: a thread may still fork at exit
  return *mutex;
}

}  // namespace

struct SnapshotProcess::State {
  Directory* directory = nullptr;
  uint32_t keep = 1;
  uint32_t watchdog_ms = 0;
  OnDone on_done = nullptr;
  void* context = nullptr;
  Status (*published)(void* context, uint64_t generation, uint32_t keep,
                      std::vector<uint64_t>* named) = nullptr;
  void* published_context = nullptr;
  Clock::time_point start;
  SnapshotOutcome outcome;
  ChildTask task{};

  std::unique_ptr<SnapshotProcess> previous;  // done, but for the end of its thread

  FileDescriptor progress;  // the reading end
  pid_t child = -1;
  std::atomic<uint64_t> bytes_written{0};

  // Guards the child's pid against being used after waitpid(), when it may be another process's.
  std::mutex mutex;
  bool reaped = false;
  bool cancelled = false;
  int wait_status = 0;
  bool wait_status_known = false;

  Thread watcher;  // last, so that it is joined before anything else goes

  Status Fork(Arena* arena);
  void Kill(bool cancel);
  bool Reap(int options);
  void Watch();
  bool ReadMessages(ChildMessage* last, bool* spoke);
  Status Judge(const ChildMessage& last, bool silent) const;
  void Finish(const ChildMessage& last, bool silent);
};

Status SnapshotProcess::State::Fork(Arena* arena) {
  const std::lock_guard<std::mutex> only_one(ForkMutex());
  if (Status status = arena->ExposeToFork(); !status.ok()) {
    return Status(Code::kSnapshotFailed, status.message(), status.system_errno());
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const Clock::time_point fork_start = Clock::now();
  const long pid = CloneProcess();
  if (pid == 0) RunSnapshotChild(task);
  const int error = errno;
  outcome.fork_ms = MillisecondsSince(fork_start);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  // If hiding fails, the application's own children pay for the arena until the next snapshot; no more.
  [[maybe_unused]] const Status hidden = arena->HideFromFork();
  if (pid < 0) return Failed("fork", error);
  child = static_cast<pid_t>(pid);
  return Status::Ok();
}

void SnapshotProcess::State::Kill(bool cancel) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (reaped) return;
  cancelled = cancelled || cancel;
  kill(child, SIGKILL);
}

// Takes over the child's exit status; true when there is no child any more. `options`: WNOHANG or 0.
bool SnapshotProcess::State::Reap(int options) {
  // First without taking it, outside the lock: the destructor must be able to kill a child meanwhile.
  siginfo_t info;
  memset(&info, 0, sizeof(info));
  int result;
  do {
    result = waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | __WALL | options);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return false;  // WNOHANG, and still there

  const std::lock_guard<std::mutex> lock(mutex);
  pid_t waited;
  do {
    waited = waitpid(child, &wait_status, __WALL | WNOHANG);
  } while (waited < 0 && errno == EINTR);
  wait_status_known = waited == child;  // else somebody else's waitpid has had it
  reaped = true;
  return true;
}

// Reads what is in the pipe. False at its end; *spoke when there was a message.
bool SnapshotProcess::State::ReadMessages(ChildMessage* last, bool* spoke) {
  for (;;) {
    ChildMessage message;
    const ssize_t got = read(progress.get(), &message, sizeof(message));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return true;  // EAGAIN: nothing more for now. (The watchdog ends what else there could be.)
    if (got != sizeof(message)) return false;
    *spoke = true;
    *last = message;
    bytes_written.store(message.bytes_written, std::memory_order_relaxed);
  }
}

void SnapshotProcess::State::Watch() {
  previous.reset();
  // Silence is counted in slices that this thread has lived through, not by the clock: when the whole process
  // group, or the machine, was stopped for an hour, that is one slice, and the child can speak again before
  // the others have passed.
  const uint32_t slice_ms = std::clamp<uint32_t>(watchdog_ms / 16, 1, 1000);
  uint64_t silent_ms = 0;
  bool silent = false;
  ChildMessage last{};
  for (;;) {
    pollfd end{progress.get(), POLLIN, 0};
    const int ready = poll(&end, 1, static_cast<int>(slice_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) usleep(slice_ms * 1000);  // no memory for poll(): the pipe can be read all the same
    bool spoke = false;
    if (!ReadMessages(&last, &spoke)) break;
    if (spoke) {
      silent_ms = 0;
      continue;
    }
    // The end of the pipe may fail to come while a process that was forked at the wrong moment has a copy.
    if (Reap(WNOHANG)) {
      ReadMessages(&last, &spoke);
      break;
    }
    silent_ms += slice_ms;
    if (silent_ms < watchdog_ms || silent) continue;
    silent = true;
    Kill(/*cancel=*/false);
  }
  if (!reaped) Reap(0);
  progress.Reset();
  Finish(last, silent);
}

Status SnapshotProcess::State::Judge(const ChildMessage& last, bool silent) const {
  if (cancelled) return Status(Code::kSnapshotFailed, "the snapshot was cancelled", ECANCELED);
  // Written and synced: then it does not matter any more how the child came to its end.
  if (last.final != 0 && last.error == 0) return Status::Ok();
  if (last.final != 0) {
    const std::string call(last.call, strnlen(last.call, sizeof(last.call)));
    return Failed("the snapshot could not be written: " + call, last.error);
  }
  if (silent) {
    return Status(Code::kSnapshotFailed, "the snapshot's process was silent for " +
                                             std::to_string(watchdog_ms) + " ms and has been killed");
  }
  if (wait_status_known && WIFSIGNALED(wait_status)) {
    return Status(Code::kSnapshotFailed,
                  "the snapshot's process was killed by signal " + std::to_string(WTERMSIG(wait_status)));
  }
  return Status(Code::kSnapshotFailed, "the snapshot's process ended without a word");
}

void SnapshotProcess::State::Finish(const ChildMessage& last, bool silent) {
  const uint64_t generation = outcome.generation;
  outcome.status = Judge(last, silent);
  if (outcome.status.ok()) {
    if (Status status = directory->Publish(generation); !status.ok()) {
      outcome.status = Status(Code::kSnapshotFailed, status.message(), status.system_errno());
    }
  }
  std::vector<uint64_t> named;
  if (outcome.status.ok() && published != nullptr) {
    if (Status status = published(published_context, generation, keep, &named); !status.ok()) {
      outcome.status = Status(Code::kSnapshotFailed, status.message(), status.system_errno());
    }
  }
  if (outcome.status.ok()) {
    directory->RemoveOldGenerations(generation, keep, named);
    outcome.path = directory->ImagePath(generation);
    outcome.bytes = last.bytes_written;
    outcome.copied_bytes = last.copied_bytes;
    outcome.copied_bytes_known = last.copied_bytes_known != 0;
  } else {
    directory->RemoveTemporary(generation);
  }
  outcome.duration_ms = MillisecondsSince(start);
  on_done(context, std::move(outcome));
}

Status SnapshotProcess::Start(Arena* arena, Directory* directory, const SnapshotRequest& request,
                              OnDone on_done, void* context, std::unique_ptr<SnapshotProcess>* process) {
  std::unique_ptr<SnapshotProcess> started(new SnapshotProcess);
  started->state_ = std::make_unique<State>();
  State& state = *started->state_;
  state.start = Clock::now();
  state.directory = directory;
  state.keep = std::max<uint32_t>(request.keep, 1);
  state.watchdog_ms = std::max<uint32_t>(request.watchdog_ms, 1);
  state.on_done = on_done;
  state.context = context;
  state.published = request.published;
  state.published_context = request.published_context;
  state.outcome.generation = request.source.generation;
  state.outcome.entries = request.source.entries;
  if (state.outcome.generation == 0 || state.outcome.generation > kMaxGeneration) {
    return Failed("there is no generation " + std::to_string(state.outcome.generation), EOVERFLOW);
  }
  if (Status status = directory->Check(); !status.ok()) {
    return Status(Code::kSnapshotFailed, status.message(), status.system_errno());
  }
  Crc32c("", 0);  // its first call chooses an implementation, which the child may not

  std::unique_ptr<ImageWriterSpace> space;
  if (Status status = ImageWriterSpace::Create(request.source, &space); !status.ok()) {
    return Status(Code::kSnapshotFailed, status.message(), status.system_errno());
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Failed("pipe", errno);
  state.progress.Reset(ends[0]);
  FileDescriptor child_end(ends[1]);
  state.task.source = request.source;
  state.task.space = space.get();
  state.task.directory = directory->fd();
  state.task.progress = child_end.get();
  const std::string name = Directory::TemporaryName(request.source.generation);
  strncpy(state.task.temporary_name, name.c_str(), sizeof(state.task.temporary_name) - 1);

  if (Status status = state.Fork(arena); !status.ok()) return status;
  state.previous = std::move(*process);
  const Status watching = Thread::Start([](void* argument) { static_cast<State*>(argument)->Watch(); },
                                        &state, "forkstore-watch", &state.watcher);
  if (!watching.ok()) {
    *process = std::move(state.previous);
    state.Kill(/*cancel=*/true);
    state.Reap(0);
    directory->RemoveTemporary(request.source.generation);
    return Status(Code::kSnapshotFailed, watching.message(), watching.system_errno());
  }
  *process = std::move(started);
  return Status::Ok();
}

SnapshotProcess::~SnapshotProcess() {
  if (!state_ || !state_->watcher.joinable()) return;
  state_->Kill(/*cancel=*/true);
  state_->watcher.Join();
}

int64_t SnapshotProcess::child_pid() const {
  return state_->child;
}

uint64_t SnapshotProcess::bytes_written() const {
  return state_->bytes_written.load(std::memory_order_relaxed);
}

}  // namespace forkstore
