// What is known of the manifest when writing it has failed.
#include "log/log_manifest.h"

#include <gtest/gtest.h>

#include "testing/log_disk.h"

namespace forkstore {
namespace {

// Whose renames say `error`, and `happen` all the same.
class FailingRename final : public LogFileSystem {
 public:
  FailingRename(SimulatedDisk* disk, int error, bool happens)
      : files_(disk), error_(error), happens_(happens) {}
  int Create(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return files_.Create(name, file);
  }
  int Open(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return files_.Open(name, file);
  }
  int Rename(const std::string& from, const std::string& to) override {
    const int error = happens_ ? files_.Rename(from, to) : 0;
    return error != 0 ? error : error_;
  }
  int Remove(const std::string& name) override { return files_.Remove(name); }
  int SyncDirectory() override { return files_.SyncDirectory(); }
  int List(std::vector<std::string>* names) override { return files_.List(names); }

 private:
  SimulatedFileSystem files_;
  int error_;
  bool happens_;
};

Manifest Naming(uint64_t generation) {
  return {StoreId{1}, {{generation, generation, 7, 1}}};
}

uint64_t NamedGeneration(LogFileSystem* files) {
  Manifest manifest;
  bool found = false;
  EXPECT_TRUE(ReadManifest(files, &manifest, &found).ok());
  return found ? manifest.bases.back().generation : 0;
}

// What a manifest may name must not be removed.
TEST(LogManifestTest, ARenameThatFailsMayHaveHappened) {
  for (const int error : {EIO, ETIMEDOUT, ESTALE, EINTR, ENOENT, ECONNRESET, ENOMEM}) {
    for (const bool happens : {false, true}) {
      SimulatedDisk disk;
      SimulatedFileSystem good(&disk);
      ASSERT_TRUE(WriteManifest(&good, Naming(1)).ok());
      FailingRename files(&disk, error, happens);
      bool may_be_there = false;
      const Status status = WriteManifest(&files, Naming(2), &may_be_there);
      EXPECT_EQ(status.code(), Code::kIo);
      EXPECT_EQ(status.system_errno(), error);
      EXPECT_TRUE(may_be_there) << error;
      EXPECT_EQ(NamedGeneration(&good), happens ? 2u : 1u);
      EXPECT_FALSE(disk.Has(kManifestTemporaryName));
    }
  }
}

// Else the segments of an attempt to heal would pile up on a disk that is full.
TEST(LogManifestTest, ARenameThatWasRefusedHasNotHappened) {
  for (const int error : {ENOSPC, EDQUOT, EACCES, EPERM, EROFS}) {
    SimulatedDisk disk;
    SimulatedFileSystem good(&disk);
    ASSERT_TRUE(WriteManifest(&good, Naming(1)).ok());
    FailingRename files(&disk, error, /*happens=*/false);
    bool may_be_there = true;
    EXPECT_FALSE(WriteManifest(&files, Naming(2), &may_be_there).ok());
    EXPECT_FALSE(may_be_there) << error;
    EXPECT_EQ(NamedGeneration(&good), 1u);
  }
}

// The name is the new one's, though perhaps not on disk.
TEST(LogManifestTest, AfterTheRenameItMayBeThere) {
  SimulatedDisk disk;
  SimulatedFileSystem files(&disk);
  disk.before = [](SimulatedDisk::Call call, uint64_t*) {
    return call == SimulatedDisk::Call::kSyncDirectory ? ENOSPC : 0;
  };
  bool may_be_there = false;
  EXPECT_FALSE(WriteManifest(&files, Naming(1), &may_be_there).ok());
  EXPECT_TRUE(may_be_there);
}

}  // namespace
}  // namespace forkstore
