#include "base/siphash.h"

#include <bit>
#include <cstring>

namespace forkstore {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

struct SipState {
  uint64_t v0, v1, v2, v3;

  explicit SipState(HashSeed seed)
      : v0(seed.k0 ^ 0x736f6d6570736575u),
        v1(seed.k1 ^ 0x646f72616e646f6du),
        v2(seed.k0 ^ 0x6c7967656e657261u),
        v3(seed.k1 ^ 0x7465646279746573u) {}
  SipState(uint64_t a, uint64_t b, uint64_t c, uint64_t d) : v0(a), v1(b), v2(c), v3(d) {}

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  template <int kRounds>
  void Compress(uint64_t word) {
    v3 ^= word;
    for (int i = 0; i < kRounds; ++i) Round();
    v0 ^= word;
  }

  template <int kRounds>
  uint64_t Finalize() {
    v2 ^= 0xFF;
    for (int i = 0; i < kRounds; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

uint64_t Load64(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

uint32_t Load32(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}

// The first `bytes` (0..7) bytes as a word with zeros above, without a loop: keys are short, and a
// mispredicted loop exit costs more than the hash itself.
uint64_t LoadShort(const uint8_t* p, size_t bytes) {
  if (bytes >= 4) return Load32(p) | uint64_t{Load32(p + bytes - 4)} << (8 * (bytes - 4));
  if (bytes == 0) return 0;
  return p[0] | uint64_t{p[bytes / 2]} << (8 * (bytes / 2)) | uint64_t{p[bytes - 1]} << (8 * (bytes - 1));
}

}  // namespace

uint64_t SipHash13(HashSeed seed, uint8_t prefix, const uint8_t* data, size_t bytes) {
  SipState state(seed);
  const uint64_t length_byte = uint64_t{bytes + 1} << 56;
  if (bytes < 8) {
    // With the prefix at most eight bytes: seven of them fill a last word, eight a whole one.
    const uint64_t word = LoadShort(data, bytes) << 8 | prefix;
    if (bytes < 7) {
      state.Compress<1>(word | length_byte);
    } else {
      state.Compress<1>(word);
      state.Compress<1>(length_byte);
    }
    return state.Finalize<3>();
  }
  state.Compress<1>(Load64(data) << 8 | prefix);
  const uint8_t* const end = data + bytes;
  const uint8_t* p = data + 7;
  for (; end - p >= 8; p += 8) state.Compress<1>(Load64(p));
  // There are eight bytes before `end`, so the tail can be cut out of a word that reaches back.
  const size_t tail = static_cast<size_t>(end - p);
  const uint64_t last = tail == 0 ? 0 : Load64(end - 8) >> (64 - 8 * tail);
  state.Compress<1>(last | length_byte);
  return state.Finalize<3>();
}

SipHash24::SipHash24(HashSeed seed) {
  const SipState state(seed);
  v0_ = state.v0;
  v1_ = state.v1;
  v2_ = state.v2;
  v3_ = state.v3;
}

void SipHash24::Update(const void* data, size_t bytes) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  SipState state(v0_, v1_, v2_, v3_);
  while (bytes > 0) {
    const size_t held = total_ % 8;
    if (held == 0 && bytes >= 8) {
      state.Compress<2>(Load64(p));
      p += 8;
      bytes -= 8;
      total_ += 8;
      continue;
    }
    tail_ |= uint64_t{*p} << (8 * held);
    ++p;
    --bytes;
    ++total_;
    if (held == 7) {
      state.Compress<2>(tail_);
      tail_ = 0;
    }
  }
  v0_ = state.v0;
  v1_ = state.v1;
  v2_ = state.v2;
  v3_ = state.v3;
}

uint64_t SipHash24::Finish() {
  SipState state(v0_, v1_, v2_, v3_);
  state.Compress<2>(tail_ | total_ << 56);
  return state.Finalize<4>();
}

}  // namespace forkstore
