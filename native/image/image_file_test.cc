#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "image/image_reader.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

TEST(ImageFile, ReadsWhatIsAskedForOrNothing) {
  TemporaryDirectory directory;
  std::vector<uint8_t> bytes(5 * 4096 + 100);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i >> 5);
  WriteFileBytes(directory.path() + "/image", bytes);
  std::unique_ptr<ImageFile> on_disk;
  ASSERT_TRUE(ImageFile::Open(AT_FDCWD, directory.path() + "/image", &on_disk).ok());
  const std::unique_ptr<ImageFile> in_memory = ImageFile::FromMemory(bytes.data(), bytes.size());
  uint8_t* out = static_cast<uint8_t*>(aligned_alloc(4096, 16 * 4096));
  for (ImageFile* file : {on_disk.get(), in_memory.get()}) {
    EXPECT_EQ(file->size(), bytes.size());
    for (uint64_t first = 0; first < 8; ++first) {
      for (uint64_t pages = 1; pages < 8; ++pages) {
        const Status status = file->ReadAt(first * 4096, out, pages * 4096);
        if (first + pages <= 5) {
          ASSERT_TRUE(status.ok()) << status.message();
          EXPECT_EQ(memcmp(out, bytes.data() + first * 4096, pages * 4096), 0);
        } else {
          EXPECT_EQ(status.code(), Code::kCorrupt) << first << " " << pages;
        }
      }
    }
  }
  EXPECT_EQ(in_memory->ReadAt(~uint64_t{4095}, out, 8192).code(), Code::kCorrupt);
  free(out);
}

// Page by page: is there a block, or a hole.
TEST(ImageFile, FindsTheDataBetweenHoles) {
  constexpr uint64_t kPages = 9;
  const bool has_data[kPages] = {false, true, true, false, false, true, false, true, false};
  TemporaryDirectory directory;
  const std::string name = directory.path() + "/image";
  const int fd = open(name.c_str(), O_WRONLY | O_CREAT, 0666);
  ASSERT_EQ(ftruncate(fd, kPages * 4096), 0);
  const std::vector<uint8_t> page(4096, 7);
  for (uint64_t i = 0; i < kPages; ++i) {
    if (has_data[i]) {
      ASSERT_EQ(pwrite(fd, page.data(), 4096, static_cast<off_t>(i * 4096)), 4096);
    }
  }
  close(fd);
  std::unique_ptr<ImageFile> file;
  ASSERT_TRUE(ImageFile::Open(AT_FDCWD, name, &file).ok());
  for (uint64_t from = 0; from < kPages; ++from) {
    uint64_t first = from;
    while (first < kPages && !has_data[first]) ++first;
    uint64_t behind = first;
    while (behind < kPages && has_data[behind]) ++behind;
    uint64_t begin = 0;
    uint64_t end = 0;
    file->NextData(from * 4096, &begin, &end);
    EXPECT_EQ(begin, first * 4096) << from;
    EXPECT_EQ(end, behind * 4096) << from;
  }
}

TEST(ImageFile, OpensFilesOnly) {
  TemporaryDirectory directory;
  std::unique_ptr<ImageFile> file;
  EXPECT_EQ(ImageFile::Open(AT_FDCWD, directory.path() + "/none", &file).system_errno(), ENOENT);
  EXPECT_EQ(ImageFile::Open(AT_FDCWD, directory.path(), &file).code(), Code::kCorrupt);
  ASSERT_EQ(mkfifo((directory.path() + "/fifo").c_str(), 0666), 0);
  EXPECT_NE(ImageFile::Open(AT_FDCWD, directory.path() + "/fifo", &file).code(),
            Code::kOk);  // and does not wait
}

}  // namespace
}  // namespace forkstore
