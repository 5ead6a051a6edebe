#include "engine/operation.h"

#include <cstring>
#include <string>

#include "memory/layout.h"

namespace forkstore {

namespace {

struct OperationHead {
  uint8_t code;
  uint8_t key_kind;
  uint16_t node_high;
  uint32_t collection;
  uint32_t value_bytes;
  uint32_t key_bytes;
};
static_assert(sizeof(OperationHead) == kOperationHeadBytes);

// The two numbers that operations on arrays begin with.
constexpr uint64_t kNumbersBytes = 8;
constexpr uint32_t kNoIndex = 0xFFFFFFFF;

enum class Target { kStore, kMap, kNode };
enum class Numbers {
  kNone,
  kOne,
  kIndex,
  kTwo
};                                       // kOne: the second is 0; kIndex: the first is an index, too
enum class Rest { kNone, kSome, kAny };  // of the value, behind the numbers
enum class KeyForm { kNone, kAny, kName };

struct Form {
  Target target;
  Numbers numbers;
  Rest rest;
  KeyForm key;
};

bool FormOf(uint8_t code, Form* form) {
  switch (static_cast<OperationCode>(code)) {
    case OperationCode::kCreateMap:
      *form = {Target::kMap, Numbers::kNone, Rest::kNone, KeyForm::kName};
      return true;
    case OperationCode::kDefineShape:
    case OperationCode::kSkipNodes:
      *form = {Target::kStore, Numbers::kNone, Rest::kSome, KeyForm::kNone};
      return true;
    case OperationCode::kSet:
    case OperationCode::kPatch:
    case OperationCode::kIncrement:
      *form = {Target::kMap, Numbers::kNone, Rest::kSome, KeyForm::kAny};
      return true;
    case OperationCode::kDelete:
    case OperationCode::kAdopt:
      *form = {Target::kMap, Numbers::kNone, Rest::kNone, KeyForm::kAny};
      return true;
    case OperationCode::kClear:
    case OperationCode::kDropMap:
      *form = {Target::kMap, Numbers::kNone, Rest::kNone, KeyForm::kNone};
      return true;
    case OperationCode::kSetMember:
      *form = {Target::kNode, Numbers::kNone, Rest::kSome, KeyForm::kName};
      return true;
    case OperationCode::kDeleteMember:
    case OperationCode::kDeleteMemberUnshaped:
      *form = {Target::kNode, Numbers::kNone, Rest::kNone, KeyForm::kName};
      return true;
    case OperationCode::kSetItem:
      *form = {Target::kNode, Numbers::kIndex, Rest::kSome, KeyForm::kNone};
      return true;
    case OperationCode::kDeleteItem:
      *form = {Target::kNode, Numbers::kIndex, Rest::kNone, KeyForm::kNone};
      return true;
    case OperationCode::kSetLength:
      *form = {Target::kNode, Numbers::kOne, Rest::kNone, KeyForm::kNone};
      return true;
    case OperationCode::kSplice:
      *form = {Target::kNode, Numbers::kTwo, Rest::kSome, KeyForm::kNone};
      return true;
    case OperationCode::kPermute:
      *form = {Target::kNode, Numbers::kOne, Rest::kAny, KeyForm::kNone};
      return true;
  }
  return false;
}

Status Invalid(const char* what) {
  return Status(Code::kInvalid, what);
}

Status ParseTarget(const OperationHead& head, Target target, Operation* out) {
  out->collection = head.collection;
  if (target == Target::kNode) {
    out->node = uint64_t{head.node_high} << 32 | head.collection;
    if (out->node == 0 || out->node > kMaxNode) return Invalid("operation: no number of a node");
    return Status::Ok();
  }
  if (head.node_high != 0) return Invalid("operation: reserved bytes are not 0");
  if (target == Target::kStore && head.collection != 0) {
    return Invalid("operation: it belongs to no collection");
  }
  return Status::Ok();
}

Status ParseValue(const uint8_t* bytes, const OperationHead& head, const Form& form, Operation* out) {
  const uint64_t numbers = form.numbers == Numbers::kNone ? 0 : kNumbersBytes;
  if (head.value_bytes % 8 != 0) return Invalid("operation: value length is no multiple of 8");
  if (head.value_bytes < numbers) return Invalid("operation: its numbers are missing");
  out->value = bytes + kOperationHeadBytes + numbers;
  out->value_bytes = head.value_bytes - numbers;
  if (form.rest != Rest::kAny && (form.rest == Rest::kSome) != (out->value_bytes != 0)) {
    return Invalid("operation: value missing or superfluous");
  }
  if (out->value_bytes > kMaxValueBytes) return Status(Code::kTooLarge, "the value is larger than 1 GiB");
  if (numbers == 0) return Status::Ok();
  std::memcpy(&out->first, bytes + kOperationHeadBytes, sizeof(out->first));
  std::memcpy(&out->second, bytes + kOperationHeadBytes + sizeof(out->first), sizeof(out->second));
  if (form.numbers != Numbers::kTwo && out->second != 0)
    return Invalid("operation: reserved bytes are not 0");
  if (form.numbers == Numbers::kIndex && out->first == kNoIndex) {
    return Invalid("operation: larger than any index");
  }
  return Status::Ok();
}

Status ParseKey(const uint8_t* bytes, const OperationHead& head, KeyForm form, Operation* out) {
  if (form == KeyForm::kNone) {
    return head.key_bytes == 0 && head.key_kind == 0 ? Status::Ok() : Invalid("operation: superfluous key");
  }
  if (head.key_kind > static_cast<uint8_t>(KeyKind::kBigint)) return Invalid("operation: unknown key kind");
  out->key = Key{static_cast<KeyKind>(head.key_kind), bytes + kOperationHeadBytes + head.value_bytes,
                 head.key_bytes};
  if (form == KeyForm::kName && out->key.kind != KeyKind::kLatin1 && out->key.kind != KeyKind::kUtf16) {
    return Invalid("operation: a name must be a string");
  }
  return CheckKey(out->key);
}

}  // namespace

bool DoWithoutShape(uint8_t* operation) {
  if (operation[0] != static_cast<uint8_t>(OperationCode::kDeleteMember)) return false;
  operation[0] = static_cast<uint8_t>(OperationCode::kDeleteMemberUnshaped);
  return true;
}

Status ParseOperation(const uint8_t* bytes, uint64_t size, Operation* out) {
  if (size < kOperationHeadBytes) return Invalid("operation: shorter than its head");
  OperationHead head;
  std::memcpy(&head, bytes, sizeof(head));
  Form form;
  // Whoever wrote it knew what it means.
  if (!FormOf(head.code, &form)) {
    return Status(Code::kVersion,
                  "operation: code " + std::to_string(head.code) + " is of a newer version of this library");
  }
  if (size != kOperationHeadBytes + uint64_t{head.value_bytes} + head.key_bytes) {
    return Invalid("operation: its length is not what its head says");
  }
  out->code = static_cast<OperationCode>(head.code);
  if (Status status = ParseTarget(head, form.target, out); !status.ok()) return status;
  if (Status status = ParseValue(bytes, head, form, out); !status.ok()) return status;
  return ParseKey(bytes, head, form.key, out);
}

}  // namespace forkstore
