// Tests and fuzzing only: JavaScript values as trees, and the slow and obvious way from a tree to the
// bytes of docs/format.md and back. Shares no code with what it is compared to. Recursive: for
// values that are not deep.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "data/value/shape.h"

namespace forkstore::oracle {

enum class Type { kSpecial, kNumber, kString, kObject, kDictionary, kArray, kBigint, kBytes, kBuffer, kDate };

struct Tree {
  Type type = Type::kSpecial;
  uint32_t special = 0;                    // 0 undefined, 1 null, 2 false, 3 true, 4 hole
  double number = 0;                       // kNumber, kDate
  std::u16string string = {};              // kString
  std::vector<std::u16string> names = {};  // kObject, kDictionary
  std::vector<Tree> items = {};            // kObject, kDictionary, kArray
  bool negative = false;                   // kBigint
  std::vector<uint64_t> words = {};        // kBigint
  std::string bytes = {};                  // kBytes, kBuffer
};

inline Tree Special(uint32_t special) {
  return Tree{.special = special};
}
inline Tree Number(double number) {
  return Tree{.type = Type::kNumber, .number = number};
}
inline Tree String(std::u16string string) {
  return Tree{.type = Type::kString, .string = std::move(string)};
}
inline Tree Date(double ms) {
  return Tree{.type = Type::kDate, .number = ms};
}
inline Tree Array(std::vector<Tree> items) {
  return Tree{.type = Type::kArray, .items = std::move(items)};
}
inline Tree Object(std::vector<std::pair<std::u16string, Tree>> fields, Type type = Type::kObject) {
  Tree tree{.type = type};
  for (auto& [name, value] : fields) {
    tree.names.push_back(name);
    tree.items.push_back(std::move(value));
  }
  return tree;
}

inline bool IsLatin1(const std::u16string& string) {
  for (char16_t unit : string) {
    if (unit > 0xFF) return false;
  }
  return true;
}

inline std::string NameList(const std::vector<std::u16string>& names) {
  std::string list;
  for (const std::u16string& name : names) {
    const bool latin1 = IsLatin1(name);
    const size_t bytes = name.size() * (latin1 ? 1 : 2);
    list += {static_cast<char>(latin1 ? 0 : 1), 0, static_cast<char>(bytes & 0xFF),
             static_cast<char>(bytes >> 8)};
    for (char16_t unit : name) {
      list += static_cast<char>(unit & 0xFF);
      if (!latin1) list += static_cast<char>(unit >> 8);
    }
    while (list.size() % 4 != 0) list += '\0';
  }
  return list;
}

class Encoder {
 public:
  // An object becomes a dictionary when the format says so, or when the tree already says it is one; also
  // where its shape is not there and nothing `defines` it.
  explicit Encoder(ShapeTable* shapes, bool defines = true) : shapes_(shapes), defines_(defines) {}

  std::string Encode(const Tree& tree) {
    out_.assign(8, '\0');
    PutValue(0, tree);
    Align(8);
    return out_;
  }

 private:
  void Align(size_t alignment) {
    while (out_.size() % alignment != 0) out_ += '\0';
  }
  void Put(size_t at, uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) out_[at + static_cast<size_t>(i)] = static_cast<char>(number >> (8 * i));
  }
  void Append(uint64_t number, int bytes) {
    out_.resize(out_.size() + static_cast<size_t>(bytes));
    Put(out_.size() - static_cast<size_t>(bytes), number, bytes);
  }
  void PutSlot(size_t at, uint64_t tag, uint64_t info, uint64_t low) {
    Put(at, tag << 48 | info << 32 | low, 8);
  }
  void PutReference(size_t at, uint64_t tag, uint64_t info, size_t alignment) {
    Align(alignment);
    PutSlot(at, tag, info, out_.size() - at);
  }
  static uint64_t Bits(double number) {
    if (std::isnan(number)) return 0x7FF8000000000000;
    uint64_t bits;
    std::memcpy(&bits, &number, 8);
    return bits;
  }

