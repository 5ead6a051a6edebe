// Snapshots where the system makes no process without an exit signal, as under qemu-user.
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "store/snapshot.h"
#include "testing/image.h"
#include "testing/random_arena.h"
#include "testing/start_snapshot.h"
#include "testing/temporary_directory.h"

namespace {

using SyscallFunction = long (*)(long, ...);
// Looked up before main(): the child must not enter the dynamic linker.
const auto g_real_syscall = reinterpret_cast<SyscallFunction>(dlsym(RTLD_NEXT, "syscall"));

}  // namespace

// Stands before the C library's in this program.
extern "C" long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_clone && (a[0] & 0xff) == 0) {
    errno = EINVAL;
    return -1;
  }
  return g_real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

namespace forkstore {
namespace {

class CloneTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Directory::Open(temporary_.path() + "/store", &directory_).ok()); }

  // True when the snapshot is there as it should be. `meanwhile` is called again and again.
  template <typename Meanwhile>
  bool Snapshot(Meanwhile meanwhile) {
    const RandomArena arena(3, 200, 0.8);
    SnapshotRequest request;
    request.source = arena.Source(1);
    std::atomic<int> done{0};
    std::unique_ptr<Snapshots> process;
    const Status started = StartSnapshot(
        arena.arena.get(), directory_.get(), request,
        [](void* context, SnapshotOutcome&& outcome) {
          *static_cast<std::atomic<int>*>(context) = outcome.status.ok() ? 1 : 2;
        },
        &done, &process);
    EXPECT_TRUE(started.ok()) << started.message();
    if (!started.ok()) return false;
    while (done.load() == 0) meanwhile();
    process.reset();
    return done.load() == 1 && ReadBytes(directory_->ImagePath(1)) == ReferenceImage(arena.Source(1));
  }

  TemporaryDirectory temporary_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(CloneTest, TheChildHasSigchld) {
  static std::atomic<int> heard{0};
  const auto before = signal(SIGCHLD, [](int) { heard.fetch_add(1); });
  EXPECT_TRUE(Snapshot([] { usleep(100); }));
  EXPECT_EQ(heard.load(), 1);
  signal(SIGCHLD, before);
}

TEST_F(CloneTest, TheApplicationMayTakeItsExitStatus) {
  EXPECT_TRUE(Snapshot([] { waitpid(-1, nullptr, WNOHANG); }));
}

TEST_F(CloneTest, TheSystemMayTakeItsExitStatus) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  EXPECT_TRUE(Snapshot([] { usleep(100); }));
  signal(SIGCHLD, before);
}

}  // namespace
}  // namespace forkstore
