// Images made outside of the writer, for tests and fuzzers: so that each field can be wrong while every
// checksum is right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/crc32c.h"
#include "base/siphash.h"
#include "image/image_format.h"

namespace forkstore {

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
  put(8, uint32_t{3});
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
