// Operations against a plain model; refusals change nothing; what is loaded is what was there.

#include "engine/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>
#include <string>

#include "engine/root.h"

namespace forkstore {
namespace {

std::vector<uint8_t> SlotBytes(uint32_t low, uint32_t high) {
  std::vector<uint8_t> bytes(8);
  std::memcpy(bytes.data(), &low, 4);
  std::memcpy(bytes.data() + 4, &high, 4);
  return bytes;
}

std::vector<uint8_t> IntValue(int32_t number) {
  return SlotBytes(static_cast<uint32_t>(number), kInt << 16);
}

std::vector<uint8_t> StringValue(const std::string& text) {
  if (text.size() <= 5) {
    uint32_t low = 0;
    uint32_t high = kShort << 16 | static_cast<uint32_t>(text.size());
    if (!text.empty()) high |= static_cast<uint32_t>(static_cast<uint8_t>(text[0])) << 8;
    if (text.size() > 1) std::memcpy(&low, text.data() + 1, text.size() - 1);
    return SlotBytes(low, high);
  }
  std::vector<uint8_t> bytes = SlotBytes(8, kLatin1 << 16 | static_cast<uint32_t>(text.size()));
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.resize(RoundUp(bytes.size(), 8));
  return bytes;
}

std::vector<uint8_t> ObjectValue(uint32_t shape, const std::vector<int32_t>& fields) {
  std::vector<uint8_t> bytes = SlotBytes(8, kObject << 16 | shape);
  for (const int32_t field : fields) {
    const auto slot = IntValue(field);
    bytes.insert(bytes.end(), slot.begin(), slot.end());
  }
  return bytes;
}

Key NameKey(const std::string& name) {
  return Key{KeyKind::kLatin1, reinterpret_cast<const uint8_t*>(name.data()), name.size()};
}

class EngineTest : public testing::Test {
 protected:
  void SetUp() override { Make(uint64_t{64} << 20); }

  void Make(uint64_t max_bytes) {
    engine_.reset();
    ArenaOptions options;
    options.max_bytes = max_bytes;
    ASSERT_TRUE(Engine::CreateEmpty(options, &engine_).ok());
  }

  Status Apply(OperationCode code, uint32_t collection, const std::vector<uint8_t>& value,
               const std::string& key, ApplyResult* result = nullptr) {
    const size_t size = kOperationHeadBytes + value.size() + key.size();
    std::vector<uint64_t> words(size / 8 + 1);
    auto* bytes = reinterpret_cast<uint8_t*>(words.data());
    const uint32_t head[3] = {collection, static_cast<uint32_t>(value.size()),
                              static_cast<uint32_t>(key.size())};
    bytes[0] = static_cast<uint8_t>(code);
    std::memcpy(bytes + 4, head, sizeof(head));
    if (!value.empty()) std::memcpy(bytes + kOperationHeadBytes, value.data(), value.size());
    std::memcpy(bytes + kOperationHeadBytes + value.size(), key.data(), key.size());
    ApplyResult ignored;
    return engine_->Apply(bytes, size, result ? result : &ignored);
  }

  // Shape 0 is `a, b`.
  void DefineShape() {
    std::vector<uint8_t> value = {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 'a', 0, 0, 0, 0, 0, 1, 0, 'b', 0, 0, 0};
    ASSERT_TRUE(Apply(OperationCode::kDefineShape, 0, value, "").ok());
  }

  std::vector<uint8_t> Get(uint32_t map, const std::string& key, size_t bytes) {
    const Offset value = engine_->map(map)->Find(NameKey(key));
    if (value == kNone) return {};
    const uint8_t* data = engine_->arena()->At(value);
    return std::vector<uint8_t>(data, data + bytes);
  }

  // The whole contents, in order: what a refused operation must leave as it was.
  std::vector<std::string> Contents() {
    std::vector<std::string> all;
    uint32_t id = 0;
    for (uint64_t next = 1; engine_->ScanMaps(next, 1, &id) == 1; next = uint64_t{id} + 1) {
      const Key name = engine_->MapName(id);
      all.push_back(std::string(reinterpret_cast<const char*>(name.data), name.bytes));
      Offset record = kNone;
      uint64_t from = 1;
      while (engine_->map(id)->Scan(from, 1, &record) == 1) {
        const Heap heap{*engine_->arena(), *engine_->allocator()};
        const RecordView view = ReadRecord(heap, record);
        uint64_t length = 0;
        ValueScratch scratch;
        EXPECT_TRUE(CheckValue(heap.At(record + view.value_distance), kMaxValueBytes, engine_->shapes(),
                               &scratch, &length)
                        .ok());
        all.push_back(
            std::to_string(id) + std::string(reinterpret_cast<const char*>(view.key.data), view.key.bytes) +
            "=" + std::string(reinterpret_cast<const char*>(heap.At(record + view.value_distance)), length));
        from = view.sequence + 1;
      }
    }
    return all;
  }

