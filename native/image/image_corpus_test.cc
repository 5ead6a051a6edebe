// The images kept in fuzz/corpus/image: seeds for the fuzzer, and files that every later version has to be
// able to read. `FORKSTORE_WRITE_CORPUS=1 image_corpus_test` writes those of this version; `version_1` and
// `version_2` are of versions that nothing writes any more.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "engine/root.h"
#include "image/image_reader.h"
#include "testing/corpus.h"
#include "testing/image.h"
#include "testing/operation_program.h"
#include "testing/temporary_directory.h"

namespace forkstore {
namespace {

struct Seed {
  std::string name;
  Bytes image;
};

Bytes MakeImage(const Arena& arena, const std::vector<uint32_t>& table, uint64_t entries, uint64_t writes) {
  ImageSource source{};
  source.arena_base = arena.base();
  source.table = table.data();
  source.units = table.size();
  source.store_id = {0xF0, 0x4B};
  source.generation = 3;
  source.created_ms = 1.75e12;
  source.entries = entries;
  source.writes = writes;
  return ReferenceImage(source);
}

// An image that no store would accept, of units with anything in them.
Bytes MakeImageOf(const std::vector<uint32_t>& table) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({kMinArenaBytes, false}, &arena).ok());
  for (uint64_t unit = 0; unit < table.size(); ++unit) {
    uint8_t* bytes = arena->Write(unit * kUnitBytes, kUnitBytes);
    for (uint64_t i = 0; i < kUnitBytes; ++i) bytes[i] = static_cast<uint8_t>(i * i >> 6);
  }
  return MakeImage(*arena, table, 5, 1234567);
}

// Reads an image and loads the store in it, if there is one.
Status LoadStore(const Bytes& image, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Arena> arena;
  EXPECT_TRUE(Arena::Create({kMinArenaBytes, false}, &arena).ok());
  ImageInfo info;
  const Status status =
      ReadImage(ImageFile::FromMemory(image.data(), image.size()).get(), arena.get(), &info);
  EXPECT_TRUE(status.ok()) << status.message();
  return Engine::Load(std::move(arena), info.table, info.entries, info.writes, engine);
}

Bytes MakeImageOf(Engine* engine) {
  const uint32_t* table = engine->allocator()->table();
  return MakeImage(*engine->arena(), {table, table + engine->allocator()->units()}, engine->entries(),
                   engine->writes());
}

void Apply(Engine* engine, OperationCode code, uint32_t collection, const Bytes& value,
           const std::string& key) {
  std::vector<uint64_t> words(value.size() / 8 + key.size() / 8 + 4);
  auto* bytes = reinterpret_cast<uint8_t*>(words.data());
  const uint32_t head[4] = {static_cast<uint32_t>(code), collection, static_cast<uint32_t>(value.size()),
                            static_cast<uint32_t>(key.size())};
  memcpy(bytes, head, sizeof(head));
  std::copy(value.begin(), value.end(), bytes + sizeof(head));
  std::copy(key.begin(), key.end(), bytes + sizeof(head) + value.size());
  ApplyResult result;
  const Status status = engine->Apply(bytes, sizeof(head) + value.size() + key.size(), &result);
  ASSERT_TRUE(status.ok()) << status.message();
}

void Append(Bytes* bytes, const std::vector<uint32_t>& words) {
  for (const uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) bytes->push_back(static_cast<uint8_t>(word >> shift));
  }
}

// A root, a shape, two maps and their records, and the number of a third map that was dropped: lengths chosen
// so that all but the order's nodes are blocks of 128 bytes, which makes two units.
Bytes MakeStore() {
  std::unique_ptr<Engine> engine;
  EXPECT_TRUE(Engine::CreateEmpty({kMinArenaBytes, false}, &engine).ok());
  auto& seed = engine->arena()->Mutate<RootBlock>(kRootOffset).seed;  // else another one each time
  seed[0] = 1;
  seed[1] = 2;
  Bytes shape;
  Append(&shape, {0, 2, 2 << 16, 'i' | 'd' << 8, 92 << 16});
  shape.insert(shape.end(), 92, 't');
  shape.resize(RoundUp(shape.size(), 8));
  Apply(engine.get(), OperationCode::kDefineShape, 0, shape, "");
  for (uint32_t map = 1; map <= 3; ++map) {
    Apply(engine.get(), OperationCode::kCreateMap, map, {}, std::string(60, static_cast<char>('m' + map)));
    if (map == 2) {
      Apply(engine.get(), OperationCode::kDropMap, map, {}, "");
      continue;
    }
    for (uint32_t record = 0; record < 4; ++record) {
      Bytes value;
      Append(&value, {8, kObject << 16, record, uint32_t{kInt} << 16, 8, kLatin1 << 16 | 88});
      value.insert(value.end(), 88, static_cast<uint8_t>('a' + record));
      Apply(engine.get(), OperationCode::kSet, map, value, "record-" + std::to_string(record));
    }
  }
  // Loaded once: units that are no longer used are then free.
  const Bytes first = MakeImageOf(engine.get());
  EXPECT_TRUE(LoadStore(first, &engine).ok());
  return MakeImageOf(engine.get());
}

