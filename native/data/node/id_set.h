// IdSet: a set of node ids, in scratch memory. Ids that are near each other share a word or a chunk, as the
// ids of an array's items mostly do: then an id takes a bit or two, and a few nanoseconds to add.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "data/value/node.h"

namespace forkstore {

class IdSet {
 public:
  bool empty() const { return chunks_.empty(); }

  bool Has(NodeId id) const {
    const auto found = chunks_.find(id / kChunkIds);
    return found != chunks_.end() && (found->second[WordOf(id)] & BitOf(id)) != 0;
  }
  void Add(const std::vector<NodeId>& ids) {
    Chunk* chunk = nullptr;
    uint64_t number = 0;
    for (const NodeId id : ids) {
      if (chunk == nullptr || id / kChunkIds != number) {
        number = id / kChunkIds;
        chunk = &chunks_[number];
      }
      (*chunk)[WordOf(id)] |= BitOf(id);
    }
  }
  // Also of an id that is not in the set.
  void Remove(NodeId id) {
    const auto found = chunks_.find(id / kChunkIds);
    if (found == chunks_.end()) return;
    found->second[WordOf(id)] &= ~BitOf(id);
    uint64_t left = 0;
    for (const uint64_t word : found->second) left |= word;
    if (left == 0) chunks_.erase(found);
  }

 private:
  static constexpr uint64_t kWords = 8;
  static constexpr uint64_t kChunkIds = kWords * 64;
  using Chunk = std::array<uint64_t, kWords>;

  static uint64_t WordOf(NodeId id) { return id % kChunkIds / 64; }
  static uint64_t BitOf(NodeId id) { return uint64_t{1} << (id % 64); }

  std::unordered_map<uint64_t, Chunk> chunks_;
};

}  // namespace forkstore
