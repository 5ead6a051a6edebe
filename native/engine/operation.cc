#include "engine/operation.h"

#include <cstring>

#include "memory/layout.h"

namespace forkstore {

namespace {

struct OperationHead {
  uint8_t code;
  uint8_t key_kind;
  uint16_t zero;
  uint32_t collection;
  uint32_t value_bytes;
  uint32_t key_bytes;
};
static_assert(sizeof(OperationHead) == kOperationHeadBytes);

// Which of value and key an operation must and may carry.
struct Form {
  bool value;
  bool key;
};

bool FormOf(uint8_t code, Form* form) {
  switch (static_cast<OperationCode>(code)) {
    case OperationCode::kCreateMap:
    case OperationCode::kDelete:
      *form = {false, true};
      return true;
    case OperationCode::kDefineShape:
      *form = {true, false};
      return true;
    case OperationCode::kSet:
    case OperationCode::kPatch:
    case OperationCode::kIncrement:
      *form = {true, true};
      return true;
    case OperationCode::kClear:
      *form = {false, false};
      return true;
  }
  return false;
}

}  // namespace

Status ParseOperation(const uint8_t* bytes, uint64_t size, Operation* out) {
  if (size < kOperationHeadBytes) return Status(Code::kInvalid, "operation: shorter than its head");
  OperationHead head;
  std::memcpy(&head, bytes, sizeof(head));
  Form form;
  if (!FormOf(head.code, &form)) return Status(Code::kInvalid, "operation: unknown code");
  if (head.zero != 0) return Status(Code::kInvalid, "operation: reserved bytes are not 0");
  if (size != kOperationHeadBytes + uint64_t{head.value_bytes} + head.key_bytes) {
    return Status(Code::kInvalid, "operation: its length is not what its head says");
  }
  if (head.value_bytes % 8 != 0) return Status(Code::kInvalid, "operation: value length is no multiple of 8");
  if (form.value != (head.value_bytes != 0))
    return Status(Code::kInvalid, "operation: value missing or superfluous");
  if (head.value_bytes > kMaxValueBytes) return Status(Code::kTooLarge, "the value is larger than 1 GiB");
  if (!form.key && (head.key_bytes != 0 || head.key_kind != 0)) {
    return Status(Code::kInvalid, "operation: superfluous key");
  }
  if (head.key_kind > static_cast<uint8_t>(KeyKind::kBigint))
    return Status(Code::kInvalid, "operation: unknown key kind");
  out->code = static_cast<OperationCode>(head.code);
  out->collection = head.collection;
  out->value = bytes + kOperationHeadBytes;
  out->value_bytes = head.value_bytes;
  out->key = Key{static_cast<KeyKind>(head.key_kind), bytes + kOperationHeadBytes + head.value_bytes,
                 head.key_bytes};
  return form.key ? CheckKey(out->key) : Status::Ok();
}

}  // namespace forkstore
