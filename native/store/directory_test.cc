#include "store/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/crc32c.h"
#include "image/image_reader.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

class DirectoryTest : public testing::Test {
 protected:
  Status Open(std::unique_ptr<Directory>* directory) { return Directory::Open(path_, directory); }
  void Touch(const std::string& name) const { WriteFileBytes(path_ + "/" + name, {1}); }
  bool Exists(const std::string& name) const { return std::filesystem::exists(path_ + "/" + name); }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/a/b/c";
};

TEST_F(DirectoryTest, IsMadeWithItsParents) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Directory::Open(path_ + "//", &directory).ok());
  EXPECT_TRUE(std::filesystem::is_directory(path_));
  EXPECT_EQ(directory->path(), path_);
  EXPECT_EQ(directory->ImagePath(12), path_ + "/snapshot-00000000000000000012.image");
  EXPECT_EQ(directory->TemporaryPath(~uint64_t{0}), path_ + "/snapshot-18446744073709551615.tmp");
}

TEST_F(DirectoryTest, UnusablePathsAreErrors) {
  std::unique_ptr<Directory> directory;
  EXPECT_EQ(Directory::Open("", &directory).code(), Code::kIo);
  EXPECT_EQ(Directory::Open(std::string("a\0b", 3), &directory).code(), Code::kIo);
  WriteFileBytes(temporary_.path() + "/file", {1});
  EXPECT_EQ(Directory::Open(temporary_.path() + "/file", &directory).system_errno(), ENOTDIR);
  EXPECT_EQ(Directory::Open(temporary_.path() + "/file/x", &directory).system_errno(), ENOTDIR);
  EXPECT_EQ(Directory::Open("/proc/none/x", &directory).code(), Code::kIo);
  EXPECT_EQ(Directory::Open(temporary_.path() + "/" + std::string(300, 'x'), &directory).system_errno(),
            ENAMETOOLONG);
}

// The longest path that can be opened leaves no room for the name of a file in it.
TEST_F(DirectoryTest, ThePathMayBeAsLongAsTheSystemTakes) {
  for (const size_t length : {4000, 4060, 4090, 4094, 4095, 4096, 5000}) {
    std::string path = temporary_.path() + "/" + std::to_string(length);
    while (path.size() + 1 < length) {
      path += "/" + std::string(std::min<size_t>(200, length - path.size() - 1), 'x');
    }
    path.resize(length, 'x');
    std::unique_ptr<Directory> directory;
    const Status status = Directory::Open(path, &directory);
    if (length >= 4096) {
      EXPECT_EQ(status.system_errno(), ENAMETOOLONG) << length;
      continue;
    }
    ASSERT_TRUE(status.ok()) << length << status.message();
    int fd = -1;
    ASSERT_TRUE(directory->CreateTemporary(1, &fd).ok()) << length;
    close(fd);
    EXPECT_TRUE(directory->Publish(1).ok()) << length;
    EXPECT_TRUE(directory->WriteIdentity(StoreId{7}).ok()) << length;
    std::vector<uint64_t> generations;
    EXPECT_TRUE(directory->ListGenerations(&generations).ok()) << length;
    EXPECT_EQ(generations.size(), 1u) << length;
    std::unique_ptr<ImageFile> file;
    EXPECT_TRUE(ImageFile::Open(directory->fd(), Directory::ImageName(1), &file).ok()) << length;
  }
}

TEST_F(DirectoryTest, AMovedOneIsTheSame) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  ASSERT_TRUE(directory->WriteIdentity(StoreId{7}).ok());
  const std::string moved = temporary_.path() + "/moved";
  std::filesystem::rename(path_, moved);
  std::unique_ptr<Directory> other;
  ASSERT_TRUE(Open(&other).ok());  // anew, in the old place
  EXPECT_TRUE(directory->Check().ok());
  StoreId id{};
  bool found = false;
  ASSERT_TRUE(directory->ReadIdentity(&id, &found).ok());
  EXPECT_TRUE(found);
  int fd = -1;
  ASSERT_TRUE(directory->CreateTemporary(3, &fd).ok());
  close(fd);
  ASSERT_TRUE(directory->Publish(3).ok());
  EXPECT_TRUE(std::filesystem::exists(moved + "/" + Directory::ImageName(3)));
  EXPECT_FALSE(Exists(Directory::ImageName(3)));
}

TEST_F(DirectoryTest, NothingIsPublishedIntoOneThatWasRemoved) {
  std::unique_ptr<Directory> directory, other;
  ASSERT_TRUE(Open(&directory).ok());
  int fd = -1;
  ASSERT_TRUE(directory->CreateTemporary(3, &fd).ok());
  close(fd);
  std::filesystem::remove_all(path_);
  ASSERT_TRUE(Open(&other).ok());
  for (const Status& status :
       {directory->Check(), directory->Publish(3), directory->CreateTemporary(4, &fd)}) {
    EXPECT_EQ(status.system_errno(), ENOENT);
    EXPECT_NE(status.message().find(path_ + " has been removed"), std::string::npos) << status.message();
  }
  EXPECT_FALSE(Exists(Directory::ImageName(3)));
}

