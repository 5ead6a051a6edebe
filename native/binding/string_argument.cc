#include "binding/string_argument.h"

#include "memory/layout.h"

namespace forkstore {

namespace {

// Narrows to bytes, whether or not they all fit; true when they did. Without branches in the loop and
// with separate arrays, so that it is vectorised.
bool Narrow(const char16_t* __restrict units, size_t count, uint8_t* __restrict bytes) {
  uint16_t all = 0;
  for (size_t i = 0; i < count; ++i) {
    all |= units[i];
    bytes[i] = static_cast<uint8_t>(units[i]);
  }
  return all <= 0xFF;
}

}  // namespace

bool StringArgument::Read(napi_env env, napi_value value) {
  size_t count = 0;
  if (napi_get_value_string_utf16(env, value, units_, kInlineUnits, &count) != napi_ok) return false;
  const char16_t* units = units_;
  uint8_t* bytes = bytes_;
  if (count == kInlineUnits - 1) {  // perhaps cut off: ask for the length
    napi_get_value_string_utf16(env, value, nullptr, 0, &count);
    if (count > kMaxKeyBytes) {
      key_ = Key{KeyKind::kLatin1, nullptr, count};
      return true;
    }
    long_units_.resize(count + 1);
    long_bytes_.resize(count + 1);
    napi_get_value_string_utf16(env, value, long_units_.data(), count + 1, &count);
    units = long_units_.data();
    bytes = long_bytes_.data();
  }
  if (Narrow(units, count, bytes)) {
    key_ = Key{KeyKind::kLatin1, bytes, count};
  } else {
    key_ = Key{KeyKind::kUtf16, reinterpret_cast<const uint8_t*>(units), count * 2};
  }
  return true;
}

}  // namespace forkstore