  Status Reload() {
    std::unique_ptr<Arena> arena;
    ArenaOptions options;
    options.max_bytes = engine_->arena()->max_bytes();
    EXPECT_TRUE(Arena::Create(options, &arena).ok());
    std::memcpy(arena->base(), engine_->arena()->base(), engine_->arena()->frontier());
    const std::vector<uint32_t> table(engine_->allocator()->table(),
                                      engine_->allocator()->table() + engine_->allocator()->units());
    const uint64_t entries = engine_->entries();
    const uint64_t writes = engine_->writes();
    std::unique_ptr<Engine> loaded;
    Status status = Engine::Load(std::move(arena), table, entries, writes, &loaded);
    if (status.ok()) engine_ = std::move(loaded);
    return status;
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, MapsAreFoundByNameAndSurviveLoading) {
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "users").ok());
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 2, {}, "carts").ok());
  EXPECT_EQ(Apply(OperationCode::kCreateMap, 3, {}, "users").code(), Code::kInvalid);
  EXPECT_EQ(Apply(OperationCode::kCreateMap, 9, {}, "others").code(), Code::kInvalid);
  ASSERT_TRUE(Apply(OperationCode::kSet, 2, IntValue(7), "x").ok());
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(engine_->FindMap(NameKey("users")), 1u);
  EXPECT_EQ(engine_->FindMap(NameKey("carts")), 2u);
  EXPECT_EQ(engine_->FindMap(NameKey("others")), 0u);
  EXPECT_EQ(Get(2, "x", 8), IntValue(7));
  EXPECT_EQ(engine_->entries(), 1u);
  EXPECT_EQ(engine_->writes(), 3u);
}

TEST_F(EngineTest, MalformedOperationsAreRefused) {
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  ASSERT_TRUE(Apply(OperationCode::kSet, 1, IntValue(1), "k").ok());
  const auto before = Contents();
  EXPECT_EQ(Apply(OperationCode::kSet, 2, IntValue(1), "k").code(), Code::kInvalid);
  EXPECT_EQ(Apply(OperationCode::kSet, 1, {}, "k").code(), Code::kInvalid);
  EXPECT_EQ(Apply(OperationCode::kSet, 1, std::vector<uint8_t>(16), "k").code(), Code::kInvalid);
  EXPECT_EQ(Apply(OperationCode::kClear, 1, {}, "k").code(), Code::kInvalid);
  EXPECT_EQ(Apply(static_cast<OperationCode>(0), 1, {}, "").code(), Code::kVersion);
  EXPECT_EQ(Apply(static_cast<OperationCode>(200), 1, {}, "").code(), Code::kVersion);
  EXPECT_EQ(Apply(OperationCode::kPatch, 1, IntValue(1), "none").code(), Code::kNotFound);
  EXPECT_EQ(Apply(OperationCode::kPatch, 1, IntValue(1), "k").code(), Code::kWrongType);
  EXPECT_EQ(Contents(), before);
  // Every prefix and every changed byte of a good operation: refused or applied, never worse.
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    uint64_t words[8] = {};
    auto* bytes = reinterpret_cast<uint8_t*>(words);
    const auto value = StringValue("a longer text");
    bytes[0] = static_cast<uint8_t>(1 + random() % 7);
    bytes[4] = 1;
    bytes[8] = static_cast<uint8_t>(value.size());
    bytes[12] = 1;
    std::memcpy(bytes + 16, value.data(), value.size());
    bytes[16 + value.size()] = 'k';
    for (uint64_t flips = random() % 3; flips > 0; --flips) bytes[random() % 48] ^= 1 << random() % 8;
    ApplyResult result;
    (void)engine_->Apply(bytes, random() % 2 ? 17 + value.size() : random() % sizeof(words), &result);
  }
  EXPECT_TRUE(Reload().ok());
}

TEST_F(EngineTest, ADefinitionBelongsToNoCollection) {
  const std::vector<uint8_t> value = {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 'a', 0, 0, 0};
  EXPECT_EQ(Apply(OperationCode::kDefineShape, 1, value, "").code(), Code::kInvalid);
  EXPECT_EQ(engine_->shapes().count(), 0u);
  EXPECT_TRUE(Apply(OperationCode::kDefineShape, 0, value, "").ok());
}

