#include "files/lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files/file_descriptor.h"
#include "testing/temporary_directory.h"

namespace {
bool g_directories_can_be_locked = true;
}

// Stands before the C library's in this program: as on NFS, where only what can be written can be locked.
extern "C" int flock(int fd, int operation) noexcept {
  struct stat is;
  if (!g_directories_can_be_locked && fstat(fd, &is) == 0 && S_ISDIR(is.st_mode)) {
    errno = EBADF;
    return -1;
  }
  return static_cast<int>(syscall(SYS_flock, fd, operation));
}

namespace forkstore {
namespace {

class LockTest : public testing::Test {
 protected:
  ~LockTest() override { g_directories_can_be_locked = true; }
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
  const Status refused = Take(&second);
  EXPECT_EQ(refused.code(), Code::kLocked);
  EXPECT_NE(refused.message().find("this very process"), std::string::npos) << refused.message();
  EXPECT_EQ(second, nullptr);
  first.reset();
  EXPECT_TRUE(Take(&second).ok());
}

TEST_F(LockTest, AProcessOfTheSameNumberElsewhereIsAnother) {
  int ready[2], end[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(end), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  char byte = 0;
  if (child == 0) {
    close(end[1]);
    std::unique_ptr<DirectoryLock> lock;
    byte = Take(&lock).ok() ? 1 : 0;
    if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0) _exit(1);
    _exit(0);
  }
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 1);
  const std::string own = std::to_string(getpid());
  WriteFileBytes(path_, {own.begin(), own.end()});  // as a container's process 1 would, to another's
  std::unique_ptr<DirectoryLock> lock;
  const Status refused = Take(&lock);
  EXPECT_NE(refused.message().find("in use by process " + own), std::string::npos) << refused.message();
  close(end[1]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(end[0]);
  close(ready[0]);
  close(ready[1]);
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
  rmdir(path_.c_str());
  ASSERT_EQ(mkfifo(path_.c_str(), 0666), 0);
  EXPECT_EQ(Take(&lock).system_errno(), ENXIO);  // and does not wait
  unlink(path_.c_str());
  EXPECT_TRUE(Take(&lock).ok());  // what has failed holds no lock
}

TEST_F(LockTest, AFileOfAnotherUserSaysWhoAndWhatToDo) {
  if (geteuid() != 0) return;  // nobody else can make one
  WriteFileBytes(path_, {});
  ASSERT_EQ(chmod(temporary_.path().c_str(), 0777), 0);
  constexpr uid_t kOwner = 12345, kUser = 23456;
  ASSERT_EQ(chown(path_.c_str(), kOwner, 0), 0);
  ASSERT_EQ(seteuid(kUser), 0);
  std::unique_ptr<DirectoryLock> lock;
  const Status refused = Take(&lock);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(refused.code(), Code::kIo);
  EXPECT_EQ(refused.system_errno(), EACCES);
  for (const char* said : {"store/lock", "belongs to user 12345", "is user 23456", "chown -R 23456 store"}) {
    EXPECT_NE(refused.message().find(said), std::string::npos) << refused.message();
  }
  // No file, and a directory of another user.
  unlink(path_.c_str());
  ASSERT_EQ(chmod(temporary_.path().c_str(), 0755), 0);
  ASSERT_EQ(chown(temporary_.path().c_str(), kOwner, 0), 0);
  ASSERT_EQ(seteuid(kUser), 0);
  const Status no_entry = Take(&lock);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_NE(no_entry.message().find("the directory belongs to user 12345"), std::string::npos)
      << no_entry.message();
}

TEST_F(LockTest, RemovingTheFileLetsNobodyIn) {
  std::unique_ptr<DirectoryLock> first, second;
  ASSERT_TRUE(Take(&first).ok());
  unlink(path_.c_str());
  EXPECT_EQ(Take(&second).code(), Code::kLocked);
  EXPECT_FALSE(std::filesystem::exists(path_));  // nor does asking make one
  WriteFileBytes(path_, {'1', '\n'});
  EXPECT_EQ(Take(&second).code(), Code::kLocked);
  EXPECT_TRUE(first->Check().ok());
  first.reset();
  EXPECT_TRUE(Take(&second).ok());
}

TEST_F(LockTest, OlderVersionsLockTheFileAlone) {
  const FileDescriptor older(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  ASSERT_EQ(flock(older.get(), LOCK_EX | LOCK_NB), 0);
  std::unique_ptr<DirectoryLock> lock;
  EXPECT_EQ(Take(&lock).code(), Code::kLocked);
  ASSERT_EQ(flock(older.get(), LOCK_UN), 0);
  ASSERT_TRUE(Take(&lock).ok());
  EXPECT_NE(flock(older.get(), LOCK_EX | LOCK_NB), 0);  // and are kept out
}

TEST_F(LockTest, WhereDirectoriesCannotBeLockedARemovedFileIsNoticed) {
  g_directories_can_be_locked = false;
  std::unique_ptr<DirectoryLock> first, second;
  ASSERT_TRUE(Take(&first).ok());
  EXPECT_EQ(Take(&second).code(), Code::kLocked);
  EXPECT_TRUE(first->Check().ok());
  unlink(path_.c_str());
  EXPECT_EQ(first->Check().code(), Code::kIo);
  ASSERT_TRUE(Take(&second).ok());
  EXPECT_EQ(first->Check().code(), Code::kIo);
  EXPECT_TRUE(second->Check().ok());
}

}  // namespace
}  // namespace forkstore