TEST_F(DirectoryTest, IsLockedAgainstThisProcessToo) {
  std::unique_ptr<Directory> first, second;
  ASSERT_TRUE(Open(&first).ok());
  const Status status = Open(&second);
  EXPECT_EQ(status.code(), Code::kLocked);
  EXPECT_NE(status.message().find(path_ + " is open in this very process already"), std::string::npos)
      << status.message();
  first.reset();
  EXPECT_TRUE(Open(&second).ok());
}

TEST_F(DirectoryTest, TwoProcessesExcludeEachOther) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t other = fork();
  if (other == 0) {
    std::unique_ptr<Directory> directory;
    const bool opened = Open(&directory).ok();
    [[maybe_unused]] const ssize_t told = write(ready[1], opened ? "y" : "n", 1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  std::unique_ptr<Directory> directory;
  const Status status = Open(&directory);
  EXPECT_EQ(status.code(), Code::kLocked);
  EXPECT_NE(status.message().find(std::to_string(other)), std::string::npos) << status.message();
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_TRUE(Open(&directory).ok());  // a crash releases it
  close(ready[0]);
  close(ready[1]);
}

TEST_F(DirectoryTest, ReleasesTheLockEvenWhileAChildHasACopy) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  directory.reset();
  EXPECT_TRUE(Open(&directory).ok());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(DirectoryTest, ListsExactNamesOnlyNewestFirst) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  for (const char* name : {"snapshot-00000000000000000003.image", "snapshot-00000000000000000020.image",
                           "snapshot-00009007199254740991.image", "snapshot-00000000000000000001.image",
                           // None of these:
                           "snapshot-00009007199254740992.image", "snapshot-18446744073709551615.image",
                           "snapshot-00000000000000000000.image", "snapshot-18446744073709551616.image",
                           "snapshot-99999999999999999999.image", "snapshot-0000000000000000004.image",
                           "snapshot-000000000000000000005.image", "snapshot-0000000000000000000x.image",
                           "snapshot-00000000000000000006.tmp", "snapshot-00000000000000000007.image~",
                           "xsnapshot-0000000000000000008.image", "snapshot-+0000000000000000009.image",
                           "snapshot-00000000000000000010.IMAGE"}) {
    Touch(name);
  }
  std::vector<uint64_t> generations = {99};
  ASSERT_TRUE(directory->ListGenerations(&generations).ok());
  EXPECT_EQ(generations, (std::vector<uint64_t>{kMaxGeneration, 20, 3, 1}));
}

TEST_F(DirectoryTest, NumbersOfImagesSetAsideStayTaken) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  uint64_t highest = 99;
  ASSERT_TRUE(directory->HighestNumber(&highest).ok());
  EXPECT_EQ(highest, 0u);
  for (const char* name : {"snapshot-00000000000000000003.image", "snapshot-00000000000000000008.damaged",
                           "snapshot-00000000000000000009.tmp", "snapshot-18446744073709551615.damaged"}) {
    Touch(name);
  }
  ASSERT_TRUE(directory->HighestNumber(&highest).ok());
  EXPECT_EQ(highest, 8u);
  // Another image of that number, brought from elsewhere, does not replace the first.
  WriteFileBytes(directory->ImagePath(8), {2});
  directory->SetAside(8);
  EXPECT_EQ(ReadBytes(path_ + "/snapshot-00000000000000000008.damaged"), std::vector<uint8_t>{1});
  EXPECT_EQ(ReadBytes(directory->ImagePath(8)), std::vector<uint8_t>{2});
}

TEST_F(DirectoryTest, WritesNoNumberThatItWouldNotList) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  int fd = 0;
  for (const uint64_t generation : {uint64_t{0}, kMaxGeneration + 1, ~uint64_t{0}}) {
    EXPECT_EQ(directory->CreateTemporary(generation, &fd).code(), Code::kIo);
    EXPECT_EQ(fd, -1);
  }
  ASSERT_TRUE(directory->CreateTemporary(kMaxGeneration, &fd).ok());
  close(fd);
}

