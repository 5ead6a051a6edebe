// The operations on nodes, and those on maps' entries that are nodes.

#include "data/value/object_view.h"
#include "data/value/value_body.h"
#include "engine/engine_state.h"

namespace forkstore {

namespace {

// Refers to nothing: such a slot can take another one's place and needs nothing else.
bool IsPlain(Slot slot) {
  return slot.IsDouble() || slot.tag() == kInt || slot.tag() == kShort ||
         (slot.tag() == kSpecial && slot.info() == 0);
}

Status Detached() {
  return Status(Code::kDetached, "the object is not in the tree any more");
}

Key KeyOf(const StringBytes& name) {
  return Key{name.utf16 ? KeyKind::kUtf16 : KeyKind::kLatin1, name.data, name.bytes};
}

bool IsArrayValue(const uint8_t* value) {
  const Slot slot = ReadSlot(value);
  return !slot.IsDouble() && slot.tag() == kArray;
}

}  // namespace

Status Engine::State::DispatchToNode(const Operation& operation, ApplyResult* result) {
  switch (operation.code) {
    case OperationCode::kSetMember:
    case OperationCode::kSetItem:
    case OperationCode::kSplice:
      if (Status status = CheckWhole(operation.value, operation.value_bytes); !status.ok()) return status;
      if (operation.code == OperationCode::kSplice && !IsArrayValue(operation.value)) {
        return Status(Code::kInvalid, "operation: what is inserted is no array");
      }
      break;
    case OperationCode::kPermute:
      if (Status status = CheckPermutation(operation); !status.ok()) return status;
      break;
    default:
      break;
  }
  result->changed = true;
  if (Overwrite(operation)) return Status::Ok();
  const Savepoint before = transactions.Open();
  const Status status = ChangeNode(operation, result);
  Close(before, status);
  return status.code() == Code::kNotFound ? Detached() : status;
}

bool Engine::State::Overwrite(const Operation& operation) {
  const bool member = operation.code == OperationCode::kSetMember;
  if (!member && operation.code != OperationCode::kSetItem) return false;
  const Slot value = ReadSlot(operation.value);
  if (!IsPlain(value)) return false;
  const Offset block = tree.Locate(operation.node);
  if (block == kNone || NodeHead::Of(heap.Read<uint64_t>(block)).is_array() == member) return false;
  const Offset slot = member ? tree.FindMember(block, operation.key) : tree.FindItem(block, operation.first);
  if (slot == kNone || !IsPlain(heap.Read<Slot>(slot))) return false;
  heap.Mutate<Slot>(slot) = value;
  return true;
}

Status Engine::State::ChangeNode(const Operation& operation, ApplyResult* result) {
  switch (operation.code) {
    case OperationCode::kSetMember:
      return tree.SetMember(operation.node, operation.key, operation.value);
    case OperationCode::kDeleteMember:
      return tree.DeleteMember(operation.node, operation.key, ShapeUse::kDefine, &result->changed);
    case OperationCode::kDeleteMemberUnshaped:
      return tree.DeleteMember(operation.node, operation.key, ShapeUse::kFind, &result->changed);
    case OperationCode::kSetItem:
      return tree.SetItem(operation.node, operation.first, operation.value);
    case OperationCode::kDeleteItem:
      return tree.DeleteItem(operation.node, operation.first, &result->changed);
    case OperationCode::kSetLength:
      return tree.SetLength(operation.node, operation.first);
    case OperationCode::kSplice:
      return tree.Splice(operation.node, operation.first, operation.second, operation.value,
                         removed_items == RemovedItems::kHeld ? &result->held : nullptr);
    default:  // kPermute
      return tree.Permute(operation.node, reinterpret_cast<const uint32_t*>(operation.value),
                          operation.first);
  }
}

Status Engine::State::CheckPermutation(const Operation& operation) {
  const uint64_t count = operation.first;
  if (operation.value_bytes != RoundUp(count * sizeof(uint32_t), 8)) {
    return Status(Code::kInvalid, "operation: not as many indexes as it says");
  }
  const auto* order = reinterpret_cast<const uint32_t*>(operation.value);
  if (count % 2 != 0 && order[count] != 0) return Status(Code::kInvalid, "operation: padding is not 0");
  std::vector<bool> taken(count);
  for (uint64_t i = 0; i < count; ++i) {
    if (order[i] >= count || taken[order[i]]) return Status(Code::kInvalid, "operation: not each index once");
    taken[order[i]] = true;
  }
  return Status::Ok();
}

Status Engine::State::Adopt(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  const Offset value = map->Find(operation.key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  result->changed = !IsNodeSlot(heap.Read<Slot>(value));
  if (result->changed) {
    const Savepoint before = transactions.Open();
    const Status status = tree.Adopt(map, operation.key);
    Close(before, status);
    if (!status.ok()) return status;
  }
  result->number = static_cast<double>(SlotNode(heap.Read<Slot>(map->Find(operation.key))));
  return Status::Ok();
}

Status Engine::State::SkipNodes(const Operation& operation, ApplyResult* result) {
  NodeId next = 0;
  if (operation.value_bytes != sizeof(next)) return Status(Code::kInvalid, "operation: not one number");
  std::memcpy(&next, operation.value, sizeof(next));
  if (next < tree.next_node() || next > kMaxNode + 1) {
    return Status(Code::kInvalid, "operation: no number for a next node");
  }
  result->changed = true;
  tree.SkipNodes(next);
  return Status::Ok();
}

Status Engine::State::PatchNode(NodeId node, const uint8_t* patch) {
  ObjectView fields;
  if (tree.Head(node).is_array()) return Status(Code::kWrongType, "the value is not an object");
  if (!fields.Open(patch, shapes)) return Status(Code::kWrongType, "the patch is not an object");
  const Savepoint before = transactions.Open();
  Status status;
  for (uint32_t field = 0; field < fields.count() && status.ok(); ++field) {
    StringBytes storage;
    const StringBytes& name = fields.Name(field, &storage);
    CopyValue(fields.At(fields.ValueSlot(field)), shapes, &one_field);
    status = tree.SetMember(node, KeyOf(name), reinterpret_cast<const uint8_t*>(one_field.data()));
  }
  Close(before, status);
  return status;
}

Status Engine::State::IncrementNode(NodeId node, const StringBytes& field, double amount, double* number) {
  if (tree.Head(node).is_array()) return Status(Code::kWrongType, "the value is not an object");
  const Offset slot = tree.FindMember(tree.Locate(node), KeyOf(field));
  if (Status status = Add(slot, amount, number); !status.ok() || slot != kNone) return status;
  const Slot value = NumberSlot(*number);
  const Savepoint before = transactions.Open();
  const Status status = tree.SetMember(node, KeyOf(field), reinterpret_cast<const uint8_t*>(&value));
  Close(before, status);
  return status;
}

}  // namespace forkstore
