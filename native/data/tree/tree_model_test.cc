// A live tree against plain objects and arrays: in peace, with changes that are taken back, and without
// memory.
#include "testing/tree_program.h"

namespace forkstore {
namespace {

TEST(TreeModel, AgreesWithPlainObjectsAndArrays) {
  std::set<NodeKind> kinds;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Program program(seed);
    for (int step = 0; step < 600; ++step) {
      program.Step();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << ", step " << step;
      if (step % 150 == 149) {
        program.CheckAll();
        program.CheckRestored();
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << step;
      }
    }
    kinds.insert(program.kinds().begin(), program.kinds().end());
    program.Empty();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", when emptied";
  }
  EXPECT_EQ(kinds.size(), 5u) << "every kind of node was met";
}

TEST(TreeModel, WhatIsTakenBackWasNeverThere) {
  for (uint64_t seed = 100; seed < 120; ++seed) {
    Program program(seed);
    for (int step = 0; step < 200; ++step) {
      if (step % 3 == 2) {
        program.StepBack();
      } else {
        program.Step();
      }
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << ", step " << step;
      if (step % 40 == 39) {
        program.CheckAll();
        program.CheckRestored();
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << step;
      }
    }
    program.Empty();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", when emptied";
  }
}

TEST(TreeModel, WhatFindsNoMemoryLeavesNoTrace) {
  uint64_t refused = 0;
  for (uint64_t seed = 200; seed < 206; ++seed) {
    Program program(seed, kMinArenaBytes);
    for (int step = 0; step < 200; ++step) {
      if (step % 4 == 3) {
        program.StepInNeed();
      } else {
        program.Step();
      }
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << step;
      if (step % 50 == 49) {
        program.CheckAll();
        program.CheckRestored();
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << step;
      }
    }
    refused += program.refused();
    program.Empty();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", when emptied";
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace forkstore
