// What a salvage does not take over it copies aside before it begins the log anew, whatever stood in the way.
#include <gtest/gtest.h>

#include "log/log_opening.h"
#include "testing/log_world.h"

namespace forkstore {
namespace {

using Call = SimulatedDisk::Call;

class LogSalvageTest : public testing::Test {
 protected:
  void Open(const OpenOptions& options) {
    store_ = OpenedStore();
    const Status status = world_.Open(&disk_, options, &store_);
    ASSERT_TRUE(status.ok()) << status.message();
    if (store_.log) {
      ASSERT_TRUE(store_.log->Start(nullptr, nullptr).ok());
    }
  }
  void Turn() {
    world_.Change(&store_, 50);
    world_.EndTurn(&store_, true);
    store_.log->RunWriter();
  }
  void Close() {
    store_ = OpenedStore();
    disk_.SyncAll();
  }
  std::vector<std::string> LogFiles() const {
    std::vector<std::string> names;
    for (const std::string& name : disk_.List()) {
      if (name.ends_with(".log")) names.push_back(name);
    }
    return names;
  }
  // Refused; salvaged, in either mode, with the log files `names` kept as they are now, byte by byte.
  void ExpectCopies(const std::vector<std::string>& names, bool manifest) {
    OpenedStore refused;
    EXPECT_EQ(world_.Open(&disk_, &refused).code(), Code::kCorrupt);
    refused = OpenedStore();
    for (const bool log : {true, false}) {
      const auto disk = disk_.AfterKill();
      OpenOptions options = world_.Options(disk.get(), log);
      options.salvage = true;
      // Nothing goes before the copies are on disk.
      bool removed_early = false;
      std::vector<SimulatedDisk::Operation> operations;
      disk->record = &operations;
      OpenedStore salvaged;
      const Status status = world_.Open(disk.get(), options, &salvaged);
      ASSERT_TRUE(status.ok()) << status.message();
      disk->record = nullptr;
      std::vector<std::string> expected;
      if (manifest) expected.push_back(std::string(kManifestName) + ".damaged");
      for (const std::string& name : names) expected.push_back(name + ".damaged");
      EXPECT_EQ(salvaged.recovered_log.copied_aside, expected);
      for (const std::string& name : names) {
        EXPECT_EQ(*disk->Contents(name + ".damaged"), *disk_.Contents(name));
      }
      size_t copied = 0;
      for (size_t i = 0; i < operations.size(); ++i) {
        if (operations[i].call == Call::kCreate && operations[i].name.ends_with(".damaged")) copied = i;
      }
      for (size_t i = 0; i < copied; ++i) {
        removed_early |= operations[i].call == Call::kRemove && operations[i].name.ends_with(".log");
      }
      EXPECT_FALSE(removed_early);
    }
  }

