// Replay is a function of the log: programs that run a small store full again and again, replayed where there
// is room. Those kept in fuzz/corpus/replay are the fuzzer's seeds; `FORKSTORE_WRITE_CORPUS=1
// replay_program_test` writes them.
#include "testing/replay_program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/corpus.h"

namespace forkstore {
namespace {

constexpr uint64_t kKept = 10;

std::filesystem::path CorpusPath() {
  return CorpusFolder("replay");
}

Bytes RandomProgram(uint64_t seed, int steps) {
  std::mt19937_64 random(seed);
  Bytes program;
  for (int step = 0; step < steps; ++step) {
    // Records first; then the store is full, or nearly.
    const uint64_t kind = random() % 100;
    uint8_t what = static_cast<uint8_t>(8 + random() % 8);
    if (step == 40 || (step > 40 && kind < 1)) {
      what = 4;
    } else if (kind < 24) {
      constexpr uint8_t kSteps[] = {0, 0, 0, 1, 1, 2, 2, 3, 5, 5, 5, 6, 6, 6, 7, 7, 7, 7, 8, 8, 9, 9, 10, 11};
      what = kSteps[kind];
    }
    const uint64_t with = random();
    program.insert(program.end(), {what, static_cast<uint8_t>(with), static_cast<uint8_t>(with >> 8)});
  }
  return program;
}

void Add(const ReplayProgram::Done& done, ReplayProgram::Done* all) {
  all->applied += done.applied;
  all->full += done.full;
  all->unshaped += done.unshaped;
  all->rollbacks += done.rollbacks;
  all->held += done.held;
}

TEST(ReplayProgram, TheCorpusRuns) {
  if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
    std::filesystem::create_directories(CorpusPath());
    for (uint64_t i = 0; i < kKept; ++i) {
      const Bytes program = RandomProgram(i + 1, 100 + static_cast<int>(i) * 40);
      std::ofstream(CorpusPath() / std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(program.data()), static_cast<std::streamsize>(program.size()));
    }
  }
  uint64_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CorpusPath())) {
    std::ifstream file(entry.path(), std::ios::binary);
    const Bytes program{std::istreambuf_iterator<char>(file), {}};
    ReplayProgram().Run(program.data(), program.size());
    ++programs;
  }
  EXPECT_GE(programs, kKept);
}

TEST(ReplayProgram, WhatASmallStoreTookComesToTheSameInARoomyOne) {
  ReplayProgram::Done all;
  for (uint64_t seed = 100; seed < 130; ++seed) {
    const Bytes program = RandomProgram(seed, 600);
    SCOPED_TRACE(seed);
    Add(ReplayProgram().Run(program.data(), program.size()), &all);
  }
  EXPECT_GT(all.applied, 10000u);
  EXPECT_GT(all.full, 1000u);
  EXPECT_GT(all.unshaped, 10u);
  EXPECT_GT(all.rollbacks, 100u);
  EXPECT_GT(all.held, 100u);
}

}  // namespace
}  // namespace forkstore
