#include "image/frozen_chunks.h"

#include <algorithm>

namespace forkstore {
namespace {

constexpr uint64_t kUnitsPerChunk = kChunkBytes / kUnitBytes;

}  // namespace

FrozenChunks::FrozenChunks(FrozenPages* pages, const std::vector<uint32_t>& table)
    : pages_(pages), table_(table), chunk_of_unit_(table.size(), kNoChunk) {
  uint64_t rank = 0;
  for (uint64_t unit = 0; unit < table.size(); ++unit) {
    if (!UnitHasData(table[unit])) {
      pages->SkipUnit(unit);
      continue;
    }
    if (rank % kUnitsPerChunk == 0) first_units_.push_back(unit);
    chunk_of_unit_[unit] = static_cast<uint32_t>(rank++ / kUnitsPerChunk);
  }
  copies_.resize(first_units_.size());
  is_read_.resize(first_units_.size());
}

uint64_t FrozenChunks::Next() {
  pages_->TakeSaved([this](uint64_t unit) {
    const uint32_t chunk = chunk_of_unit_[unit];
    if (chunk != kNoChunk && !is_read_[chunk]) ++copies_[chunk];
  });
  const auto most = std::max_element(copies_.begin(), copies_.end());
  if (*most >= kManyCopies) return static_cast<uint64_t>(most - copies_.begin());
  while (is_read_[next_]) ++next_;
  return next_;
}

bool FrozenChunks::Read(uint64_t chunk, uint8_t* to) {
  uint64_t units = 0;
  for (uint64_t unit = first_units_[chunk]; units < kUnitsPerChunk && unit < table_.size(); ++unit) {
    if (!UnitHasData(table_[unit])) continue;
    if (!pages_->ReadUnit(unit, to + units * kUnitBytes)) return false;
    ++units;
  }
  is_read_[chunk] = true;
  copies_[chunk] = 0;
  return true;
}

}  // namespace forkstore