  void PutString(size_t at, const std::u16string& string) {
    const bool latin1 = IsLatin1(string);
    if (latin1 && string.size() <= 5) {
      const std::string padded = [&] {
        std::string characters(string.begin(), string.end());
        characters.resize(5, '\0');
        return characters;
      }();
      Put(at + 6, 0xFFFF, 2);
      out_[at + 4] = static_cast<char>(string.size());
      out_[at + 5] = padded[0];
      for (size_t i = 0; i < 4; ++i) out_[at + i] = padded[i + 1];
      return;
    }
    if (string.size() < 0xFFFF) {
      PutReference(at, latin1 ? 0xFFFA : 0xFFFB, string.size(), latin1 ? 1 : 2);
    } else {
      PutReference(at, 0xFFFE, latin1 ? 0 : 1, 4);
      Append(string.size(), 4);
    }
    for (char16_t unit : string) Append(unit, latin1 ? 1 : 2);
  }

  bool FindShape(const Tree& tree, uint32_t* shape) {
    if (tree.type == Type::kDictionary || tree.names.size() > 64) return false;
    for (const std::u16string& name : tree.names) {
      if (name.size() > 255) return false;
    }
    const std::string list = NameList(tree.names);
    const auto* bytes = reinterpret_cast<const uint8_t*>(list.data());
    if (!defines_) return shapes_->Find({bytes, list.size()}, shape);
    return shapes_->Define({bytes, list.size()}, static_cast<uint32_t>(tree.names.size()), shape).ok();
  }

  void PutValue(size_t at, const Tree& tree) {
    switch (tree.type) {
      case Type::kSpecial:
        PutSlot(at, 0xFFF8, 0, tree.special);
        break;
      case Type::kNumber:
        if (Bits(tree.number) == Bits(0) ||
            (tree.number != 0 && std::fabs(tree.number) < 3e9 && std::floor(tree.number) == tree.number &&
             tree.number >= -2147483648.0 && tree.number < 2147483648.0)) {
          PutSlot(at, 0xFFF9, 0, static_cast<uint32_t>(static_cast<int64_t>(tree.number)));
        } else {
          Put(at, Bits(tree.number), 8);
        }
        break;
      case Type::kString:
        PutString(at, tree.string);
        break;
      case Type::kArray: {
        PutReference(at, 0xFFFD, 0, 8);
        Append(tree.items.size(), 8);
        const size_t slots = out_.size();
        out_.resize(slots + 8 * tree.items.size());
        for (size_t i = 0; i < tree.items.size(); ++i) PutValue(slots + 8 * i, tree.items[i]);
        break;
      }
      case Type::kObject:
      case Type::kDictionary: {
        uint32_t shape;
        if (FindShape(tree, &shape)) {
          PutReference(at, 0xFFFC, shape, 8);
          const size_t slots = out_.size();
          out_.resize(slots + 8 * tree.items.size());
          for (size_t i = 0; i < tree.items.size(); ++i) PutValue(slots + 8 * i, tree.items[i]);
        } else {
          PutReference(at, 0xFFFE, 6, 8);
          Append(tree.items.size(), 8);
          const size_t slots = out_.size();
          out_.resize(slots + 16 * tree.items.size());
          for (size_t i = 0; i < tree.items.size(); ++i) {
            PutString(slots + 16 * i, tree.names[i]);
            PutValue(slots + 16 * i + 8, tree.items[i]);
          }
        }
        break;
      }
      case Type::kBigint:
        PutReference(at, 0xFFFE, 2, 8);
        Append(tree.words.size(), 4);
        Append(tree.negative, 4);
        for (uint64_t word : tree.words) Append(word, 8);
        break;
      case Type::kBytes:
      case Type::kBuffer:
        PutReference(at, 0xFFFE, tree.type == Type::kBytes ? 3 : 4, 8);
        Append(tree.bytes.size(), 8);
        out_ += tree.bytes;
        break;
      case Type::kDate:
        PutReference(at, 0xFFFE, 5, 8);
        Append(Bits(tree.number), 8);
        break;
    }
  }

