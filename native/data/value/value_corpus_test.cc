// The inputs kept in fuzz/corpus/value, from which the fuzzer starts: one value, or a value and its patch,
// as value_fuzzer.cc takes them. `FORKSTORE_WRITE_CORPUS=1 value_corpus_test` writes them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "data/value/value.h"
#include "testing/corpus.h"
#include "testing/shapes.h"
#include "testing/value_generator.h"

namespace forkstore {
namespace {

constexpr size_t kInputs = 60;
constexpr size_t kMaxInputBytes = 700;

// The shapes that the fuzzer has.
void DefineShapes(ShapesForTest* shapes) {
  shapes->Define({});
  shapes->Define({u"a"});
  shapes->Define({u"a", u"b"});
  shapes->Define({u"id", u"a longer name", u"\u20AC"});
  shapes->Define({u"1", u"2", u"3", u"4", u"5", u"6", u"7", u"8", u"9", u"10"});
}

// Objects of one of those shapes, or dictionaries.
oracle::Tree Rename(oracle::Tree tree, oracle::Generator* random) {
  for (oracle::Tree& item : tree.items) item = Rename(std::move(item), random);
  if (tree.type != oracle::Type::kObject) return tree;
  const std::vector<std::u16string> shapes[] = {
      {}, {u"a"}, {u"a", u"b"}, {u"id", u"a longer name", u"\u20AC"}};
  const size_t count = std::min<size_t>(tree.items.size(), 3);
  tree.items.resize(count);
  tree.names = shapes[count];
  if (random->Below(6) == 0) tree.type = oracle::Type::kDictionary;
  return tree;
}

std::string MakeInput(uint64_t number) {
  ShapesForTest shapes;
  DefineShapes(&shapes);
  oracle::Encoder encoder(&shapes.table());
  for (uint64_t seed = number;; seed += 1000) {
    oracle::Generator random(seed);
    if (number % 3 != 0) {
      const std::string value = encoder.Encode(Rename(random.RandomTree(3), &random));
      if (value.size() <= kMaxInputBytes) return std::string(1, '\0') + value;
    } else {
      const std::string value = encoder.Encode(Rename(random.RandomObject(2, 5), &random));
      const std::string patch = encoder.Encode(Rename(random.RandomObject(2, 5), &random));
      // The first byte: odd, and half of it is the length of the first value in words.
      if (value.size() / 8 > 127 || value.size() + patch.size() > kMaxInputBytes) continue;
      return std::string(1, static_cast<char>(value.size() / 8 * 2 + 1)) + value + patch;
    }
  }
}

bool IsAccepted(const std::string& bytes) {
  ShapesForTest shapes;
  DefineShapes(&shapes);
  AlignedBytes value(bytes);
  ValueScratch scratch;
  uint64_t length = 0;
  return CheckValue(value.data(), value.size(), shapes.table(), &scratch, &length).ok() &&
         length == bytes.size();
}

TEST(ValueCorpus, IsOfValuesThatAreAccepted) {
  const auto folder = CorpusFolder("value");
  for (size_t number = 0; number < kInputs; ++number) {
    const std::filesystem::path path = folder / std::to_string(number);
    const std::string input = MakeInput(number);
    if (getenv("FORKSTORE_WRITE_CORPUS") != nullptr) {
      std::filesystem::create_directories(folder);
      std::ofstream(path, std::ios::binary) << input;
    }
    std::ifstream in(path, std::ios::binary);
    const std::string kept{std::istreambuf_iterator<char>(in), {}};
    ASSERT_TRUE(kept == input) << path;
    const size_t cut = static_cast<uint8_t>(kept[0]) % 2 == 0 ? 0 : static_cast<uint8_t>(kept[0]) / 2 * 8;
    if (cut != 0) EXPECT_TRUE(IsAccepted(kept.substr(1, cut))) << path;
    EXPECT_TRUE(IsAccepted(kept.substr(1 + cut))) << path;
  }
}

}  // namespace
}  // namespace forkstore