TEST_F(DirectoryTest, RemovesOldGenerationsButNoneAboveTheNewest) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  for (uint64_t generation : {1, 2, 5, 6, 9, 30}) WriteFileBytes(directory->ImagePath(generation), {1});
  std::vector<uint64_t> generations;
  directory->RemoveOldGenerations(9, 3, {});
  ASSERT_TRUE(directory->ListGenerations(&generations).ok());
  EXPECT_EQ(generations, (std::vector<uint64_t>{30, 9, 6, 5}));
  // What the manifest relies on stays, however many others are newer.
  directory->RemoveOldGenerations(9, 1, {5, 9});
  ASSERT_TRUE(directory->ListGenerations(&generations).ok());
  EXPECT_EQ(generations, (std::vector<uint64_t>{30, 9, 5}));
  directory->RemoveOldGenerations(9, 1, {});
  ASSERT_TRUE(directory->ListGenerations(&generations).ok());
  EXPECT_EQ(generations, (std::vector<uint64_t>{30, 9}));
  directory->SetAside(30);
  ASSERT_TRUE(directory->ListGenerations(&generations).ok());
  EXPECT_EQ(generations, (std::vector<uint64_t>{9}));
  EXPECT_TRUE(Exists("snapshot-00000000000000000030.damaged"));
}

TEST_F(DirectoryTest, RemovesTemporariesAndNothingElse) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  for (const char* name : {"snapshot-00000000000000000003.tmp", "identity.tmp", "mine.tmp", "snapshot-1.tmp",
                           "snapshot-00000000000000000003.image"}) {
    Touch(name);
  }
  directory->RemoveTemporaries();
  EXPECT_EQ(Exists("snapshot-00000000000000000003.tmp"), false);
  EXPECT_EQ(Exists("identity.tmp"), false);
  EXPECT_TRUE(Exists("mine.tmp"));
  EXPECT_TRUE(Exists("snapshot-1.tmp"));
  EXPECT_TRUE(Exists("snapshot-00000000000000000003.image"));
}

TEST_F(DirectoryTest, KnowsTheFilesOfTheOtherEngine) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  for (const char* name : {"settings.json", "snapshot-1.json", "snapshot-00000000000000000003.image"})
    Touch(name);
  EXPECT_FALSE(directory->HoldsOtherEngine());
  for (const std::string name : {"identity.json", "snapshot-00000000000000000003.json"}) {
    Touch(name);
    EXPECT_TRUE(directory->HoldsOtherEngine()) << name;
    std::filesystem::remove(path_ + "/" + name);
    EXPECT_FALSE(directory->HoldsOtherEngine());
  }
}

TEST_F(DirectoryTest, PublishesATemporaryThatReplacesALeftOver) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  EXPECT_EQ(directory->Publish(4).system_errno(), ENOENT);
  WriteFileBytes(directory->TemporaryPath(4), {1, 2, 3});
  int fd = -1;
  ASSERT_TRUE(directory->CreateTemporary(4, &fd).ok());
  EXPECT_EQ(write(fd, "new", 3), 3);
  close(fd);
  ASSERT_TRUE(directory->Publish(4).ok());
  EXPECT_EQ(ReadBytes(directory->ImagePath(4)), (std::vector<uint8_t>{'n', 'e', 'w'}));
  EXPECT_FALSE(std::filesystem::exists(directory->TemporaryPath(4)));
}

TEST_F(DirectoryTest, KeepsAnIdentity) {
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Open(&directory).ok());
  const StoreId id = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 13, 14, 15, 255};
  StoreId read{};
  bool found = true;
  ASSERT_TRUE(directory->ReadIdentity(&read, &found).ok());
  EXPECT_FALSE(found);
  ASSERT_TRUE(directory->WriteIdentity(id).ok());
  ASSERT_TRUE(directory->ReadIdentity(&read, &found).ok());
  EXPECT_TRUE(found);
  EXPECT_EQ(read, id);
  const std::vector<uint8_t> bytes = ReadBytes(path_ + "/identity");
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_EQ(memcmp(bytes.data(), "FORKSTID\1\0\0\0", 12), 0);
  EXPECT_EQ(memcmp(bytes.data() + 16, id.data(), 16), 0);

  for (size_t length = 0; length < 66; ++length) {
    if (length == 64) continue;
    std::vector<uint8_t> cut = bytes;
    cut.resize(length);
    WriteFileBytes(path_ + "/identity", cut);
    EXPECT_EQ(directory->ReadIdentity(&read, &found).code(), Code::kCorrupt) << length;
  }
  for (size_t bit = 0; bit < 64 * 8; ++bit) {
    std::vector<uint8_t> flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    WriteFileBytes(path_ + "/identity", flipped);
    EXPECT_EQ(directory->ReadIdentity(&read, &found).code(), Code::kCorrupt) << bit;
  }
  std::vector<uint8_t> newer = bytes;
  newer[8] = 2;
  memset(&newer[12], 0, 4);
  const uint32_t crc = Crc32c(newer.data(), 64);
  memcpy(&newer[12], &crc, 4);
  WriteFileBytes(path_ + "/identity", newer);
  EXPECT_EQ(directory->ReadIdentity(&read, &found).code(), Code::kVersion);
  ASSERT_TRUE(directory->WriteIdentity(id).ok());
  EXPECT_EQ(ReadBytes(path_ + "/identity"), bytes);
  EXPECT_FALSE(Exists("identity.tmp"));
}

}  // namespace
}  // namespace forkstore
