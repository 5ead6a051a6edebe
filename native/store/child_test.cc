// The child and the processes around it: what happens when the parent is killed or stopped.
#include "store/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "store/snapshot.h"
#include "testing/random_arena.h"
#include "testing/start_snapshot.h"
#include "testing/stop_process.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

// An application in a process of its own, with a snapshot whose child is stopped when it has begun its file.
class ChildTest : public testing::Test {
 protected:
  static constexpr uint64_t kGeneration = 7;

  void SetUp() override {
    // So that the grandchild, whose parent is killed, comes to this process to be waited for.
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  }

  // `run` after the snapshot has started; its result is the application's exit code.
  template <typename Run>
  void StartApplication(uint32_t watchdog_ms, Run run, bool begun = true) {
    int told[2];
    ASSERT_EQ(pipe(told), 0);
    application_ = fork();
    if (application_ == 0) {
      std::unique_ptr<Directory> directory;
      if (!Directory::Open(path_, &directory).ok()) _exit(90);
      const RandomArena arena(1, 900, 1);
      SnapshotRequest request;
      request.source = arena.Source(kGeneration);
      request.watchdog_ms = watchdog_ms;
      static std::atomic<int> result{0};  // 0 running, 1 good, 2 failed
      std::unique_ptr<Snapshots> process;
      pid_t pid;
      for (;;) {
        const Status started = StartSnapshot(
            arena.arena.get(), directory.get(), request,
            [](void*, SnapshotOutcome&& outcome) { result = outcome.status.ok() ? 1 : 2; }, nullptr,
            &process);
        if (!started.ok()) _exit(91);
        pid = static_cast<pid_t>(process->child_pid());
        // Then it has far more left to write than it can before it is stopped.
        while (begun && !Exists(".tmp") && result == 0) usleep(50);
        if (StopProcess(pid) && (!begun || Exists(".tmp"))) break;
        // Unless nobody stopped it in all that time: once more.
        kill(pid, SIGCONT);
        process.reset();
        unlink(directory->ImagePath(kGeneration).c_str());
        result = 0;
      }
      if (write(told[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(92);
      const int code = run(&result);
      process.reset();
      _exit(code);
    }
    ASSERT_EQ(read(told[0], &child_, sizeof(child_)), static_cast<ssize_t>(sizeof(child_)));
    close(told[0]);
    close(told[1]);
  }

  void KillApplication() {
    kill(application_, SIGKILL);
    ASSERT_EQ(waitpid(application_, nullptr, 0), application_);
  }
  // True when the child leaves within a minute.
  bool ChildLeaves() {
    for (int i = 0; i < 60000; ++i) {
      if (waitpid(child_, nullptr, WNOHANG | __WALL) == child_) return true;
      usleep(1000);
    }
    kill(child_, SIGKILL);
    return false;
  }
  bool Exists(const std::string& suffix) const {
    return std::filesystem::exists(path_ + "/snapshot-00000000000000000007" + suffix);
  }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/store";
  pid_t application_ = -1;
  pid_t child_ = -1;
};

int WaitForever(std::atomic<int>*) {
  for (;;) pause();
}

int WaitForResult(std::atomic<int>* result) {
  while (result->load() == 0) usleep(1000);
  return result->load();
}

TEST_F(ChildTest, LeavesAndTidiesUpWhenTheParentIsKilled) {
  StartApplication(30000, WaitForever);
  KillApplication();
  EXPECT_TRUE(Exists(".tmp"));
  kill(child_, SIGCONT);
  EXPECT_TRUE(ChildLeaves());
  EXPECT_FALSE(Exists(".tmp"));
  EXPECT_FALSE(Exists(".image"));
}

TEST_F(ChildTest, BeginsNoFileWhenTheParentIsKilledBefore) {
  StartApplication(30000, WaitForever, /*begun=*/false);
  KillApplication();
  // The next owner of the directory begins the same generation; unless this child was quicker than the
  // signal.
  const bool next = !Exists(".tmp");
  if (next) WriteFileBytes(path_ + "/snapshot-00000000000000000007.tmp", {1, 2, 3});
  kill(child_, SIGCONT);
  EXPECT_TRUE(ChildLeaves());
  EXPECT_EQ(Exists(".tmp"), next);
}

TEST_F(ChildTest, DoesNotHoldTheLockWhenTheParentIsKilled) {
  StartApplication(30000, WaitForever);
  KillApplication();
  std::unique_ptr<Directory> directory;
  const Status status = Directory::Open(path_, &directory);
  EXPECT_TRUE(status.ok()) << status.message();
  kill(child_, SIGCONT);
  EXPECT_TRUE(ChildLeaves());
}

TEST_F(ChildTest, LeavesAFileOfTheSameNameThatIsNotItsOwn) {
  StartApplication(30000, WaitForever);
  KillApplication();
  // The next owner of the directory begins the same generation.
  WriteFileBytes(path_ + "/another", {1, 2, 3});
  std::filesystem::rename(path_ + "/another", path_ + "/snapshot-00000000000000000007.tmp");
  kill(child_, SIGCONT);
  EXPECT_TRUE(ChildLeaves());
  EXPECT_EQ(ReadBytes(path_ + "/snapshot-00000000000000000007.tmp"), (std::vector<uint8_t>{1, 2, 3}));
}

TEST_F(ChildTest, IsNotKilledByAWatchdogThatWasStoppedItself) {
  StartApplication(2500, WaitForResult);
  kill(application_, SIGSTOP);
  usleep(5000 * 1000);  // far beyond the watchdog's time
  kill(application_, SIGCONT);
  usleep(100 * 1000);  // the watchdog looks, and hears nothing yet
  kill(child_, SIGCONT);
  int status;
  ASSERT_EQ(waitpid(application_, &status, 0), application_);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_TRUE(Exists(".image"));
}

TEST_F(ChildTest, IsNicedNamedAndTheFirstToGoWhenMemoryRunsOut) {
  StartApplication(30000, WaitForResult);
  const std::string proc = "/proc/" + std::to_string(child_);
  std::string name, score;
  for (int i = 0; i < 20000 && score != "1000\n"; ++i) {
    kill(child_, SIGCONT);
    usleep(200);
    kill(child_, SIGSTOP);
    const std::vector<uint8_t> bytes = ReadBytes(proc + "/oom_score_adj");
    score.assign(bytes.begin(), bytes.end());
  }
  EXPECT_EQ(score, "1000\n");
  const std::vector<uint8_t> bytes = ReadBytes(proc + "/comm");
  name.assign(bytes.begin(), bytes.end());
  EXPECT_EQ(name, "forkstore-save\n");
  // Its descriptors: file, directory, pipe; and for moments the files under /proc.
  size_t descriptors = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) ++descriptors;
  EXPECT_LE(descriptors, 4u);
  kill(child_, SIGCONT);
  int status;
  ASSERT_EQ(waitpid(application_, &status, 0), application_);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace forkstore
