#include "store/copied_bytes.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>

namespace forkstore {
namespace {

constexpr char kText[] =
    "00001000-00003000 rw-p 00000000 00:00 0 \n"
    "Size:                  8 kB\n"
    "Rss:                   8 kB\n"
    "Private_Clean:         4 kB\n"
    "Private_Dirty:         8 kB\n"
    "Private_Hugetlb:     999 kB\n"
    "VmFlags: rd wr mr mw me ac sd \n"
    "00003000-00005000 rw-p 00000000 08:01 12  /a name with 00001000-00003000 in it\n"
    "Private_Clean:        16 kB\n"
    "Private_Dirty:        32 kB\n"
    "7fff00000000-7fff00200000 r-xp 00000000 00:00 0    [stack]\n"
    "Private_Clean:        64 kB\n"
    "Private_Dirty:   4000000 kB\n";

TEST(CopiedBytes, SumsTheMappingsThatOverlap) {
  struct Case {
    uint64_t begin, end, mappings, kibibytes;
  };
  for (const Case& c :
       {Case{0x1000, 0x3000, 1, 12}, Case{0x2fff, 0x3001, 2, 60}, Case{0x3000, 0x5000, 1, 48},
        Case{0x5000, 0x7ffe00000000, 0, 0}, Case{0, 0x1000, 0, 0},
        Case{0x7fff00000000, 0x7fff00001000, 1, 4000064}, Case{0, ~uint64_t{0}, 3, 4000124}}) {
    for (size_t piece : {size_t{1}, size_t{7}, size_t{64}, sizeof(kText)}) {
      SmapsParser parser(c.begin, c.end);
      for (size_t at = 0; at < sizeof(kText) - 1; at += piece) {
        parser.Feed(kText + at, std::min(piece, sizeof(kText) - 1 - at));
      }
      EXPECT_EQ(parser.mappings(), c.mappings);
      EXPECT_EQ(parser.private_bytes(), c.kibibytes * 1024);
    }
  }
}

TEST(CopiedBytes, UnderstandsNoOtherText) {
  SmapsParser parser(0, ~uint64_t{0});
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) {
    const char byte = "0123456789abcdef- \nPrivate_Dirty:Clean kB"[random() % 41];
    parser.Feed(&byte, 1);
  }
  SmapsParser other(0, ~uint64_t{0});
  other.Feed("Private_Dirty: 4 kB\nPrivate_Clean: 4 kB\n", 40);
  EXPECT_EQ(other.mappings(), 0u);
}

TEST(CopiedBytes, CountsThisProcessesOwnPages) {
  const uint64_t bytes = 1 << 20;
  uint8_t* memory = static_cast<uint8_t*>(
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  // A neighbour of other protection keeps the kernel from joining it with what else there is.
  ASSERT_EQ(mprotect(memory, 4096, PROT_NONE), 0);
  ASSERT_EQ(mprotect(memory + bytes - 4096, 4096, PROT_NONE), 0);
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  for (int page : {3, 4, 100}) memory[page * 4096] = 1;
  char buffer[512];
  uint64_t copied = 0;
  ASSERT_TRUE(ReadCopiedBytes(memory + 4096, bytes - 8192, buffer, sizeof(buffer), &copied));
  EXPECT_EQ(copied, 3u * 4096);
  EXPECT_FALSE(ReadCopiedBytes(nullptr, 4096, buffer, sizeof(buffer), &copied));
  munmap(memory, bytes);
}

}  // namespace
}  // namespace forkstore
