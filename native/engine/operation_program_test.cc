// The programs kept in fuzz/corpus/operation: seeds for the fuzzer, run here with the same checks.
// `FORKSTORE_WRITE_CORPUS=1 operation_program_test` writes them.

#include "testing/operation_program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/corpus.h"
#include "testing/random_operations.h"

namespace forkstore {
namespace {

constexpr int kPrograms = 12;

std::filesystem::path CorpusPath() {
  return CorpusFolder("operation");
}

// Made by running: most of what it does is accepted.
Bytes RandomProgram(uint64_t seed, uint64_t steps) {
  OperationProgram running;
  RandomOperations random(seed, 1);
  Bytes program;
  for (uint64_t step = 0; step < steps; ++step) {
    const size_t begin = program.size();
    if (random.Below(6) == 0) {
      AppendStep(static_cast<ProgramStep>(random.Below(4)), &program);
    } else {
      std::vector<Bytes> definitions;
      Bytes operation = random.Next(&running.engine(), &definitions);
      if (operation.size() > 600) continue;
      for (const Bytes& definition : definitions) AppendOperation(definition, &program);
      AppendOperation(operation, &program);
      EXPECT_TRUE(definitions.empty() || definitions.size() < 100);
      (void)running.engine().Apply(operation);
    }
    EXPECT_GT(program.size(), begin);
  }
  return program;
}

TEST(OperationProgram, TheCorpusRuns) {
  if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
    std::filesystem::create_directories(CorpusPath());
    for (int i = 0; i < kPrograms; ++i) {
      const Bytes program = RandomProgram(static_cast<uint64_t>(i) + 1, 10 + static_cast<uint64_t>(i) * 4);
      std::ofstream(CorpusPath() / std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(program.data()), static_cast<std::streamsize>(program.size()));
    }
  }
  int programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CorpusPath())) {
    std::ifstream file(entry.path(), std::ios::binary);
    const Bytes program{std::istreambuf_iterator<char>(file), {}};
    OperationProgram().Run(program.data(), program.size());
    ++programs;
  }
  EXPECT_GE(programs, kPrograms);
}

TEST(OperationProgram, DamagedProgramsRun) {
  std::mt19937_64 random(9);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Bytes program = RandomProgram(seed, 30);
    for (uint64_t flips = random() % 20; flips > 0; --flips)
      program[random() % program.size()] ^= 1 << random() % 8;
    OperationProgram().Run(program.data(), program.size());
  }
}

}  // namespace
}  // namespace forkstore
