// What the tests of this folder share: directories that vanish, arenas with random holes, and images that
// are made outside of the writer, so that each field can be wrong while every checksum is right.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/siphash.h"
#include "memory/arena.h"
#include "persist/image_format.h"

namespace forkstore {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char pattern[] = "persist_test.XXXXXX";
    path_ = std::filesystem::absolute(mkdtemp(pattern)).string();
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
};

inline std::vector<uint8_t> ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteBytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// An arena with random bytes in the units that a random table says are used.
struct RandomArena {
  std::unique_ptr<Arena> arena;
  std::vector<uint32_t> table;

  RandomArena(uint64_t seed, uint64_t units, double used, uint64_t max_bytes = uint64_t{64} << 20,
              bool huge_pages = true) {
    std::mt19937_64 random(seed);
    EXPECT_TRUE(Arena::Create({max_bytes, huge_pages}, &arena).ok());
    for (uint64_t unit = 0; unit < units; ++unit) {
      const bool is_used = std::uniform_real_distribution<>(0, 1)(random) < used;
      table.push_back(is_used ? 1 + 4 * static_cast<uint32_t>(random() % 20) : 0);
      if (is_used) Fill(unit, random());
    }
    arena->SetFrontier(units * kUnitBytes);
  }

  void Fill(uint64_t unit, uint64_t seed) {
    std::mt19937_64 random(seed);
    uint8_t* bytes = arena->Write(unit * kUnitBytes, kUnitBytes);
    for (uint64_t i = 0; i < kUnitBytes; i += 8) {
      const uint64_t word = random();
      memcpy(bytes + i, &word, 8);
    }
  }

  ImageSource Source(uint64_t generation = 1) const {
    ImageSource source{};
    source.arena_base = arena->base();
    source.table = table.data();
    source.units = table.size();
    source.store_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    source.generation = generation;
    source.created_ms = 1.7e12;
    source.entries = 77;
    source.writes = 88;
    return source;
  }

  // What is used in `other` is the same here.
  bool SameAs(const Arena& other) const {
    for (uint64_t unit = 0; unit < table.size(); ++unit) {
      if (UnitHasData(table[unit]) &&
          memcmp(arena->At(unit * kUnitBytes), other.At(unit * kUnitBytes), kUnitBytes) != 0) {
        return false;
      }
    }
    return true;
  }
};

inline ImageHeader* HeaderOf(std::vector<uint8_t>* image) {
  return reinterpret_cast<ImageHeader*>(image->data());
}
inline ImageFooter* FooterOf(std::vector<uint8_t>* image) {
  return reinterpret_cast<ImageFooter*>(image->data() + image->size() - sizeof(ImageFooter));
}

// Makes every checksum good again after a test has changed something. Goes by `layout`, not by what
// the image says of itself, which may be what was changed.
inline void RepairChecksums(std::vector<uint8_t>* image, const ImageLayout& layout) {
  ImageHeader* header = HeaderOf(image);
  ImageFooter* footer = FooterOf(image);
  header->crc = 0;
  header->crc = Crc32c(header, sizeof(*header));
  footer->table_crc = Crc32c(image->data() + kTablePosition, layout.data_position - kTablePosition);
  for (uint64_t chunk = 0; chunk < layout.chunks; ++chunk) {
    const uint64_t begin = chunk * kChunkBytes;
    const uint64_t bytes = std::min(kChunkBytes, layout.data_bytes - begin);
    const uint32_t crc = Crc32c(image->data() + layout.data_position + begin, bytes);
    memcpy(image->data() + layout.checksums_position + chunk * 4, &crc, 4);
  }
  SipHash24 digest(HashSeed{});
  digest.Update(header, sizeof(*header));
  digest.Update(&footer->table_crc, 4);
  if (layout.chunks > 0) digest.Update(image->data() + layout.checksums_position, layout.chunks * 4);
  footer->digest = digest.Finish();
  footer->crc = 0;
  footer->crc = Crc32c(footer, sizeof(*footer));
}

// The slow, obvious writer: docs/format.md, section 5, read once more.
inline std::vector<uint8_t> ReferenceImage(const ImageSource& source) {
  std::vector<uint8_t> image(4096);
  const auto append = [&image](const void* bytes, size_t count) {
    image.insert(image.end(), static_cast<const uint8_t*>(bytes), static_cast<const uint8_t*>(bytes) + count);
  };
  const auto put = [&image](size_t position, auto value) { memcpy(&image[position], &value, sizeof(value)); };
  append(source.table, source.units * 4);
  while (image.size() % 4096 != 0) image.push_back(0);
  uint64_t data_units = 0;
  for (uint64_t unit = 0; unit < source.units; ++unit) {
    if (source.table[unit] % 4 == 0) continue;
    append(source.arena_base + unit * 65536, 65536);
    ++data_units;
  }
  image.resize(image.size() + ((data_units + 15) / 16 * 4 + 4095) / 4096 * 4096 + 4096);
  memcpy(&image[0], "FORKSTOR", 8);
  put(8, uint32_t{1});
  put(12, uint32_t{0x01020304});
  put(20, uint32_t{4096});
  put(24, uint32_t{65536});
  put(28, uint32_t{1048576});
  memcpy(&image[32], source.store_id.data(), 16);
  put(48, source.generation);
  put(56, source.units);
  put(64, data_units);
  put(72, source.created_ms);
  const size_t footer = image.size() - 4096;
  memcpy(&image[footer], "FORKSEND", 8);
  put(footer + 16, static_cast<uint64_t>(image.size()));
  put(footer + 24, source.entries);
  put(footer + 32, source.writes);
  memcpy(&image[footer + 48], source.store_id.data(), 16);
  put(footer + 64, source.generation);
  RepairChecksums(&image, LayOutImage(source.units, data_units));
  return image;
}

}  // namespace forkstore