// The store that programs of operations begin with: nodes of every kind, and an entry that has been adopted.
Bytes MakeTree() {
  OperationProgram program;
  program.engine().ReclaimAll();
  std::unique_ptr<Engine> engine;
  EXPECT_TRUE(program.engine().Twin(&engine).ok());
  return MakeImageOf(engine.get());
}

// Few used units: a unit is 64 KiB, and all of it is kept under version control.
std::vector<Seed> Seeds() {
  return {{"no_units", MakeImageOf(std::vector<uint32_t>{})},
          {"free_units", MakeImageOf(std::vector<uint32_t>{0, 0, 0})},
          {"one_unit_in_three", MakeImageOf(std::vector<uint32_t>{0, 25, 0})},
          {"store", MakeStore()},
          {"tree", MakeTree()}};
}

std::filesystem::path PathOf(const std::string& name) {
  return CorpusFolder("image") / name;
}

Bytes Kept(const std::string& name) {
  Bytes kept = ReadBytes(PathOf(name));
  EXPECT_FALSE(kept.empty()) << name;
  // A tree is of many lengths, each of which takes a unit.
  EXPECT_LT(kept.size(), name == "tree" || name == "version_2" ? 1000000u : 250000u);
  if (!kept.empty()) kept.erase(kept.begin());
  return kept;
}

TEST(ImageCorpus, IsReadAndIsWhatThisVersionWrites) {
  for (const Seed& seed : Seeds()) {
    if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
      std::filesystem::create_directories(PathOf(seed.name).parent_path());
      // The fuzzer's first byte: 1, checksums are made good again.
      Bytes file = seed.image;
      file.insert(file.begin(), 1);
      WriteFileBytes(PathOf(seed.name), file);
    }
    const Bytes kept = Kept(seed.name);
    EXPECT_TRUE(kept == seed.image) << seed.name;
    std::unique_ptr<Engine> engine;
    const Status status = LoadStore(kept, &engine);
    EXPECT_EQ(status.code(), seed.name == "store" || seed.name == "tree" ? Code::kOk : Code::kCorrupt)
        << seed.name << ": " << status.message();
  }
}

TEST(ImageCorpus, AStoreOfVersion1GetsItsTree) {
  const Bytes kept = Kept("version_1");
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept[8], 1);
  std::unique_ptr<Engine> engine;
  const Status status = LoadStore(kept, &engine);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(engine->entries(), 8u);
  EXPECT_EQ(engine->map_count(), 2u);
  EXPECT_EQ(engine->writes(), 11u);
  EXPECT_NE(engine->tree().Locate(kRootNode), kNone);
  EXPECT_EQ(engine->tree().node_count(), 1u);
  EngineForTest store(std::move(engine));
  ASSERT_TRUE(store
                  .Apply(MakeOperation(OperationCode::kSetMember, kRootNode, store.Encode(oracle::Number(1)),
                                       StringKey("now")))
                  .ok());
  std::unique_ptr<Engine> twin;
  ASSERT_TRUE(store.Twin(&twin).ok());
  EXPECT_EQ(EngineForTest(std::move(twin)).Packed(kRootNode).names, (std::vector<std::u16string>{u"now"}));
}

TEST(ImageCorpus, AStoreOfVersion2IsWhatItWas) {
  const Bytes kept = Kept("version_2");
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept[8], 2);
  std::unique_ptr<Engine> engine;
  const Status status = LoadStore(kept, &engine);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(EngineForTest(std::move(engine)).Contents(), OperationProgram().engine().Contents());
}

TEST(ImageCorpus, TheNumberOfADroppedMapStaysUsedUp) {
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(LoadStore(Kept("store"), &engine).ok());
  EXPECT_EQ(engine->map_count(), 3u);
  EXPECT_EQ(engine->live_maps(), 2u);
  EXPECT_EQ(engine->map(2), nullptr);
  EXPECT_EQ(engine->map(3)->size(), 4u);
}

}  // namespace
}  // namespace forkstore