TEST_F(EngineTest, ReclaimLeavesAPauseToWhoeverAskedForIt) {
  engine_->StartPageKeeper();
  PageKeeper* keeper = engine_->page_keeper();
  while (!keeper->TryPause()) {
  }
  EXPECT_FALSE(engine_->Reclaim(100));
  EXPECT_TRUE(keeper->paused());
  keeper->Resume();
  EXPECT_FALSE(keeper->paused());
  while (!engine_->Reclaim(100)) {
  }
  EXPECT_FALSE(keeper->paused());
}

// Where there is nothing left to populate, no write asks the helper thread to look.
TEST_F(EngineTest, WritesNearTheLimitDoNotWakeThePageKeeper) {
  Make(8 << 20);
  engine_->StartPageKeeper();
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  PageKeeper* keeper = engine_->page_keeper();
  EXPECT_FALSE(keeper->has_thread()) << "a small store has none";
  EXPECT_EQ(keeper->rings(), 0u);
  for (int i = 0; Apply(OperationCode::kSet, 1, StringValue(std::string(50000, 'x')), std::to_string(i)).ok();
       ++i) {
  }
  ASSERT_TRUE(Apply(OperationCode::kSet, 1, IntValue(0), "0").ok());
  EXPECT_GT(keeper->rings(), 0u);
  while (engine_->arena()->WantsPopulating()) usleep(1000);
  const uint64_t before = keeper->rings();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Apply(OperationCode::kSet, 1, IntValue(i), "0").ok());
  EXPECT_EQ(keeper->rings(), before);
}

TEST_F(EngineTest, CountsMaps) {
  EXPECT_EQ(engine_->map_count(), 0u);
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 2, {}, "n").ok());
  EXPECT_EQ(engine_->map_count(), 2u);
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(engine_->map_count(), engine_->live_maps());
}

TEST_F(EngineTest, AHugePatchLeavesNoMemoryBehind) {
  DefineShape();
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  // An object of shape 0 whose `b` is a text: a patch that cannot be made in place.
  ASSERT_TRUE(Apply(OperationCode::kSet, 1, ObjectValue(0, {1, 2}), "k").ok());
  const uint32_t length = 8 << 20;
  std::vector<uint8_t> patch = ObjectValue(0, {1, 0});
  const auto text = SlotBytes(8, kExtended << 16 | kLatin1Long);
  std::copy(text.begin(), text.end(), patch.begin() + 16);
  patch.resize(patch.size() + 4 + length, 'x');
  std::memcpy(patch.data() + 24, &length, sizeof(length));
  patch.resize(RoundUp(patch.size(), 8), 0);
  ASSERT_TRUE(Apply(OperationCode::kPatch, 1, patch, "k").ok());
  EXPECT_EQ(Get(1, "k", patch.size()), patch);
  EXPECT_LE(engine_->workspace_bytes(), uint64_t{1} << 20);
  EXPECT_TRUE(Reload().ok());
}

TEST_F(EngineTest, IncrementAndPatch) {
  DefineShape();
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  ASSERT_TRUE(Apply(OperationCode::kSet, 1, ObjectValue(0, {1, 2}), "k").ok());
  const auto increment = [&](const std::string& field, double amount, double* number) {
    std::vector<uint8_t> value(8);
    std::memcpy(value.data(), &amount, 8);
    const auto name = StringValue(field);
    value.insert(value.end(), name.begin(), name.end());
    ApplyResult result;
    const Status status = Apply(OperationCode::kIncrement, 1, value, "k", &result);
    *number = result.number;
    return status;
  };
  double number = 0;
  ASSERT_TRUE(increment("b", 40, &number).ok());
  EXPECT_EQ(number, 42);
  EXPECT_EQ(Get(1, "k", 24), ObjectValue(0, {1, 42}));
  // A field that is not there, with a short and a long name.
  ASSERT_TRUE(increment("c", 3, &number).ok());
  EXPECT_EQ(number, 3);
  ASSERT_TRUE(increment("a field with a longer name", 5, &number).ok());
  ASSERT_TRUE(increment("a field with a longer name", 5, &number).ok());
  EXPECT_EQ(number, 10);
  ASSERT_TRUE(increment("b", 0.5, &number).ok());
  EXPECT_EQ(number, 42.5);
  ASSERT_TRUE(Apply(OperationCode::kSet, 1, StringValue("text"), "k").ok());
  EXPECT_EQ(increment("b", 1, &number).code(), Code::kWrongType);
  EXPECT_TRUE(Reload().ok());
}

