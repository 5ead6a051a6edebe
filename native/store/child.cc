#include "store/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "files/file_descriptor.h"
#include "store/close_descriptors.h"
#include "store/returning_chunks.h"
#include "store/stand_back.h"

namespace forkstore {

namespace {

// Handlers are the application's, and may not run here. What is sent to a whole group (by a terminal, or a
// service manager that stops it) is for the application to answer: it decides what becomes of a running
// snapshot, and SIGKILL is how. Ignored at a limit (SIGXFSZ), a write fails and says why. What is left is how
// faults of the child's own end it.
void SetUpSignals() {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = SIG_IGN;
  // Those that cannot be ignored, or are the C library's own, are refused. SIGCONT goes on all the same.
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_DFL;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) {
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// When memory runs out the child should go, not the application.
void BeTheFirstToGo() {
  const int fd = OpenRetrying(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  WriteFully(fd, "1000", 4);
  close(fd);
}

// The only process that holds the reading end is the parent.
bool ParentIsGone(int progress) {
  pollfd end{progress, 0, 0};
  return poll(&end, 1, 0) == 1 && (end.revents & POLLERR) != 0;
}

// A full pipe (the parent is stopped) loses this message, not the sum that the next one carries.
bool SendProgress(void* context, uint64_t bytes_written) {
  const int progress = static_cast<const ChildTask*>(context)->progress;
  if (ParentIsGone(progress)) return false;
  ChildMessage message;
  memset(&message, 0, sizeof(message));
  message.bytes_written = bytes_written;
  ssize_t sent;
  do {
    sent = write(progress, &message, sizeof(message));
  } while (sent < 0 && errno == EINTR);
  return sent >= 0 || errno == EAGAIN;
}

// Waits until there is room. False: the parent is gone.
bool SendLast(int progress, const ChildMessage& message) {
  for (;;) {
    if (write(progress, &message, sizeof(message)) >= 0) return true;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    pollfd end{progress, POLLOUT, 0};
    poll(&end, 1, 1000);
  }
}

// Nobody will publish the file. By now another process may have opened the directory and begun a file of
// the same name, which must stay.
void RemoveOwnFile(const ChildTask& task, int file) {
  if (FindAgain(task.directory, task.temporary_name, file) == 0) {
    unlinkat(task.directory, task.temporary_name, 0);
  }
}

// Only a new file: what has this name already may be another process's that has opened the directory since
// this one's parent was killed. A file that a failed snapshot could not remove makes this one fail, too; the
// parent then removes it, and tries again later.
int OpenFile(const ChildTask& task) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  return OpenRetrying(task.directory, task.temporary_name, kFlags, 0666);
}

}  // namespace

void RunSnapshotChild(const ChildTask& task) {
  // At once: a client's socket that stays open here keeps its connection open after the parent has closed it,
  // and the directory's lock would outlive the parent.
  const int keep[] = {task.directory, task.progress};
  CloseAllDescriptorsBut(keep, 2);
  SetUpSignals();
  // By number: ThreadSanitizer's prctl() takes a lock that another thread of the parent may have held.
  syscall(SYS_prctl, PR_SET_NAME, "forkstore-save", 0, 0, 0);
  StandBack();
  BeTheFirstToGo();
  if (ParentIsGone(task.progress)) _exit(1);

  const int file = OpenFile(task);
  // Whenever a chunk is asked for, the last one has been written: there is no other use of the staging then.
  ReturningChunks chunks(task.source, reinterpret_cast<char*>(task.space->staging()),
                         ImageWriterSpace::kStagingBytes);
  ImageWriteResult result;
  if (file >= 0) {
    result = WriteImage(task.source, &chunks, file, task.space, SendProgress, const_cast<ChildTask*>(&task),
                        task.pace);
  } else {
    result.error = errno;
    result.call = "open";
  }

  ChildMessage message;
  memset(&message, 0, sizeof(message));
  message.final = 1;
  message.bytes_written = result.file_bytes;
  message.error = result.error;
  strncpy(message.call, result.call, sizeof(message.call) - 1);
  if (result.error == 0) message.copied_bytes_known = chunks.CopiedBytes(&message.copied_bytes);
  const bool unheard = ParentIsGone(task.progress) || !SendLast(task.progress, message);
  if (unheard && file >= 0) RemoveOwnFile(task, file);
  _exit(result.error == 0 ? 0 : 1);
}

}  // namespace forkstore
