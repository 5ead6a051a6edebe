#include "base/thread.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>

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
