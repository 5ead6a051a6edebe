// Keys: docs/format.md, section 2.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/siphash.h"
#include "base/status.h"

namespace forkstore {

enum class KeyKind : uint8_t { kLatin1 = 0, kUtf16 = 1, kNumber = 2, kBigint = 3 };

struct Key {
  KeyKind kind = KeyKind::kLatin1;
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;

  uint64_t Hash(HashSeed seed) const { return SipHash13(seed, static_cast<uint8_t>(kind), data, bytes); }
  bool operator==(const Key& other) const {
    return kind == other.kind && bytes == other.bytes &&
           (bytes == 0 || std::memcmp(data, other.data, bytes) == 0);
  }
};

// Checks that the key is in canonical form (format.md, section 2): lengths, a UTF-16 unit over 0xFF,
// -0 and NaN, bigint without superfluous bytes. Errors: kInvalid, kTooLarge.
Status CheckKey(const Key& key);

}  // namespace forkstore
