// Operation: one change of the store, as bytes; docs/format.md, section 3.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/key.h"

namespace forkstore {

enum class OperationCode : uint8_t {
  kCreateMap = 1,
  kDefineShape = 2,
  kSet = 3,
  kDelete = 4,
  kClear = 5,
  kPatch = 6,
  kIncrement = 7,
};

inline constexpr uint64_t kOperationHeadBytes = 16;

struct Operation {
  OperationCode code;
  uint32_t collection = 0;
  const uint8_t* value = nullptr;
  uint64_t value_bytes = 0;
  Key key;
};

// Splits bytes[0, size), which must be one whole operation with a known code and a canonical key.
// The value is not judged here. `bytes` is 8-aligned. Errors: kInvalid, kTooLarge.
Status ParseOperation(const uint8_t* bytes, uint64_t size, Operation* out);

}  // namespace forkstore
