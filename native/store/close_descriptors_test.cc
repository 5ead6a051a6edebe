#include "store/close_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace forkstore {
namespace {

bool IsOpen(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

// In a forked process: opens many, closes all but `keep`; whether just these are left.
template <typename Close>
bool LeavesOnly(std::vector<int> keep, Close close_others) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{600, 600};
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < 300; ++i) dup2(0, 10 + i);
    dup2(0, 599);
    close_others(keep.data(), static_cast<int>(keep.size()));
    bool right = true;
    for (int fd = 0; fd < 600; ++fd) {
      right = right && IsOpen(fd) == (std::find(keep.begin(), keep.end(), fd) != keep.end());
    }
    _exit(right ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const std::vector<std::vector<int>> kKept = {{},           {0},          {1, 2}, {200, 20, 100}, {0, 1, 2},
                                             {599, 0, 30}, {31, 30, 29}, {599},  {50, 51, 0}};

TEST(CloseDescriptors, ByRange) {
  for (const auto& keep : kKept) {
    EXPECT_TRUE(LeavesOnly(keep, [](const int* fds, int count) {
      // Where the kernel has no such call, nothing may have been closed.
      if (!CloseByRange(fds, count)) CloseByListing(fds, count);
    }));
  }
}

TEST(CloseDescriptors, ByListing) {
  for (const auto& keep : kKept) EXPECT_TRUE(LeavesOnly(keep, CloseByListing));
}

TEST(CloseDescriptors, OneByOne) {
  for (const auto& keep : kKept) EXPECT_TRUE(LeavesOnly(keep, CloseOneByOne));
}

TEST(CloseDescriptors, TheBestWayThereIs) {
  for (const auto& keep : kKept) EXPECT_TRUE(LeavesOnly(keep, CloseAllDescriptorsBut));
}

}  // namespace
}  // namespace forkstore
