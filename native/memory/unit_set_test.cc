#include "memory/unit_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace forkstore {
namespace {

TEST(UnitSet, RandomProgramsAgreeWithStdSet) {
  for (const uint64_t units : {1, 2, 64, 65, 4096, 4097, 300000, 4194304}) {
    // A guard behind the words shows a write beyond them.
    std::vector<uint64_t> words(UnitSet::WordsFor(units) + 1);
    words.back() = 0x5A5A5A5A5A5A5A5A;
    UnitSet set(words.data(), units);
    std::set<uint64_t> expected;
    std::mt19937_64 random(units);
    for (int i = 0; i < 20000; ++i) {
      const uint64_t shape = random() % 4;
      const uint64_t unit = shape == 0 && !expected.empty()
                                ? *expected.begin()
                                : random() % (shape == 1 ? units : std::min<uint64_t>(units, 200));
      if (shape == 0 || (i / 2000 % 2 == 1 && shape == 2)) {
        set.Erase(unit);  // of one that may not be there
        expected.erase(unit);
      } else {
        set.Insert(unit);
        expected.insert(unit);
      }
      ASSERT_EQ(set.First(), expected.empty() ? UnitSet::kNone : *expected.begin());
    }
    while (!expected.empty()) {
      ASSERT_EQ(set.First(), *expected.begin());
      set.Erase(*expected.begin());
      expected.erase(expected.begin());
    }
    EXPECT_EQ(set.First(), UnitSet::kNone);
    set.Insert(units - 1);
    EXPECT_EQ(set.First(), units - 1);
    set.Erase(units - 1);
    EXPECT_EQ(words.back(), 0x5A5A5A5A5A5A5A5A);
    words.pop_back();
    EXPECT_EQ(words, std::vector<uint64_t>(words.size()));
  }
}

}  // namespace
}  // namespace forkstore
