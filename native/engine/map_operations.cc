// The operations on maps and shapes.

#include <limits>

#include "data/value/value_body.h"
#include "engine/engine_state.h"

namespace forkstore {

namespace {

bool IsUndefined(Slot slot) {
  return slot.high == uint32_t{kSpecial} << 16 && slot.low == kUndefined;
}

}  // namespace

Status Engine::State::CreateMap(const Operation& operation, ApplyResult* result) {
  const uint32_t count = root().map_count;
  if (count == std::numeric_limits<uint32_t>::max()) {
    return Status(Code::kFull, "the numbers of maps are used up");
  }
  if (operation.collection != count + 1) return Status(Code::kInvalid, "operation: wrong id for a new map");
  if (maps.FindName(operation.key) != 0) {
    return Status(Code::kInvalid, "operation: the map is there already");
  }
  if (undo.spilled()) return Status(Code::kFull, std::string("no room for a new map: ") + Undo::kWhySpilled);
  // JavaScript keeps what it has of a map, so a rollback does not take it away.
  const Undo::Suspended suspended(&undo);
  const uint64_t bytes = sizeof(MapHeader) + operation.key.bytes;
  const Offset header = heap.Allocate(bytes);
  if (header == kNone) return Status(Code::kFull, "no room for a new map");
  MapHeader fields{};
  fields.next = root().maps;
  fields.next_sequence = 1;
  fields.id = operation.collection;
  fields.name_kind = static_cast<uint32_t>(operation.key.kind);
  fields.name_bytes = static_cast<uint32_t>(operation.key.bytes);
  uint8_t* out = heap.Write(header, bytes);
  std::memcpy(out, &fields, sizeof(fields));
  if (operation.key.bytes != 0) std::memcpy(out + sizeof(fields), operation.key.data, operation.key.bytes);
  heap.Mutate<uint64_t>(kRootOffset + offsetof(RootBlock, maps)) = header;
  heap.Mutate<uint32_t>(kRootOffset + offsetof(RootBlock, map_count)) = operation.collection;
  maps.Add(header, seed());
  result->changed = true;
  result->number = operation.collection;
  return Status::Ok();
}

Status Engine::State::DefineShape(const Operation& operation, ApplyResult* result) {
  uint32_t head[2];  // id, count
  std::memcpy(head, operation.value, sizeof(head));
  if (head[0] != shapes.count()) return Status(Code::kInvalid, "operation: wrong id for a new shape");
  uint32_t id = 0;
  // The list is padded to 8 and consists of multiples of 4: with or without the last 4 bytes.
  const uint8_t* list = operation.value + sizeof(head);
  uint64_t list_bytes = 0;
  for (uint32_t name = 0; name < head[1]; ++name) {
    uint16_t length = 0;
    if (operation.value_bytes - sizeof(head) < list_bytes + 4)
      return Status(Code::kInvalid, "operation: short name list");
    std::memcpy(&length, list + list_bytes + 2, sizeof(length));
    list_bytes += RoundUp(4 + uint64_t{length}, 4);
    if (operation.value_bytes - sizeof(head) < list_bytes)
      return Status(Code::kInvalid, "operation: short name list");
  }
  if (RoundUp(sizeof(head) + list_bytes, 8) != operation.value_bytes) {
    return Status(Code::kInvalid, "operation: long name list");
  }
  for (uint64_t at = sizeof(head) + list_bytes; at < operation.value_bytes; ++at) {
    if (operation.value[at] != 0) return Status(Code::kInvalid, "operation: padding is not 0");
  }
  const std::span<const uint8_t> names_list(list, list_bytes);
  if (shapes.Find(names_list, &id)) return Status(Code::kInvalid, "operation: the shape is there already");
  if (Status status = shapes.Define(names_list, head[1], &id); !status.ok()) return status;
  result->changed = true;
  result->number = id;
  return Status::Ok();
}

Status Engine::State::DispatchToMap(const Operation& operation, ApplyResult* result) {
  OrderedMap* map = maps.Find(operation.collection);
  if (map == nullptr) return Status(Code::kInvalid, "operation: there is no such map");
  switch (operation.code) {
    case OperationCode::kSet:
      return Set(map, operation, result);
    case OperationCode::kDelete:
      return Delete(map, operation, result);
    case OperationCode::kPatch:
      return Patch(map, operation, result);
    case OperationCode::kIncrement:
      return Increment(map, operation, result);
    case OperationCode::kAdopt:
      return Adopt(map, operation, result);
    case OperationCode::kDropMap:
      return DropMap(map, operation, result);
    default:  // kClear
      result->changed = map->size() != 0;
      Empty(map);
      return Status::Ok();
  }
}

Status Engine::State::DropMap(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  Empty(map);
  maps.Drop(operation.collection);
  result->changed = true;
  return Status::Ok();
}

void Engine::State::Empty(OrderedMap* map) {
  entries -= map->size();
  tree.DropHolder(map);
  map->Clear(&graveyard);
}

Status Engine::State::Set(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  if (Status status = CheckWhole(operation.value, operation.value_bytes); !status.ok()) return status;
  Status status;
  const Offset value = AdoptedValue(map, operation.key);
  if (value == kNone) {
    status = map->Set(operation.key, operation.value, operation.value_bytes, &result->changed);
  } else {
    const Savepoint before = transactions.Open();
    tree.DropValue(heap.At(value));
    status = map->Set(operation.key, operation.value, operation.value_bytes, &result->changed);
    Close(before, status);
  }
  if (status.ok() && result->changed) {
    ++entries;
    maps.NoteInsertion(operation.collection);
  }
  return status;
}

Status Engine::State::Delete(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  if (const Offset value = AdoptedValue(map, operation.key); value != kNone) tree.DropValue(heap.At(value));
  result->changed = map->Delete(operation.key);
  if (result->changed) --entries;
  return Status::Ok();
}

Status Engine::State::MergeInto(OrderedMap* map, const Key& key, Offset value, const uint8_t* patch,
                                uint64_t patch_bytes) {
  struct Target {
    Heap* heap;
    Offset value;
  } target{&heap, value};
  const auto write = [](void* context, uint64_t distance, const uint8_t* source, uint64_t bytes) {
    auto* to = static_cast<Target*>(context);
    std::memcpy(to->heap->Write(to->value + distance, bytes), source, bytes);
  };
  if (PatchInPlace(heap.At(value), patch, shapes, write, &target)) return Status::Ok();
  const uint8_t* current = heap.At(value);
  const uint32_t shapes_before = shapes.count();
  if (Status status = PatchValue(current, CheckedValueBytes(current, shapes), patch, patch_bytes, &shapes,
                                 &scratch, &merged);
      !status.ok()) {
    return status;
  }
  bool inserted = false;
  Status status = map->Set(key, merged.data(), merged.size(), &inserted);
  // A refused operation leaves nothing behind: a replay of those that were not refused must give the same
  // ids.
  if (!status.ok()) shapes.Truncate(shapes_before);
  return status;
}

Status Engine::State::Patch(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  if (Status status = CheckWhole(operation.value, operation.value_bytes); !status.ok()) return status;
  const Offset value = map->Find(operation.key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  result->changed = true;
  const Slot slot = heap.Read<Slot>(value);
  if (IsNodeSlot(slot)) return PatchNode(SlotNode(slot), operation.value);
  return MergeInto(map, operation.key, value, operation.value, operation.value_bytes);
}

Status Engine::State::Increment(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  double amount = 0;
  if (operation.value_bytes < 16) return Status(Code::kInvalid, "operation: increment without a field");
  std::memcpy(&amount, operation.value, sizeof(amount));
  const uint8_t* name_value = operation.value + sizeof(amount);
  const uint64_t name_bytes = operation.value_bytes - sizeof(amount);
  if (Status status = CheckWhole(name_value, name_bytes); !status.ok()) return status;
  StringBytes name;
  if (!ReadString(name_value, &name)) {
    return Status(Code::kInvalid, "operation: increment of a field that is no string");
  }
  const Offset value = map->Find(operation.key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  result->changed = true;
  if (const Slot slot = heap.Read<Slot>(value); IsNodeSlot(slot)) {
    return IncrementNode(SlotNode(slot), name, amount, &result->number);
  }
  uint64_t field = 0;
  if (Status status = FindField(heap.At(value), name, shapes, &field); !status.ok()) return status;
  const Offset slot = field == 0 ? kNone : value + field;
  if (Status status = Add(slot, amount, &result->number); !status.ok()) return status;
  if (slot != kNone) return Status::Ok();
  return AddField(map, operation.key, value, name_value, name_bytes, NumberSlot(result->number));
}

Status Engine::State::Add(Offset slot, double amount, double* sum) {
  double before = 0;
  if (slot != kNone) {
    const Slot number = heap.Read<Slot>(slot);
    if (!IsUndefined(number) && !SlotNumber(number, &before))
      return Status(Code::kWrongType, "the field is not a number");
  }
  *sum = before + amount;
  if (slot != kNone) heap.Mutate<Slot>(slot) = NumberSlot(*sum);
  return Status::Ok();
}

// Patches with a dictionary of this one field, which needs no shape. The name's characters move from directly
// behind their slot to behind the value's slot: 8 bytes further away.
Status Engine::State::AddField(OrderedMap* map, const Key& key, Offset value, const uint8_t* name,
                               uint64_t name_bytes, Slot number) {
  Slot key_slot = ReadSlot(name);
  if (key_slot.tag() != kShort) key_slot.low += sizeof(Slot);
  one_field.assign(3 + name_bytes / 8 + 1, 0);
  auto* patch = reinterpret_cast<uint8_t*>(one_field.data());
  const Slot root_slot{sizeof(Slot), kExtended << 16 | kDictionary};
  std::memcpy(patch, &root_slot, sizeof(root_slot));
  patch[8] = 1;  // count
  std::memcpy(patch + 16, &key_slot, sizeof(key_slot));
  std::memcpy(patch + 24, &number, sizeof(number));
  std::memcpy(patch + 32, name + sizeof(Slot), name_bytes - sizeof(Slot));
  return MergeInto(map, key, value, patch, 24 + name_bytes);
}

}  // namespace forkstore
