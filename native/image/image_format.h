// The image file's fixed parts; docs/format.md, section 5.
#pragma once

#include <array>
#include <cstdint>

#include "memory/layout.h"

namespace forkstore {

using StoreId = std::array<uint8_t, 16>;

// 1: no tree; 2: no map has ever been dropped.
inline constexpr uint32_t kFormatVersion = 3;
inline constexpr uint32_t kOldestFormatVersion = 1;  // that is read
inline constexpr uint32_t kByteOrderMark = 0x01020304;
inline constexpr uint64_t kImageBlockBytes = 4096;  // header, footer; alignment of every section
inline constexpr uint64_t kChunkBytes = 1024 * 1024;
// Generations are numbered from 1 to here: JavaScript has to count them exactly.
inline constexpr uint64_t kMaxGeneration = (uint64_t{1} << 53) - 1;

struct ImageHeader {
  char magic[8];
  uint32_t version;
  uint32_t byte_order;
  uint32_t crc;
  uint32_t page_bytes;
  uint32_t unit_bytes;
  uint32_t chunk_bytes;
  StoreId store_id;
  uint64_t generation;
  uint64_t units;
  uint64_t data_units;
  double created_ms;
  uint8_t zero[kImageBlockBytes - 80];
};
static_assert(sizeof(ImageHeader) == kImageBlockBytes);

struct ImageFooter {
  char magic[8];
  uint32_t crc;
  uint32_t table_crc;
  uint64_t file_bytes;
  uint64_t entries;
  uint64_t writes;
  uint64_t digest;
  StoreId store_id;
  uint64_t generation;
  uint8_t zero[kImageBlockBytes - 72];
};
static_assert(sizeof(ImageFooter) == kImageBlockBytes);

inline constexpr char kImageHeaderMagic[8] = {'F', 'O', 'R', 'K', 'S', 'T', 'O', 'R'};
inline constexpr char kImageFooterMagic[8] = {'F', 'O', 'R', 'K', 'S', 'E', 'N', 'D'};

// Where the sections of an image lie. Everything follows from two counts.
struct ImageLayout {
  uint64_t table_bytes;  // without padding
  uint64_t data_position;
  uint64_t data_bytes;
  uint64_t chunks;
  uint64_t checksums_position;
  uint64_t footer_position;
  uint64_t file_bytes;
};

// REQUIRES: units and data_units below 2^40, so that nothing wraps.
inline constexpr uint64_t kTablePosition = kImageBlockBytes;
inline constexpr ImageLayout LayOutImage(uint64_t units, uint64_t data_units) {
  ImageLayout layout{};
  layout.table_bytes = units * 4;
  layout.data_position = kTablePosition + RoundUp(layout.table_bytes, kImageBlockBytes);
  layout.data_bytes = data_units * kUnitBytes;
  layout.chunks = RoundUp(layout.data_bytes, kChunkBytes) / kChunkBytes;
  layout.checksums_position = layout.data_position + layout.data_bytes;
  layout.footer_position = layout.checksums_position + RoundUp(layout.chunks * 4, kImageBlockBytes);
  layout.file_bytes = layout.footer_position + kImageBlockBytes;
  return layout;
}

// The kind bits of a unit table entry; a unit that is not free is in the data section.
inline constexpr bool UnitHasData(uint32_t table_entry) {
  return (table_entry & 3) != 0;
}

// What the writer is told; all pointers stay valid in the child.
struct ImageSource {
  const uint8_t* arena_base;
  const uint32_t* table;
  uint64_t units;
  StoreId store_id;
  uint64_t generation;
  double created_ms;
  uint64_t entries;
  uint64_t writes;
};

}  // namespace forkstore