  ShapeTable* shapes_;
  bool defines_;
  std::string out_;
};

// Follows the references wherever they lead. REQUIRES: CheckValue has accepted the bytes.
class Decoder {
 public:
  Decoder(const uint8_t* bytes, const ShapeTable& shapes) : bytes_(bytes), shapes_(shapes) {}
  Tree Decode() const { return Value(0); }

 private:
  uint64_t Get(size_t at, int bytes) const {
    uint64_t number = 0;
    for (int i = 0; i < bytes; ++i) number |= uint64_t{bytes_[at + static_cast<size_t>(i)]} << (8 * i);
    return number;
  }
  static double AsDouble(uint64_t bits) {
    double number;
    std::memcpy(&number, &bits, 8);
    return number;
  }
  std::u16string Units(size_t at, size_t count, bool latin1) const {
    std::u16string string;
    for (size_t i = 0; i < count; ++i) {
      string += static_cast<char16_t>(latin1 ? Get(at + i, 1) : Get(at + 2 * i, 2));
    }
    return string;
  }
  std::vector<Tree> Items(size_t slots, size_t count, size_t stride) const {
    std::vector<Tree> items;
    for (size_t i = 0; i < count; ++i) items.push_back(Value(slots + i * stride));
    return items;
  }

  Tree Value(size_t at) const {
    const uint64_t tag = Get(at + 6, 2);
    const uint64_t info = Get(at + 4, 2);
    const size_t target = at + Get(at, 4);
    if (tag < 0xFFF8) return Number(AsDouble(Get(at, 8)));
    switch (tag) {
      case 0xFFF8:
        return Special(static_cast<uint32_t>(Get(at, 4)));
      case 0xFFF9:
        return Number(static_cast<int32_t>(Get(at, 4)));
      case 0xFFFA:
        return String(Units(target, info, true));
      case 0xFFFB:
        return String(Units(target, info, false));
      case 0xFFFC: {
        Tree tree{.type = Type::kObject};
        const uint32_t shape = static_cast<uint32_t>(info);
        for (uint32_t field = 0; field < shapes_.FieldCount(shape); ++field) {
          const StringBytes& name = shapes_.FieldName(shape, field);
          std::u16string units;
          for (uint64_t i = 0; i < name.bytes; i += name.utf16 ? 2 : 1) {
            units += static_cast<char16_t>(name.data[i] | (name.utf16 ? name.data[i + 1] << 8 : 0));
          }
          tree.names.push_back(units);
        }
        tree.items = Items(target, tree.names.size(), 8);
        return tree;
      }
      case 0xFFFD:
        return Array(Items(target + 8, Get(target, 4), 8));
      case 0xFFFF: {
        std::u16string string;
        for (size_t i = 0; i < Get(at + 4, 1); ++i) {
          string += static_cast<char16_t>(Get(i == 0 ? at + 5 : at + i - 1, 1));
        }
        return String(string);
      }
      default:
        break;
    }
    const uint64_t length = Get(target, 4);
    Tree tree;
    switch (info) {
      case 0:
      case 1:
        return String(Units(target + 4, length, info == 0));
      case 2:
        tree.type = Type::kBigint;
        tree.negative = Get(target + 4, 4) != 0;
        for (size_t i = 0; i < length; ++i) tree.words.push_back(Get(target + 8 + 8 * i, 8));
        return tree;
      case 3:
      case 4:
        tree.type = info == 3 ? Type::kBytes : Type::kBuffer;
        tree.bytes.assign(reinterpret_cast<const char*>(bytes_ + target + 8), length);
        return tree;
      case 5:
        return Date(AsDouble(Get(target, 8)));
      default:
        tree.type = Type::kDictionary;
        for (const Tree& key : Items(target + 8, length, 16)) tree.names.push_back(key.string);
        tree.items = Items(target + 16, length, 16);
        return tree;
    }
  }

  const uint8_t* bytes_;
  const ShapeTable& shapes_;
};

}  // namespace forkstore::oracle
