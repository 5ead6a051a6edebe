// Tests only: a map in a heap of its own, and the slow and obvious map it has to agree with.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/map/ordered_map.h"
#include "data/value/shape.h"
#include "testing/heap.h"

namespace forkstore {

inline constexpr HashSeed kTestSeed{0x0706050403020100, 0x0F0E0D0C0B0A0908};

// A key as a string: its kind, then its bytes.
inline Key KeyOf(const std::string& key) {
  return Key{static_cast<KeyKind>(key[0]), reinterpret_cast<const uint8_t*>(key.data()) + 1, key.size() - 1};
}

// A key of any kind that is different for each number.
inline std::string MakeKey(uint64_t number) {
  std::string key(1, static_cast<char>(number % 4));
  const std::string digits = std::to_string(number);
  switch (number % 4) {
    case 0: {
      key += digits;
      if (number % 64 == 0) key.append(number % 5 * 20, 'x');
      if (number % 4096 == 0) key.append(0x3FF0 + number / 4096 % 32, 'y');
      break;
    }
    case 1:
      for (const char digit : digits) {
        key += digit;
        key += '\x04';
      }
      break;
    case 2: {
      const double value = static_cast<double>(number) * 0.5;
      key.append(reinterpret_cast<const char*>(&value), 8);
      break;
    }
    default: {
      key += static_cast<char>(number / 4 % 2);
      for (uint64_t rest = number; rest != 0; rest >>= 8) key += static_cast<char>(rest & 0xFF);
    }
  }
  return key;
}

// A value of 8 bytes (a number), or of 16 or more (bytes); `bytes` is a multiple of 8.
inline std::string MakeValue(uint64_t bytes, uint64_t content) {
  std::string value(bytes, 0);
  const auto put = [&value](uint64_t at, uint32_t word) { std::memcpy(&value[at], &word, 4); };
  if (bytes == 8) {
    put(0, static_cast<uint32_t>(content));
    put(4, 0xFFF9u << 16);
    return value;
  }
  put(0, 8);
  put(4, 0xFFFEu << 16 | 3);
  put(8, static_cast<uint32_t>(bytes - 16));
  for (uint64_t i = 16; i < bytes; i++) value[i] = static_cast<char>(content * 31 + i * 7);
  return value;
}

// The size of a value that MakeValue has made.
inline uint64_t ValueBytes(const uint8_t* value) {
  uint32_t words[2];
  std::memcpy(words, value, 8);
  if (words[1] == 0xFFF9u << 16) return 8;
  std::memcpy(words, value + 8, 4);
  return 16 + RoundUp(words[0], 8);
}

using Entries = std::vector<std::pair<std::string, std::string>>;

class MapForTest {
 public:
  explicit MapForTest(uint64_t max_bytes = uint64_t{1} << 30) : memory(max_bytes), graveyard(memory.heap()) {
    header = memory.NewZeros(kMapHeaderBytes);
    shape_fields = memory.NewZeros(16);
    memory.heap().Mutate<MapHeader>(header).next_sequence = 1;
    empty_blocks = memory.live_blocks();
  }
  // Everything free, as it is before Restore.
  MapForTest(const HeapForTest::Image& image, Offset header_offset, Offset shapes, uint64_t max_bytes)
      : memory(max_bytes), graveyard(memory.heap()), header(header_offset), shape_fields(shapes) {
    memory.Load(image);
    EXPECT_TRUE(memory.Claim(header, kMapHeaderBytes));
    EXPECT_TRUE(memory.Claim(shape_fields, 16));
    empty_blocks = memory.live_blocks();
  }

  OrderedMap map() { return OrderedMap(memory.heap(), header, kTestSeed); }

  Status Set(const std::string& key, const std::string& value, bool* inserted) {
    return map().Set(KeyOf(key), reinterpret_cast<const uint8_t*>(value.data()), value.size(), inserted);
  }
  Status Restore() {
    ShapeTable shapes(memory.heap(), shape_fields, shape_fields + 8);
    ValueScratch scratch;
    return map().Restore(shapes, &scratch);
  }

  std::pair<std::string, std::string> EntryAt(Offset record) {
    const RecordView view = ReadRecord(memory.heap(), record);
    const uint8_t* value = memory.heap().At(record) + view.value_distance;
    std::string key(1, static_cast<char>(view.key.kind));
    key.append(reinterpret_cast<const char*>(view.key.data), view.key.bytes);
    return {key, std::string(reinterpret_cast<const char*>(value), ValueBytes(value))};
  }
  // All entries, in order, read in pieces of `piece`.
  Entries Contents(uint32_t piece = 64) {
    Entries entries;
    std::vector<Offset> records(piece);
    uint64_t from = 0;
    for (;;) {
      const uint32_t count = map().Scan(from, piece, records.data());
      for (uint32_t i = 0; i < count; i++) {
        entries.push_back(EntryAt(records[i]));
        from = ReadRecord(memory.heap(), records[i]).sequence + 1;
      }
      if (count < piece) return entries;
    }
  }

  HeapForTest memory;
  Graveyard graveyard;
  Offset header;
  Offset shape_fields;
  uint64_t empty_blocks;
};

// A JavaScript Map as its specification has it: a list in order, and where each key is.
class MapOracle {
 public:
  bool Set(const std::string& key, const std::string& value) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      found->second->second = value;
      return false;
    }
    entries_.emplace_back(key, value);
    places_[key] = std::prev(entries_.end());
    return true;
  }
  bool Delete(const std::string& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return false;
    entries_.erase(found->second);
    places_.erase(found);
    return true;
  }
  void Clear() {
    entries_.clear();
    places_.clear();
  }
  const std::string* Find(const std::string& key) const {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &found->second->second;
  }
  uint64_t size() const { return places_.size(); }
  Entries Contents() const { return Entries(entries_.begin(), entries_.end()); }

 private:
  std::list<std::pair<std::string, std::string>> entries_;
  std::unordered_map<std::string, std::list<std::pair<std::string, std::string>>::iterator> places_;
};

}  // namespace forkstore
