#include "memory/scratch.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace forkstore {
namespace {

// Whether a forked child has the page at all.
bool ChildHas(void* page) {
  const pid_t child = fork();
  if (child == 0) {
    unsigned char resident;
    _exit(mincore(page, 4096, &resident) == 0 ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WEXITSTATUS(status) == 1;
}

TEST(ScratchMapping, IsZeroAndHiddenFromChildrenOnRequest) {
  ScratchMapping hidden, inherited;
  ASSERT_TRUE(hidden.Create(uint64_t{1} << 34, ScratchMapping::Children::kHidden).ok());
  ASSERT_TRUE(inherited.Create(4096, ScratchMapping::Children::kInherited).ok());
  EXPECT_EQ(hidden.As<uint64_t>()[(uint64_t{1} << 31) - 1], 0u);
  inherited.As<uint8_t>()[0] = 1;
  EXPECT_FALSE(ChildHas(hidden.As<void>()));
  EXPECT_TRUE(ChildHas(inherited.As<void>()));
}

TEST(ScratchMapping, ARefusalIsAnError) {
  ScratchMapping mapping;
  const Status status = mapping.Create(uint64_t{1} << 60, ScratchMapping::Children::kHidden);
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_EQ(status.system_errno(), ENOMEM);
}

}  // namespace
}  // namespace forkstore
