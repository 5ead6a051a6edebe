// A JavaScript string as the bytes of a key: Latin-1 where every code unit fits, else UTF-16.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <vector>

#include "data/value/key.h"

namespace forkstore {

// Holds the bytes while a call uses them. On the stack: strings of up to kInlineUnits need no allocation.
class StringArgument {
 public:
  StringArgument() = default;
  StringArgument(const StringArgument&) = delete;
  StringArgument& operator=(const StringArgument&) = delete;

  // False when `value` is not a string. One of more than kMaxKeyBytes code units is not copied: key() has its
  // length and no bytes.
  bool Read(napi_env env, napi_value value);

  const Key& key() const { return key_; }

 private:
  static constexpr size_t kInlineUnits = 256;

  Key key_;
  char16_t units_[kInlineUnits];
  uint8_t bytes_[kInlineUnits];
  std::vector<char16_t> long_units_;
  std::vector<uint8_t> long_bytes_;
};

}  // namespace forkstore
