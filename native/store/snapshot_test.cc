#include "store/snapshot.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "image/image_reader.h"
#include "testing/image.h"
#include "testing/random_arena.h"
#include "testing/start_snapshot.h"
#include "testing/stop_process.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

// Gathers what on_done gets.
class Outcome {
 public:
  static void Done(void* context, SnapshotOutcome&& outcome) {
    Outcome* self = static_cast<Outcome*>(context);
    self->outcome_ = std::move(outcome);
    self->calls_.fetch_add(1);
  }
  const SnapshotOutcome& Wait() {
    while (calls_.load() == 0) usleep(200);
    return outcome_;
  }
  int calls() const { return calls_.load(); }
  void Clear() { calls_.store(0); }

 private:
  std::atomic<int> calls_{0};
  SnapshotOutcome outcome_;
};

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Directory::Open(temporary_.path() + "/store", &directory_).ok()); }

  Status Start(const RandomArena& arena, uint64_t generation, Outcome* outcome,
               std::unique_ptr<Snapshots>* process, uint32_t watchdog_ms = 30000) {
    SnapshotRequest request;
    request.source = arena.Source(generation);
    request.keep = 2;
    request.watchdog_ms = watchdog_ms;
    return StartSnapshot(arena.arena.get(), directory_.get(), request, Outcome::Done, outcome, process);
  }

  // With a child that is stopped. One that has ended before was too quick, and there is another.
  void StartStopped(const RandomArena& arena, uint64_t generation, Outcome* outcome,
                    std::unique_ptr<Snapshots>* process, uint32_t watchdog_ms = 30000) {
    for (;;) {
      ASSERT_TRUE(Start(arena, generation, outcome, process, watchdog_ms).ok());
      if (StopProcess(static_cast<pid_t>((*process)->child_pid()))) return;
      outcome->Wait();
      process->reset();
      outcome->Clear();
      unlink(directory_->ImagePath(generation).c_str());
    }
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_->path())) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<uint64_t> Generations() const {
    std::vector<uint64_t> generations;
    EXPECT_TRUE(directory_->ListGenerations(&generations).ok());
    return generations;
  }
  // Nothing but the lock and images.
  void ExpectNoTemporaries() const {
    for (const std::string& name : Names()) EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
  }

  TemporaryDirectory temporary_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(SnapshotTest, WritesWhatWasThereAtTheForkWhateverIsWrittenMeanwhile) {
  std::mt19937_64 random(4);
  for (uint64_t generation = 1; generation <= 12; ++generation) {
    RandomArena arena(generation, 1 + random() % 600, 0.8);
    const std::vector<uint8_t> expected = ReferenceImage(arena.Source(generation));
    Outcome outcome;
    std::unique_ptr<Snapshots> process;
    const Status started = Start(arena, generation, &outcome, &process);
    ASSERT_TRUE(started.ok()) << started.message();
    while (outcome.calls() == 0) {
      const uint64_t offset = random() % (arena.table.size() * kUnitBytes / 8) * 8;
      arena.arena->Mutate<uint64_t>(offset) = random();
      arena.table[random() % arena.table.size()] ^= 3;
    }
    const SnapshotOutcome& done = outcome.Wait();
    ASSERT_TRUE(done.status.ok()) << done.status.message();
    EXPECT_EQ(done.generation, generation);
    EXPECT_EQ(done.path, directory_->ImagePath(generation));
    EXPECT_EQ(done.bytes, expected.size());
    EXPECT_EQ(done.entries, 77u);
    EXPECT_GT(done.fork_ms, 0);
    EXPECT_GT(done.duration_ms, done.fork_ms);
    EXPECT_TRUE(done.copied_bytes_known);
    process.reset();
    EXPECT_EQ(outcome.calls(), 1);
    EXPECT_TRUE(ReadBytes(directory_->ImagePath(generation)) == expected);
    EXPECT_EQ(Generations().size(), std::min<uint64_t>(generation, 2));
    EXPECT_EQ(Generations().front(), generation);
  }
  ExpectNoTemporaries();
}

TEST_F(SnapshotTest, CountsThePagesThatWereCopied) {
  for (const bool huge_pages : {false, true}) {
    RandomArena arena(1, 1600, 1, uint64_t{256} << 20, huge_pages);
    Outcome outcome;
    std::unique_ptr<Snapshots> process;
    // Stopped, so that all of the writing falls before the counting.
    StartStopped(arena, 1, &outcome, &process);
    std::mt19937_64 random(2);
    std::vector<bool> touched(1600 * kUnitBytes / kPageBytes);
    uint64_t pages = 0;
    for (int i = 0; i < 5000; ++i) {
      const uint64_t page = random() % touched.size();
      pages += !touched[page];
      touched[page] = true;
      arena.arena->Mutate<uint64_t>(page * kPageBytes) = random();
    }
    kill(static_cast<pid_t>(process->child_pid()), SIGCONT);
    const SnapshotOutcome& done = outcome.Wait();
    ASSERT_TRUE(done.status.ok()) << done.status.message();
    EXPECT_TRUE(done.copied_bytes_known);
    EXPECT_EQ(done.copied_bytes, pages * kPageBytes) << (huge_pages ? "huge" : "small");
  }
}

