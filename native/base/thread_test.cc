#include "base/thread.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <mutex>

namespace forkstore {
namespace {

struct Seen {
  std::atomic<int> calls{0};
  bool blocked = false;
};

void Look(void* argument) {
  auto* seen = static_cast<Seen*>(argument);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  seen->blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGUSR1) == 1;
  seen->calls.fetch_add(1);
}

TEST(Thread, RunsOnceWithSignalsBlockedAndLeavesTheCallersMaskAlone) {
  Seen seen;
  Thread thread;
  EXPECT_FALSE(thread.joinable());
  ASSERT_TRUE(Thread::Start(Look, &seen, "test", &thread).ok());
  EXPECT_TRUE(thread.joinable());
  thread.Join();
  EXPECT_FALSE(thread.joinable());
  EXPECT_EQ(seen.calls.load(), 1);
  EXPECT_TRUE(seen.blocked);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
}

// A mutex of libstdc++ does nothing at all where the program was linked so that it believes itself alone.
TEST(Thread, AMutexThatIsHeldIsNotHad) {
  std::mutex mutex;
  const std::lock_guard<std::mutex> held(mutex);
  struct Other {
    std::mutex* mutex;
    bool had = false;
  } other{&mutex};
  Thread thread;
  const auto attempt = [](void* argument) {
    auto* self = static_cast<Other*>(argument);
    self->had = self->mutex->try_lock();
    if (self->had) self->mutex->unlock();
  };
  ASSERT_TRUE(Thread::Start(attempt, &other, "test", &thread).ok());
  thread.Join();
  EXPECT_FALSE(other.had);
}

TEST(Thread, UnderContentionAMutexAdmitsOne) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 5000;
  struct Shared {
    std::mutex mutex;
    std::atomic<int> inside{0};
    int most = 0;
    int64_t sum = 0;
  } shared;
  const auto count = [](void* argument) {
    auto* self = static_cast<Shared*>(argument);
    for (int i = 0; i < kRounds; ++i) {
      const std::lock_guard<std::mutex> lock(self->mutex);
      const int inside = self->inside.fetch_add(1) + 1;
      if (inside > self->most) self->most = inside;
      const int64_t sum = self->sum;
      if (i % 64 == 0) sched_yield();  // whoever could come in now would be lost from the sum
      self->sum = sum + 1;
      self->inside.fetch_sub(1);
    }
  };
  {
    Thread threads[kThreads];
    for (Thread& thread : threads) ASSERT_TRUE(Thread::Start(count, &shared, "test", &thread).ok());
  }
  EXPECT_EQ(shared.most, 1);
  EXPECT_EQ(shared.sum, int64_t{kThreads} * kRounds);
}

TEST(Thread, TheDestructorJoins) {
  Seen seen;
  {
    Thread thread;
    ASSERT_TRUE(Thread::Start(Look, &seen, "test", &thread).ok());
  }
  EXPECT_EQ(seen.calls.load(), 1);
}

}  // namespace
}  // namespace forkstore
