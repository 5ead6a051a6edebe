#include "store/fork_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "base/crc32c.h"
#include "files/file_descriptor.h"
#include "store/child.h"

namespace forkstore {

namespace {

using Clock = std::chrono::steady_clock;

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

struct ForkWriter::State {
  ChildTask task{};
  double fork_ms = 0;
  FileDescriptor progress;  // the reading end
  pid_t child = -1;
  std::atomic<uint64_t> bytes_written{0};
  ChildMessage last{};

  // Guards the child's pid against being used after waitpid(), when it may be another process's.
  std::mutex mutex;
  bool reaped = false;
  int wait_status = 0;
  bool wait_status_known = false;

  Status Clone(Arena* arena, bool* refused);
  bool Reap(int options);
  bool ReadMessages(bool* spoke);
};

ForkWriter::ForkWriter() : state_(std::make_unique<State>()) {}

Status ForkWriter::State::Clone(Arena* arena, bool* refused) {
  const std::lock_guard<std::mutex> only_one(ForkMutex());
  if (Status status = arena->ExposeToFork(); !status.ok()) {
    return AsSnapshotFailure(status);
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const Clock::time_point start = Clock::now();
  const long pid = CloneProcess();
  if (pid == 0) RunSnapshotChild(task);
  const int error = errno;
  fork_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  sigprocmask(SIG_SETMASK, &before, nullptr);
  // If hiding fails, the application's own children pay for the arena until the next snapshot; no more.
  [[maybe_unused]] const Status hidden = arena->HideFromFork();
  *refused = pid < 0;
  if (pid < 0) return Failed("fork", error);
  child = static_cast<pid_t>(pid);
  return Status::Ok();
}

Status ForkWriter::Fork(Arena* arena, Directory* directory, const SnapshotRequest& request,
                        std::unique_ptr<ForkWriter>* writer, bool* refused) {
  std::unique_ptr<ForkWriter> made(new ForkWriter);
  State& state = *made->state_;
  Crc32c("", 0);  // its first call chooses an implementation, which the child may not

  std::unique_ptr<ImageWriterSpace> space;
  if (Status status = ImageWriterSpace::Create(request.source, &space); !status.ok()) {
    return AsSnapshotFailure(status);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Failed("pipe", errno);
  state.progress.Reset(ends[0]);
  FileDescriptor child_end(ends[1]);
  state.task.source = request.source;
  state.task.space = space.get();
  state.task.directory = directory->fd();
  state.task.progress = child_end.get();
  state.task.pace = request.pace;
  const std::string name = Directory::TemporaryName(request.source.generation);
  strncpy(state.task.temporary_name, name.c_str(), sizeof(state.task.temporary_name) - 1);
  Status status = state.Clone(arena, refused);
  if (status.ok()) *writer = std::move(made);
  return status;
}

ForkWriter::~ForkWriter() {
  if (state_->child < 0 || state_->reaped) return;
  ForkWriter::Stop();
  state_->Reap(0);
}

void ForkWriter::Stop() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  if (!state_->reaped) kill(state_->child, SIGKILL);
}

// Takes over the child's exit status; true when there is no child any more. `options`: WNOHANG or 0.
bool ForkWriter::State::Reap(int options) {
  // First without taking it, outside the lock: another thread must be able to kill a child meanwhile.
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
bool ForkWriter::State::ReadMessages(bool* spoke) {
  for (;;) {
    ChildMessage message;
    const ssize_t got = read(progress.get(), &message, sizeof(message));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return true;  // EAGAIN: nothing more for now. (The watchdog ends what else there could be.)
    if (got != sizeof(message)) return false;
    *spoke = true;
    last = message;
    bytes_written.store(message.bytes_written, std::memory_order_relaxed);
  }
}

SnapshotWriter::Heard ForkWriter::Listen(uint32_t timeout_ms) {
  State& state = *state_;
  pollfd end{state.progress.get(), POLLIN, 0};
  const int ready = poll(&end, 1, static_cast<int>(timeout_ms));
  // No memory for poll(): the pipe can be read all the same.
  if (ready < 0 && errno != EINTR) usleep(timeout_ms * 1000);
  bool spoke = false;
  if (!state.ReadMessages(&spoke)) return Heard::kEnd;
  if (spoke) return Heard::kProgress;
  // The end of the pipe may fail to come while a process that was forked at the wrong moment has a copy.
  if (!state.Reap(WNOHANG)) return Heard::kNothing;
  state.ReadMessages(&spoke);
  return Heard::kEnd;
}

Status ForkWriter::End(SnapshotOutcome* outcome) {
  State& state = *state_;
  if (!state.reaped) state.Reap(0);
  state.progress.Reset();
  const ChildMessage& last = state.last;
  outcome->bytes = last.bytes_written;
  outcome->copied_bytes = last.copied_bytes;
  outcome->copied_bytes_known = last.copied_bytes_known != 0;
  // Written and synced: then it does not matter any more how the child came to its end.
  if (last.final != 0 && last.error == 0) return Status::Ok();
  if (last.final != 0) {
    const std::string call(last.call, strnlen(last.call, sizeof(last.call)));
    return Failed("the snapshot could not be written: " + call, last.error);
  }
  if (state.wait_status_known && WIFSIGNALED(state.wait_status)) {
    return Status(Code::kSnapshotFailed, "the snapshot's process was killed by signal " +
                                             std::to_string(WTERMSIG(state.wait_status)));
  }
  return Status(Code::kSnapshotFailed, "the snapshot's process ended without a word");
}

double ForkWriter::fork_ms() const {
  return state_->fork_ms;
}

int64_t ForkWriter::child_pid() const {
  return state_->child;
}

bool ForkWriter::has_ended() const {
  return state_->reaped;
}

uint64_t ForkWriter::bytes_written() const {
  return state_->bytes_written.load(std::memory_order_relaxed);
}

}  // namespace forkstore
