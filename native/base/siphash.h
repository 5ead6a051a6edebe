// SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): a keyed hash that users
// who choose the input cannot make collide. 1-3 rounds for the index, 2-4 for digests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forkstore {

struct HashSeed {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

// SipHash-1-3 of the byte `prefix` followed by data[0, bytes).
uint64_t SipHash13(HashSeed seed, uint8_t prefix, const uint8_t* data, size_t bytes);

// SipHash-2-4, fed piece by piece. Async-signal-safe: no allocation.
class SipHash24 {
 public:
  explicit SipHash24(HashSeed seed);
  void Update(const void* data, size_t bytes);
  uint64_t Finish();

 private:
  uint64_t v0_, v1_, v2_, v3_;
  uint64_t tail_ = 0;
  uint64_t total_ = 0;
};

}  // namespace forkstore
