// Tests of loading: words of an image exchanged for others that do more harm than random bits: references to
// other live blocks make cycles, blocks used twice, neighbours that differ.
#pragma once

#include <random>
#include <vector>

#include "data/map/record.h"
#include "testing/heap.h"

namespace forkstore {

class WordDamage {
 public:
  // `is_reference(at, word)`: besides words that could be offsets, which are ones in any case.
  template <typename IsReference>
  WordDamage(const HeapForTest::Image& image, IsReference is_reference) : image_(image) {
    for (Offset at = kUnitBytes; at < image.bytes.size(); at += 8) {
      const uint64_t word = WordAt(at);
      if (word == 0) continue;
      words_.push_back(at);
      if (word < image.bytes.size() + 2 || is_reference(at, word)) references_.push_back(word);
    }
  }

  // Where some word is that is not 0, from unit 1 on.
  Offset Place(std::mt19937_64& random) const { return words_[random() % words_.size()]; }
  // What to put there.
  uint64_t Word(Offset at, std::mt19937_64& random) const {
    const uint64_t word = WordAt(at);
    switch (random() % 6) {
      case 0:
        return word ^ uint64_t { 1 } << random() % 64;
      case 1:
        return references_[random() % references_.size()];
      case 2:
        return WordAt(Place(random));
      case 3:
        return random() % 3;
      case 4:
        return word + random() % 5 - 2;
      default:
        return random();
    }
  }

 private:
  uint64_t WordAt(Offset at) const { return LoadWord(image_.bytes.data() + at); }

  const HeapForTest::Image& image_;
  std::vector<Offset> words_;
  std::vector<uint64_t> references_;
};

}  // namespace forkstore