TEST_F(EngineTest, RandomProgramsAgreeWithAModel) {
  std::mt19937_64 random(7);
  DefineShape();
  std::map<std::string, std::vector<uint8_t>> model[2];
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "one").ok());
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 2, {}, "two").ok());
  for (int step = 0; step < 60000; ++step) {
    const uint32_t map = random() % 2;
    const std::string key = "key " + std::to_string(random() % 3000);
    auto& expected = model[map];
    switch (random() % 100) {
      case 0:
        if (random() % 20 != 0) break;
        ASSERT_TRUE(Apply(OperationCode::kClear, map + 1, {}, "").ok());
        expected.clear();
        break;
      case 1:
        if (random() % 20 != 0) break;
        ASSERT_TRUE(Reload().ok());
        break;
      default:
        if (random() % 3 == 0) {
          ApplyResult result;
          ASSERT_TRUE(Apply(OperationCode::kDelete, map + 1, {}, key, &result).ok());
          EXPECT_EQ(result.changed, expected.erase(key) == 1);
        } else {
          const auto value = random() % 2 ? StringValue(std::string(random() % 300, 'x'))
                                          : ObjectValue(0, {static_cast<int32_t>(random()), 5});
          ApplyResult result;
          ASSERT_TRUE(Apply(OperationCode::kSet, map + 1, value, key, &result).ok());
          EXPECT_EQ(result.changed, !expected.contains(key));
          expected[key] = value;
        }
    }
    if (step % 5000 == 0) {
      for (uint32_t id = 0; id < 2; ++id) {
        ASSERT_EQ(engine_->map(id + 1)->size(), model[id].size());
        for (const auto& [name, value] : model[id]) ASSERT_EQ(Get(id + 1, name, value.size()), value);
      }
      EXPECT_EQ(engine_->entries(), model[0].size() + model[1].size());
    }
  }
}

TEST_F(EngineTest, FullLeavesTheStoreAsItWasAndClearingMakesRoom) {
  Make(kMinArenaBytes);
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  const auto fill = [&] {
    uint64_t count = 0;
    while (Apply(OperationCode::kSet, 1, StringValue(std::string(count % 500, 'y')), std::to_string(count))
               .ok()) {
      ++count;
    }
    return count;
  };
  const uint64_t first = fill();
  EXPECT_GT(first, 1000u);
  const auto before = Contents();
  EXPECT_EQ(Apply(OperationCode::kSet, 1, StringValue(std::string(60000, 'z')), "big").code(), Code::kFull);
  EXPECT_EQ(Apply(OperationCode::kSet, 1, StringValue(std::string(60000, 'z')), "1").code(), Code::kFull);
  EXPECT_EQ(Contents(), before);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(Apply(OperationCode::kClear, 1, {}, "").ok());
    EXPECT_EQ(engine_->entries(), 0u);
    EXPECT_GE(fill() + 8, first);
  }
  EXPECT_TRUE(Reload().ok());
}

TEST_F(EngineTest, LoadRefusesDamagedRootsAndCounts) {
  DefineShape();
  ASSERT_TRUE(Apply(OperationCode::kCreateMap, 1, {}, "m").ok());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Apply(OperationCode::kSet, 1, ObjectValue(0, {i, i}), std::to_string(i)).ok());
  }
  const auto before = Contents();
  const uint64_t frontier = engine_->arena()->frontier();
  int refused = 0;
  // Each 8-byte word of the first units, with values that a hostile file would use.
  for (uint64_t at = kRootOffset; at < frontier; at += 8) {
    auto& word = *reinterpret_cast<uint64_t*>(engine_->arena()->base() + at);
    const uint64_t good = word;
    for (const uint64_t bad : {good + 1, good ^ (uint64_t{1} << 35), ~good, kRootOffset}) {
      if (bad == good) continue;
      word = bad;
      std::unique_ptr<Arena> arena;
      ArenaOptions options;
      options.max_bytes = engine_->arena()->max_bytes();
      ASSERT_TRUE(Arena::Create(options, &arena).ok());
      std::memcpy(arena->base(), engine_->arena()->base(), frontier);
      const std::vector<uint32_t> table(engine_->allocator()->table(),
                                        engine_->allocator()->table() + engine_->allocator()->units());
      std::unique_ptr<Engine> loaded;
      const Status status = Engine::Load(std::move(arena), table, 100, 102, &loaded);
      refused += !status.ok();
      if (!status.ok()) {
        EXPECT_EQ(status.code(), Code::kCorrupt) << status.message();
      }
      word = good;
    }
    // Most of the arena is free blocks, which nobody reads; a sample of them is enough.
    if (at > kRootOffset + 128 && good == 0) at += 8 * 512;
  }
  EXPECT_GT(refused, 500);
  EXPECT_EQ(Contents(), before);
}

}  // namespace
}  // namespace forkstore
