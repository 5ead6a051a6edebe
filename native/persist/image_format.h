// The image file's fixed parts; docs/format.md, section 5.
#pragma once

#include <array>
#include <cstdint>

#include "memory/layout.h"

namespace forkstore {

using StoreId = std::array<uint8_t, 16>;

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kByteOrderMark = 0x01020304;
inline constexpr uint64_t kImageBlockBytes = 4096;       // header, footer; alignment of every section
inline constexpr uint64_t kChunkBytes = 1024 * 1024;

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
