// The images kept in fuzz/corpus/image: seeds for the fuzzer, and files that this version of the format has
// to be able to read for ever. `FORKSTORE_WRITE_CORPUS=1 image_corpus_test` writes them.
#include <cstdlib>
#include <filesystem>

#include "persist/image_reader.h"
#include "persist/persist_test_support.h"

namespace forkstore {
namespace {

struct Seed {
  std::string name;
  std::vector<uint32_t> table;
};

// Few used units: a unit is 64 KiB, and all of it is kept under version control.
std::vector<Seed> Seeds() {
  return {{"no_units", {}}, {"free_units", {0, 0, 0}}, {"one_unit_in_three", {0, 25, 0}}};
}

std::vector<uint8_t> MakeImage(const Seed& seed) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({kMinArenaBytes, false}, &arena).ok());
  for (uint64_t unit = 0; unit < seed.table.size(); ++unit) {
    uint8_t* bytes = arena->Write(unit * kUnitBytes, kUnitBytes);
    for (uint64_t i = 0; i < kUnitBytes; ++i) bytes[i] = static_cast<uint8_t>(i * i >> 6);
  }
  ImageSource source{};
  source.arena_base = arena->base();
  source.table = seed.table.data();
  source.units = seed.table.size();
  source.store_id = {0xF0, 0x4B};
  source.generation = 3;
  source.created_ms = 1.75e12;
  source.entries = 5;
  source.writes = 1234567;
  return ReferenceImage(source);
}

std::filesystem::path PathOf(const Seed& seed) {
  return std::filesystem::path(__FILE__).parent_path().parent_path() / "fuzz/corpus/image" / seed.name;
}

TEST(ImageCorpus, IsReadAndIsWhatThisVersionWrites) {
  for (const Seed& seed : Seeds()) {
    const std::vector<uint8_t> image = MakeImage(seed);
    if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
      std::filesystem::create_directories(PathOf(seed).parent_path());
      // The fuzzer's first byte: 1, checksums are made good again.
      std::vector<uint8_t> file = image;
      file.insert(file.begin(), 1);
      WriteFileBytes(PathOf(seed), file);
    }
    std::vector<uint8_t> kept = ReadBytes(PathOf(seed));
    ASSERT_FALSE(kept.empty()) << PathOf(seed);
    kept.erase(kept.begin());
    EXPECT_TRUE(kept == image) << seed.name;
    std::unique_ptr<Arena> arena;
    ASSERT_TRUE(Arena::Create({kMinArenaBytes, false}, &arena).ok());
    ImageInfo info;
    const Status status =
        ReadImage(ImageFile::FromMemory(kept.data(), kept.size()).get(), arena.get(), &info);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(info.table, seed.table);
    EXPECT_EQ(info.writes, 1234567u);
  }
}

}  // namespace
}  // namespace forkstore
