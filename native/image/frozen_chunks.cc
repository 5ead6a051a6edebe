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
    if (chunk != kNoChunk && !is_read_[chunk] && ++copies_[chunk] == kManyCopies) crowded_.push_back(chunk);
  });
  std::erase_if(crowded_, [this](uint32_t chunk) { return is_read_[chunk]; });
  const auto most = std::max_element(crowded_.begin(), crowded_.end(), [this](uint32_t one, uint32_t other) {
    return copies_[one] < copies_[other];
  });
  if (most != crowded_.end()) return *most;
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
  return true;
}

}  // namespace forkstore
