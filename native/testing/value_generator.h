// Tests only: random values.
#pragma once

#include <cmath>
#include <cstring>
#include <iterator>
#include <random>
#include <string>

#include "testing/value_oracle.h"

namespace forkstore::oracle {

// Random values that meet the format's corners often: lengths around 5, 64, 255 and 0xFFFF.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  std::u16string RandomString(bool allow_long) {
    size_t length = Below(12);
    if (Below(10) == 0) length = Below(300);
    if (allow_long && Below(200) == 0) length = 0xFFFD + Below(4);
    const uint64_t alphabet = Below(3) == 0 ? 0x10000 : Below(2) == 0 ? 0x100 : 26;
    std::u16string string;
    for (size_t i = 0; i < length; ++i) {
      string += static_cast<char16_t>(alphabet == 26 ? u'a' + Below(26) : Below(alphabet));
    }
    return string;
  }

  double RandomNumber() {
    switch (Below(6)) {
      case 0:
        return static_cast<double>(static_cast<int32_t>(random_()));
      case 1:
        return static_cast<double>(Below(10)) - 5;
      case 2:
        return static_cast<double>(random_()) / 7;
      case 3: {
        const double corners[] = {0.0,          -0.0,         NAN,           INFINITY,      -INFINITY,
                                  2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 4294967295.0,
                                  0.5,          -0.5,         5e-324,        1.7e308};
        return corners[Below(std::size(corners))];
      }
      default: {
        const uint64_t bits = random_();
        double number;
        std::memcpy(&number, &bits, 8);
        return number;
      }
    }
  }

  // Field names come from a small set, so that objects share shapes and patches meet their fields.
  Tree RandomObject(int depth, size_t max_fields) {
    Tree tree{.type = Below(8) == 0 ? Type::kDictionary : Type::kObject};
    size_t count = Below(max_fields + 1);
    if (Below(60) == 0) count = 60 + Below(10);
    while (tree.names.size() < count) {
      std::u16string name = u"f" + std::u16string(1, static_cast<char16_t>(u'a' + Below(12)));
      if (Below(4) == 0) name += u" of a longer name";
      if (Below(8) == 0) name += u'\u20AC';
      if (Below(count > 12 ? 2 : 15) == 0) name += RandomString(false);
      if (Below(200) == 0) name.append(250 + Below(8), u'x');
      bool repeated = false;
      for (const std::u16string& other : tree.names) repeated = repeated || other == name;
      if (repeated) continue;
      tree.names.push_back(name);
      tree.items.push_back(RandomTree(depth - 1));
    }
    return tree;
  }

  Tree RandomTree(int depth, bool in_array = false) {
    switch (Below(depth > 0 ? 14 : 9)) {
      case 0:
        return Special(static_cast<uint32_t>(Below(in_array ? 5 : 4)));
      case 1:
      case 2:
        return Number(RandomNumber());
      case 3:
      case 4:
      case 5:
        return String(RandomString(depth > 0));
      case 6: {
        const double ms = std::trunc(RandomNumber());
        return Date(std::fabs(ms) <= 8.64e15 ? ms + 0.0 : NAN);
      }
      case 7: {
        Tree tree{.type = Type::kBigint};
        for (size_t i = Below(4); i > 0; --i) tree.words.push_back(random_() | 1);
        tree.negative = !tree.words.empty() && Below(2) == 0;
        return tree;
      }
      case 8: {
        Tree tree{.type = Below(2) == 0 ? Type::kBytes : Type::kBuffer};
        for (size_t i = Below(20); i > 0; --i) tree.bytes += static_cast<char>(random_());
        return tree;
      }
      case 9:
      case 10: {
        Tree tree{.type = Type::kArray};
        for (size_t i = Below(6); i > 0; --i) tree.items.push_back(RandomTree(depth - 1, true));
        return tree;
      }
      default:
        return RandomObject(depth, 6);
    }
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace forkstore::oracle
