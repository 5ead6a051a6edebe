#include "image/paced_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

// Page-aligned memory with random bytes.
class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_(bytes), data_(static_cast<uint8_t*>(aligned_alloc(4096, bytes))) {
    std::mt19937_64 random(bytes);
    for (size_t i = 0; i < bytes; i += 8) {
      const uint64_t word = random();
      memcpy(data_ + i, &word, 8);
    }
  }
  ~Pages() { free(data_); }
  uint8_t* data() const { return data_; }
  std::vector<uint8_t> Copy() const { return {data_, data_ + bytes_}; }

 private:
  size_t bytes_;
  uint8_t* data_;
};

class PacedFileTest : public testing::Test {
 protected:
  void SetUp() override { fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); }
  void TearDown() override { close(fd_); }

  TemporaryDirectory temporary_;
  std::string path_ = temporary_.path() + "/file";
  int fd_ = -1;
};

TEST_F(PacedFileTest, WritesPiecesInAnyOrder) {
  const size_t bytes = 40 << 20;
  const Pages pages(bytes);
  std::mt19937 random(7);
  std::vector<std::pair<size_t, size_t>> pieces;  // position, length
  for (size_t at = 0; at < bytes;) {
    const size_t size = std::min<size_t>(bytes - at, (1 + random() % 256) * 4096);
    pieces.emplace_back(at, size);
    at += size;
  }
  // Without O_DIRECT, too: unaligned memory would be refused, as some file systems refuse all.
  for (const bool aligned : {true, false}) {
    for (const bool in_order : {true, false}) {
      ASSERT_EQ(ftruncate(fd_, 0), 0);
      std::vector<uint8_t> unaligned(bytes + 1);
      memcpy(unaligned.data() + 1, pages.data(), bytes);
      const uint8_t* source = aligned ? pages.data() : unaligned.data() + 1;
      if (!in_order) std::shuffle(pieces.begin(), pieces.end(), random);
      PacedFile file(fd_);
      const bool had_direct = file.direct();
      ASSERT_TRUE(file.Reserve(bytes));
      size_t written = 0;
      for (const auto& [position, size] : pieces) {
        ASSERT_TRUE(file.WriteAt(position, source + position, size)) << file.call() << file.error();
        written += size;
        ASSERT_EQ(file.written_bytes(), written);
      }
      ASSERT_TRUE(file.Sync());
      if (had_direct && aligned) {
        EXPECT_TRUE(file.direct());
      }
      EXPECT_TRUE(ReadBytes(path_) == pages.Copy()) << aligned << in_order;
    }
  }
}

TEST_F(PacedFileTest, KeepsTheFirstFailure) {
  const Pages pages(8192);
  PacedFile file(-1);
  EXPECT_FALSE(file.direct());
  EXPECT_FALSE(file.WriteAt(0, pages.data(), 8192));
  EXPECT_EQ(file.error(), EBADF);
  EXPECT_STREQ(file.call(), "pwritev");
  EXPECT_EQ(file.written_bytes(), 0u);
}

TEST_F(PacedFileTest, KnowsEarlyThatThereIsNoRoom) {
  PacedFile file(fd_);
  // More than any file may have.
  EXPECT_FALSE(file.Reserve(uint64_t{1} << 62));
  EXPECT_EQ(file.error(), EFBIG);
  EXPECT_STREQ(file.call(), "fallocate");
}

}  // namespace
}  // namespace forkstore
