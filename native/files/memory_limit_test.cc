#include "files/memory_limit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

class MemoryLimitTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = temporary_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  uint64_t Left() const { return MemoryLeftBytes(temporary_.path()); }

  TemporaryDirectory temporary_;
};

TEST_F(MemoryLimitTest, WithoutGroupsThereIsNone) {
  EXPECT_EQ(Left(), kNoMemoryLimit);
  Write("/proc/self/cgroup", "0::/\n");
  EXPECT_EQ(Left(), kNoMemoryLimit);
  Write("/proc/self/cgroup", "nothing of the kind\n::\n0:");
  EXPECT_EQ(Left(), kNoMemoryLimit);
}

TEST_F(MemoryLimitTest, OfVersion2TheLeastOfAllGroupsAbove) {
  Write("/proc/self/cgroup", "0::/service/app\n");
  Write("/sys/fs/cgroup/service/app/memory.max", "max\n");
  EXPECT_EQ(Left(), kNoMemoryLimit);
  Write("/sys/fs/cgroup/service/memory.max", "1000000\n");
  Write("/sys/fs/cgroup/service/memory.current", "400000\n");
  EXPECT_EQ(Left(), 600000u);
  Write("/sys/fs/cgroup/service/app/memory.max", "500000\n");
  Write("/sys/fs/cgroup/service/app/memory.current", "300000\n");
  EXPECT_EQ(Left(), 200000u);
  // Page cache that can go.
  Write("/sys/fs/cgroup/service/app/memory.stat", "anon 1\nactive_file 7\ninactive_file 250000\n");
  EXPECT_EQ(Left(), 450000u);
  Write("/sys/fs/cgroup/service/app/memory.current", "900000\n");
  EXPECT_EQ(Left(), 0u);
}

TEST_F(MemoryLimitTest, OfVersion1InItsOwnPlace) {
  Write("/proc/self/cgroup", "3:cpu,cpuacct:/x\n2:memory:/box\n0::/\n");
  Write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Left(), kNoMemoryLimit);
  Write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "8192000\n");
  Write("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "8000000\n");
  Write("/sys/fs/cgroup/memory/box/memory.stat", "inactive_file 5\ntotal_inactive_file 1000000");
  EXPECT_EQ(Left(), 1192000u);
}

// In a container the path is that of the host.
TEST_F(MemoryLimitTest, OfTheRootWhereThePathIsNotThere) {
  Write("/proc/self/cgroup", "0::/docker/0123\n");
  Write("/sys/fs/cgroup/memory.max", "4096\n");
  Write("/sys/fs/cgroup/memory.current", "96\n");
  EXPECT_EQ(Left(), 4000u);
}

TEST(MemoryLimit, ThatOfThisProcessCanBeRead) {
  EXPECT_GT(MemoryLeftBytes(), 0u);
}

}  // namespace
}  // namespace forkstore
