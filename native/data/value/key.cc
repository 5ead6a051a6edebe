#include "data/value/key.h"

#include <cmath>

#include "data/value/text.h"
#include "memory/layout.h"

namespace forkstore {
namespace {

constexpr uint64_t kCanonicalNan = 0x7FF8000000000000;
constexpr uint64_t kMinusZero = 0x8000000000000000;

bool IsCanonicalNumber(const Key& key) {
  if (key.bytes != 8) return false;
  uint64_t bits;
  std::memcpy(&bits, key.data, 8);
  double number;
  std::memcpy(&number, &bits, 8);
  return bits != kMinusZero && (!std::isnan(number) || bits == kCanonicalNan);
}

bool IsCanonicalBigint(const Key& key) {
  if (key.bytes == 0 || key.data[0] > 1) return false;
  if (key.bytes == 1) return key.data[0] == 0;
  return key.data[key.bytes - 1] != 0;
}

}  // namespace

Status CheckKey(const Key& key) {
  if (key.bytes > kMaxKeyBytes) return Status(Code::kTooLarge, "a key is longer than 2^29 bytes");
  switch (key.kind) {
    case KeyKind::kLatin1:
      return Status::Ok();
    case KeyKind::kUtf16:
      if (key.bytes % 2 == 0 && HasWideUnit(key.data, key.bytes)) return Status::Ok();
      return Status(Code::kInvalid, "a UTF-16 key is of odd length or fits Latin-1");
    case KeyKind::kNumber:
      if (IsCanonicalNumber(key)) return Status::Ok();
      return Status(Code::kInvalid, "a number key is not in canonical form");
    case KeyKind::kBigint:
      if (IsCanonicalBigint(key)) return Status::Ok();
      return Status(Code::kInvalid, "a bigint key is not in canonical form");
  }
  return Status(Code::kInvalid, "a key is of unknown kind");
}

}  // namespace forkstore
