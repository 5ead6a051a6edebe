#include "persist/lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist/file_descriptor.h"
#include "persist/persist_test_support.h"

namespace forkstore {
namespace {

class LockTest : public testing::Test {
 protected:
  Status Take(std::unique_ptr<DirectoryLock>* lock) { return DirectoryLock::Take(fd_.get(), "store", lock); }

  TemporaryDirectory temporary_;
  FileDescriptor fd_{open(temporary_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::string path_ = temporary_.path() + "/lock";
};

TEST_F(LockTest, TakesReleasesAndNamesTheHolder) {
  std::unique_ptr<DirectoryLock> first, second;
  ASSERT_TRUE(Take(&first).ok());
  const std::vector<uint8_t> text = ReadBytes(path_);
  EXPECT_EQ(std::string(text.begin(), text.end()), std::to_string(getpid()) + "\n");
  EXPECT_EQ(Take(&second).code(), Code::kLocked);
  EXPECT_EQ(second, nullptr);
  first.reset();
  EXPECT_TRUE(Take(&second).ok());
}

TEST_F(LockTest, WhatTheFileSaysDoesNotMatter) {
  std::unique_ptr<DirectoryLock> lock;
  // Left over from a process that has crashed; nonsense; longer than any pid.
  for (const std::string text : {"1\n", "nonsense", "99999999999999999999999999999999999999", ""}) {
    WriteFileBytes(path_, {text.begin(), text.end()});
    EXPECT_TRUE(Take(&lock).ok());
    WriteFileBytes(path_, {text.begin(), text.end()});
    std::unique_ptr<DirectoryLock> second;
    const Status status = Take(&second);
    EXPECT_EQ(status.code(), Code::kLocked);
    EXPECT_NE(status.message().find("process"), std::string::npos);
    lock.reset();
  }
}

TEST_F(LockTest, ALinkOrADirectoryOfThatNameIsAnError) {
  std::unique_ptr<DirectoryLock> lock;
  WriteFileBytes(temporary_.path() + "/victim", {1, 2, 3});
  ASSERT_EQ(symlink("victim", path_.c_str()), 0);
  EXPECT_EQ(Take(&lock).system_errno(), ELOOP);
  EXPECT_EQ(ReadBytes(temporary_.path() + "/victim"), (std::vector<uint8_t>{1, 2, 3}));
  unlink(path_.c_str());
  ASSERT_EQ(mkdir(path_.c_str(), 0777), 0);
  EXPECT_EQ(Take(&lock).system_errno(), EISDIR);
}

}  // namespace
}  // namespace forkstore