  LogWorld world_{3};
  SimulatedDisk disk_;
  OpenedStore store_;
};

TEST_F(LogSalvageTest, WithoutManifestAndWithASegmentWhoseHeaderIsDamaged) {
  Open(world_.Options(&disk_));
  for (int i = 0; i < 5; ++i) Turn();
  Close();
  const std::vector<std::string> names = LogFiles();
  SimulatedFileSystem(&disk_).Remove(kManifestName);
  disk_.SyncAll();
  (*disk_.Contents(names.front()))[100] ^= 1;
  disk_.SyncAll();
  ExpectCopies({names.front()}, /*manifest=*/false);
}

TEST_F(LogSalvageTest, TheNewestSnapshotIsDamagedAfterAChangeOfMode) {
  // Generation 1, of the empty store, no manifest; then 2, which the log begins with.
  Open(world_.Options(&disk_, /*log=*/false));
  const uint64_t second = store_.next_generation;
  const auto image = world_.Image(&store_, second);
  ASSERT_EQ(LogWorld::PublishImage(&disk_, LogWorld::ImageName(second), image), 0);
  Open(world_.Options(&disk_));
  for (int i = 0; i < 5; ++i) Turn();
  Close();
  disk_.Contents(LogWorld::ImageName(second))->at(5000) ^= 1;
  disk_.SyncAll();
  ExpectCopies(LogFiles(), /*manifest=*/true);
}

TEST_F(LogSalvageTest, TheNewestSnapshotIsDamagedAfterHealing) {
  Open(world_.Options(&disk_));
  bool fail = false;
  disk_.before = [&fail](Call call, uint64_t*) {
    return call == Call::kSync && std::exchange(fail, false) ? EIO : 0;
  };
  Turn();
  fail = true;
  Turn();
  ASSERT_EQ(store_.log->state(), LogState::kFailed);
  const uint64_t generation = store_.next_generation;
  ASSERT_TRUE(world_.Snapshot(&disk_, &store_).ok());
  for (int i = 0; i < 5; ++i) Turn();
  ASSERT_EQ(store_.log->state(), LogState::kHealthy);
  Close();
  disk_.Contents(LogWorld::ImageName(generation))->at(5000) ^= 1;
  disk_.SyncAll();
  ExpectCopies(LogFiles(), /*manifest=*/true);
}

TEST_F(LogSalvageTest, TheSnapshotIsDamagedWithWhichTheLogIsBeingGivenUp) {
  Open(world_.Options(&disk_));
  for (int i = 0; i < 5; ++i) Turn();
  Close();
  // The manifest says that no log follows; then the power went.
  OpenedStore without;
  int syncs = 0;
  disk_.before = [&syncs](Call call, uint64_t*) { return call == Call::kRemove && ++syncs > 2 ? EIO : 0; };
  EXPECT_FALSE(world_.Open(&disk_, world_.Options(&disk_, /*log=*/false), &without).ok());
  disk_.before = nullptr;
  without = OpenedStore();
  disk_.SyncAll();
  const std::vector<std::string> names = LogFiles();
  ASSERT_FALSE(names.empty());
  std::string newest;
  for (const std::string& name : disk_.List()) {
    if (name.ends_with(".image")) newest = std::max(newest, name);
  }
  disk_.Contents(newest)->at(5000) ^= 1;
  disk_.SyncAll();
  // The one before it and the log have it all: nothing is left to copy but the manifest.
  ExpectCopies({}, /*manifest=*/true);
}

// Whoever read this file to its end would take minutes.
TEST(CopyAsideTest, OfASparseFileWhatThereIs) {
  TemporaryDirectory temporary;
  std::unique_ptr<Directory> directory;
  ASSERT_TRUE(Directory::Open(temporary.path() + "/store", &directory).ok());
  const auto files = LogFileSystem::Posix(directory->fd());
  const std::string name = LogSegmentName(1);
  constexpr uint64_t kSize = uint64_t{1} << 40;
  const std::string begin = "a record";
  const std::string behind_a_hole = "another one";
  {
    std::unique_ptr<LogFile> file;
    ASSERT_EQ(files->Create(name, &file), 0);
    ASSERT_EQ(WriteAllAt(file.get(), 0, begin.data(), begin.size()), 0);
    ASSERT_EQ(WriteAllAt(file.get(), uint64_t{5} << 20, behind_a_hole.data(), behind_a_hole.size()), 0);
    ASSERT_EQ(file->Truncate(kSize), 0);
  }
  std::vector<std::string> copies;
  const Status status = CopyAside(files.get(), {name}, &copies);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(copies, std::vector<std::string>{name + ".damaged"});
  std::unique_ptr<LogFile> copy;
  ASSERT_EQ(files->Open(copies[0], &copy), 0);
  uint64_t size = 0;
  ASSERT_EQ(copy->Size(&size), 0);
  EXPECT_EQ(size, kSize);
  uint64_t data_end = 0;
  ASSERT_EQ(copy->DataEnd(&data_end), 0);
  EXPECT_LT(data_end, uint64_t{8} << 20);
  for (const auto& [at, text] :
       {std::pair(uint64_t{0}, begin), std::pair(uint64_t{5} << 20, behind_a_hole)}) {
    std::string got(text.size(), 0);
    size_t count = 0;
    ASSERT_EQ(ReadAllAt(copy.get(), at, got.data(), got.size(), &count), 0);
    EXPECT_EQ(got, text);
  }
}

}  // namespace
}  // namespace forkstore
