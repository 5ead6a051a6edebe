// Operation: one change of the store, as bytes; docs/format.md, section 3.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/value/key.h"
#include "data/value/node.h"

namespace forkstore {

enum class OperationCode : uint8_t {
  kCreateMap = 1,
  kDefineShape = 2,
  kSet = 3,
  kDelete = 4,
  kClear = 5,
  kPatch = 6,
  kIncrement = 7,
  kSetMember = 8,
  kDeleteMember = 9,
  kSetItem = 10,
  kDeleteItem = 11,
  kSetLength = 12,
  kSplice = 13,
  kPermute = 14,
  kAdopt = 15,
  kSkipNodes = 16,
  kDropMap = 17,
  kDeleteMemberUnshaped = 18,
};

inline constexpr uint64_t kOperationHeadBytes = 16;

struct Operation {
  OperationCode code;
  uint32_t collection = 0;  // operations on maps
  NodeId node = 0;          // operations on nodes
  // What an operation on an array begins with: index; length; start and delete count; count.
  uint32_t first = 0;
  uint32_t second = 0;
  const uint8_t* value = nullptr;  // behind those
  uint64_t value_bytes = 0;
  Key key;
};

// For whoever was refused kFull: makes a DELETE_MEMBER one that does without a new shape, so that deleting
// works in a full store, and is what the log then holds. False, and nothing changed, for other operations.
bool DoWithoutShape(uint8_t* operation);

// Splits bytes[0, size), which must be one whole operation with a known code, a possible node or collection,
// and a canonical key that is a string where names are asked for. The value is not judged here. `bytes` is
// 8-aligned. Errors: kInvalid, kTooLarge; kVersion for a code that is not known.
Status ParseOperation(const uint8_t* bytes, uint64_t size, Operation* out);

}  // namespace forkstore