TEST_F(SnapshotTest, AKilledChildIsAFailureThatLeavesTheOldImage) {
  RandomArena arena(1, 800, 1);
  Outcome first, second;
  std::unique_ptr<Snapshots> process;
  ASSERT_TRUE(Start(arena, 1, &first, &process).ok());
  ASSERT_TRUE(first.Wait().status.ok());
  process.reset();

  StartStopped(arena, 2, &second, &process);
  kill(static_cast<pid_t>(process->child_pid()), SIGKILL);
  const SnapshotOutcome& done = second.Wait();
  EXPECT_EQ(done.status.code(), Code::kSnapshotFailed);
  EXPECT_NE(done.status.message().find("killed by signal 9"), std::string::npos) << done.status.message();
  EXPECT_EQ(Generations(), std::vector<uint64_t>{1});
  ExpectNoTemporaries();
}

TEST_F(SnapshotTest, TheWatchdogKillsASilentChild) {
  RandomArena arena(1, 800, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  StartStopped(arena, 1, &outcome, &process, 1000);
  const pid_t child = static_cast<pid_t>(process->child_pid());
  const SnapshotOutcome& done = outcome.Wait();
  EXPECT_EQ(done.status.code(), Code::kSnapshotFailed);
  EXPECT_NE(done.status.message().find("silent for 1000 ms"), std::string::npos) << done.status.message();
  EXPECT_GE(done.duration_ms, 900);
  EXPECT_EQ(kill(child, 0), -1);  // reaped
  ExpectNoTemporaries();
}

TEST_F(SnapshotTest, AChildThatStopsForLessThanTheWatchdogGoesOn) {
  RandomArena arena(1, 800, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  StartStopped(arena, 1, &outcome, &process, 20000);
  usleep(600 * 1000);
  EXPECT_EQ(outcome.calls(), 0);
  kill(static_cast<pid_t>(process->child_pid()), SIGCONT);
  EXPECT_TRUE(outcome.Wait().status.ok()) << outcome.Wait().status.message();
}

TEST_F(SnapshotTest, DestructionCancels) {
  RandomArena arena(1, 900, 1);
  for (int microseconds : {0, 100, 1000, 5000, 20000, 100000}) {
    Outcome outcome;
    std::unique_ptr<Snapshots> process;
    ASSERT_TRUE(Start(arena, 1, &outcome, &process).ok());
    usleep(static_cast<useconds_t>(microseconds));
    const pid_t child = static_cast<pid_t>(process->child_pid());
    process.reset();
    EXPECT_EQ(outcome.calls(), 1);
    if (child != 0) {  // else it had ended before
      EXPECT_EQ(kill(child, 0), -1);
    }
    const SnapshotOutcome& done = outcome.Wait();
    EXPECT_EQ(Generations().empty(), !done.status.ok());
    ExpectNoTemporaries();
    if (!done.status.ok()) {
      EXPECT_NE(done.status.message().find("cancelled"), std::string::npos);
    }
    unlink(directory_->ImagePath(1).c_str());
  }
}

TEST_F(SnapshotTest, NamesTheCallThatFailedInTheChild) {
  RandomArena arena(1, 400, 1);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  rlimit small{10 * kMiB, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  const Status started = Start(arena, 1, &outcome, &process);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, ignored);
  ASSERT_TRUE(started.ok());
  const SnapshotOutcome& done = outcome.Wait();
  EXPECT_EQ(done.status.code(), Code::kSnapshotFailed);
  // The default of SIGXFSZ, which the child has again, ends a process.
  const std::string& message = done.status.message();
  EXPECT_TRUE(message.find("fallocate") != std::string::npos ||
              message.find("signal " + std::to_string(SIGXFSZ)) != std::string::npos)
      << message;
  ExpectNoTemporaries();
}

TEST_F(SnapshotTest, FailsToStartWithoutDescriptors) {
  RandomArena arena(1, 10, 1);
  // (UBSan takes a pipe to look at an object whose type it has not met: there may be none below.)
  Outcome first;
  std::unique_ptr<Snapshots> with_all;
  ASSERT_TRUE(Start(arena, 1, &first, &with_all).ok());
  EXPECT_TRUE(first.Wait().status.ok());
  with_all.reset();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Each of the descriptors it needs in turn.
  int succeeded = 0;
  const int next = dup(0);
  close(next);
  for (int room = 0; room < 6; ++room) {
    rlimit small{static_cast<rlim_t>(next + room), before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
    Outcome outcome;
    std::unique_ptr<Snapshots> process;
    const Status started = Start(arena, 1, &outcome, &process);
    if (started.ok()) outcome.Wait();
    setrlimit(RLIMIT_NOFILE, &before);
    process.reset();
    EXPECT_EQ(outcome.calls(), started.ok() ? 1 : 0);
    if (!started.ok()) {
      EXPECT_EQ(started.code(), Code::kSnapshotFailed);
      EXPECT_EQ(started.system_errno(), EMFILE);
    }
    succeeded += started.ok();
    ExpectNoTemporaries();
  }
  EXPECT_GT(succeeded, 0);
  EXPECT_LT(succeeded, 6);
}

TEST_F(SnapshotTest, FailsToPublishIntoADirectoryThatIsGone) {
  RandomArena arena(1, 100, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  StartStopped(arena, 1, &outcome, &process);
  std::filesystem::remove_all(directory_->path());
  kill(static_cast<pid_t>(process->child_pid()), SIGCONT);
  EXPECT_EQ(outcome.Wait().status.code(), Code::kSnapshotFailed);
  EXPECT_EQ(outcome.Wait().status.system_errno(), ENOENT);
}

TEST_F(SnapshotTest, ClosesWhatItInheritsAtOnce) {
  RandomArena arena(1, 900, 1);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  StartStopped(arena, 1, &outcome, &process);
  // It goes on for moments until it has closed it, and is there for all of what follows.
  const pid_t child = static_cast<pid_t>(process->child_pid());
  const std::string socket = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(pair[0]));
  const auto is_open = [&] {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(child) + "/fd")) {
      if (std::filesystem::read_symlink(entry) == socket) return true;
    }
    return false;
  };
  while (is_open()) {
    kill(child, SIGCONT);
    usleep(50);
    ASSERT_TRUE(StopProcess(child));
  }
  close(pair[0]);
  pollfd peer{pair[1], POLLIN, 0};
  ASSERT_EQ(poll(&peer, 1, 60000), 1);
  char byte;
  EXPECT_EQ(read(pair[1], &byte, 1), 0);
  close(pair[1]);
  kill(static_cast<pid_t>(process->child_pid()), SIGCONT);
  EXPECT_TRUE(outcome.Wait().status.ok());
}

TEST_F(SnapshotTest, IsNotSeenByTheApplicationsOwnWaiting) {
  static std::atomic<int> child_signals{0};
  const auto before = signal(SIGCHLD, [](int) { child_signals.fetch_add(1); });
  RandomArena arena(1, 100, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  ASSERT_TRUE(Start(arena, 1, &outcome, &process).ok());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_TRUE(outcome.Wait().status.ok());
  EXPECT_EQ(child_signals.load(), 0);
  signal(SIGCHLD, before);
}

TEST_F(SnapshotTest, SurvivesWhatIsSentToAGroupAndRunsNoHandlerOfTheApplication) {
  static std::atomic<int> handled{0};
  const auto before_int = signal(SIGINT, [](int) { handled.fetch_add(1); });
  RandomArena arena(1, 900, 1);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  ASSERT_TRUE(Start(arena, 1, &outcome, &process).ok());
  // At once, too: while the child is still setting itself up, they are blocked.
  for (int i = 0; i < 50; ++i) {
    for (const int number :
         {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE, SIGTERM, SIGALRM, SIGVTALRM,
          SIGPROF, SIGIO, SIGPWR, SIGXCPU, SIGXFSZ, SIGRTMIN, SIGRTMAX}) {
      kill(static_cast<pid_t>(process->child_pid()), number);
    }
    usleep(500);
  }
  EXPECT_TRUE(outcome.Wait().status.ok()) << outcome.Wait().status.message();
  EXPECT_EQ(handled.load(), 0);
  signal(SIGINT, before_int);
}

TEST_F(SnapshotTest, LeavesTheCallersSignalMaskAndDescriptorsAsTheyWere) {
  RandomArena arena(1, 20, 1);
  sigset_t mask, before, after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigprocmask(SIG_SETMASK, &mask, &before);
  const int next = dup(0);
  close(next);
  Outcome outcome;
  std::unique_ptr<Snapshots> process;
  ASSERT_TRUE(Start(arena, 1, &outcome, &process).ok());
  sigprocmask(SIG_SETMASK, &before, &after);
  EXPECT_EQ(sigismember(&after, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&after, SIGUSR1), 0);
  EXPECT_TRUE(outcome.Wait().status.ok());
  process.reset();
  const int again = dup(0);
  close(again);
  EXPECT_EQ(next, again);
}

TEST_F(SnapshotTest, TwoStoresInTwoThreads) {
  std::thread threads[2];
  std::atomic<int> good{0};
  for (int t = 0; t < 2; ++t) {
    threads[t] = std::thread([this, t, &good] {
      std::unique_ptr<Directory> directory;
      ASSERT_TRUE(Directory::Open(temporary_.path() + "/" + std::to_string(t), &directory).ok());
      RandomArena arena(static_cast<uint64_t>(t), 100, 1);
      for (uint64_t generation = 1; generation <= 15; ++generation) {
        SnapshotRequest request;
        request.source = arena.Source(generation);
        Outcome outcome;
        std::unique_ptr<Snapshots> process;
        ASSERT_TRUE(
            StartSnapshot(arena.arena.get(), directory.get(), request, Outcome::Done, &outcome, &process)
                .ok());
        EXPECT_TRUE(outcome.Wait().status.ok()) << outcome.Wait().status.message();
        good += outcome.Wait().status.ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good.load(), 30);
}

}  // namespace
}  // namespace forkstore
