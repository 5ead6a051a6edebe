#include "image/image_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "testing/image.h"
#include "testing/random_arena.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

bool GoOn(void*, uint64_t) {
  return true;
}

ImageWriteResult Write(const ImageSource& source, int fd, ImageProgress progress = GoOn,
                       void* context = nullptr) {
  std::unique_ptr<ImageWriterSpace> space;
  EXPECT_TRUE(ImageWriterSpace::Create(source, &space).ok());
  return WriteImage(source, fd, space.get(), progress, context);
}

class ImageWriterTest : public testing::Test {
 protected:
  int OpenFile() {
    file_ = directory_.path() + "/image";
    unlink(file_.c_str());
    return open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  }
  TemporaryDirectory directory_;
  std::string file_;
};

TEST_F(ImageWriterTest, WritesWhatTheSlowWriterWrites) {
  struct Case {
    uint64_t units;
    double used;
  };
  for (const Case& c : {Case{0, 1}, Case{1, 0}, Case{1, 1}, Case{15, 1}, Case{16, 1}, Case{17, 1},
                        Case{100, 0}, Case{100, 0.5}, Case{333, 0.9}, Case{1000, 0.1}, Case{700, 1}}) {
    const RandomArena arena(c.units + 1, c.units, c.used);
    const ImageSource source = arena.Source(12345);
    const int fd = OpenFile();
    const ImageWriteResult result = Write(source, fd);
    close(fd);
    ASSERT_EQ(result.error, 0) << result.call;
    const std::vector<uint8_t> written = ReadBytes(file_);
    EXPECT_EQ(result.file_bytes, written.size());
    EXPECT_TRUE(written == ReferenceImage(source)) << c.units << " units, " << c.used << " used";
  }
}

TEST_F(ImageWriterTest, WritesALargeTableInPieces) {
  // More table than the staging buffer holds; the arena behind free units is never read.
  const RandomArena arena(1, 10, 1);
  std::vector<uint32_t> table(3 * ImageWriterSpace::kStagingBytes / 4 + 5, 0);
  std::copy(arena.table.begin(), arena.table.end(), table.begin());
  ImageSource source = arena.Source();
  source.table = table.data();
  source.units = table.size();
  const int fd = OpenFile();
  ASSERT_EQ(Write(source, fd).error, 0);
  close(fd);
  EXPECT_TRUE(ReadBytes(file_) == ReferenceImage(source));
}

TEST_F(ImageWriterTest, WritesTheSameWithoutDirect) {
  // /dev/shm is a tmpfs, where O_DIRECT, fallocate and pacing behave in other ways than on a disk.
  const RandomArena arena(9, 600, 0.9);
  const ImageSource source = arena.Source();
  const int fd = static_cast<int>(memfd_create("image", MFD_CLOEXEC));
  ASSERT_GE(fd, 0);
  const ImageWriteResult result = Write(source, fd);
  ASSERT_EQ(result.error, 0) << result.call;
  std::vector<uint8_t> written(result.file_bytes);
  ASSERT_EQ(pread(fd, written.data(), written.size(), 0), static_cast<ssize_t>(written.size()));
  close(fd);
  EXPECT_TRUE(written == ReferenceImage(source));
}

TEST_F(ImageWriterTest, ReportsProgressAndStopsWhenToldTo) {
  const RandomArena arena(2, 160, 1);
  struct Seen {
    std::vector<uint64_t> bytes;
    size_t stop_after;
  } seen{{}, 1000};
  const auto record = [](void* context, uint64_t bytes) {
    Seen* to = static_cast<Seen*>(context);
    to->bytes.push_back(bytes);
    return to->bytes.size() < to->stop_after;
  };
  const int fd = OpenFile();
  const ImageWriteResult whole = Write(arena.Source(), fd, record, &seen);
  close(fd);
  EXPECT_EQ(whole.error, 0);
  EXPECT_GE(seen.bytes.size(), 10u);
  EXPECT_TRUE(std::is_sorted(seen.bytes.begin(), seen.bytes.end()));
  EXPECT_EQ(seen.bytes.back(), whole.file_bytes);

  seen = {{}, 4};
  const int again = OpenFile();
  EXPECT_EQ(Write(arena.Source(), again, record, &seen).error, ECANCELED);
  close(again);
  EXPECT_EQ(seen.bytes.size(), 4u);
}

TEST_F(ImageWriterTest, TellsWhichCallFailed) {
  const RandomArena arena(3, 20, 1);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  const ImageWriteResult no_room = Write(arena.Source(), full);
  close(full);
  EXPECT_EQ(no_room.error, ENOSPC);
  EXPECT_STREQ(no_room.call, "pwritev");

  OpenFile();
  const int read_only = open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Write(arena.Source(), read_only).error, EBADF);
  close(read_only);
}

}  // namespace
}  // namespace forkstore
