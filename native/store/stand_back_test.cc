#include "store/stand_back.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace forkstore {
namespace {

int Niceness() {
  return getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
}
long IoPriority() {
  return syscall(SYS_ioprio_get, 1 /* one thread */, 0);
}

TEST(StandBack, LowersThePrioritiesOfItsThreadAlone) {
  const int nice_before = Niceness();
  const long io_before = IoPriority();
  std::thread([] {
    StandBack();
    EXPECT_EQ(Niceness(), 10);
    // Best effort, lowest level; -1 where there is no such call (qemu-user).
    if (IoPriority() >= 0) EXPECT_EQ(IoPriority(), 2 << 13 | 7);
  }).join();
  EXPECT_EQ(Niceness(), nice_before);
  EXPECT_EQ(IoPriority(), io_before);
}

}  // namespace
}  // namespace forkstore
