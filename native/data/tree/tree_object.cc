// Changes of objects: members are set and deleted, and an object takes another form when it must: SHAPED
// becomes DICTIONARY, and either a TABLE.
#include <cstring>

#include "data/tree/tree_state.h"
#include "data/value/value_body.h"

namespace forkstore {

Status Tree::SetMember(NodeId node, const Key& name, const uint8_t* value) {
  State& s = *state_;
  Offset block = kNone;
  if (Status status = s.Find(node, false, &block); !status.ok()) return status;
  if (s.HeadAt(block).kind == NodeKind::kTable) return s.SetTableMember(node, block, name, value);
  const Offset slot = FindMember(block, name);
  if (slot == kNone) return s.AddMember(node, block, name, value);
  const Offset first = block + SlotsDistance(s.HeadAt(block).kind);
  return s.ReplaceSlot(node, block, static_cast<uint32_t>((slot - first) / 8), value);
}

Status Tree::DeleteMember(NodeId node, const Key& name, ShapeUse use, bool* was_there) {
  State& s = *state_;
  Offset block = kNone;
  *was_there = false;
  if (Status status = s.Find(node, false, &block); !status.ok()) return status;
  const Offset slot = FindMember(block, name);
  *was_there = slot != kNone;
  if (slot == kNone) return Status::Ok();
  const Slot before = s.heap.Read<Slot>(slot);
  const NodeKind kind = s.HeadAt(block).kind;
  if (kind == NodeKind::kTable) {
    s.Table(block).Delete(name);
  } else {
    const uint64_t distance = slot - block - SlotsDistance(kind);
    s.small.Read(s.heap, block, *s.shapes);
    SmallObject members(s.shapes, &s.small);
    members.SpellOut();
    members.Remove(static_cast<uint32_t>(distance / (kind == NodeKind::kShaped ? 8 : 16)));
    if (kind != NodeKind::kShaped) use = ShapeUse::kWithout;
    if (Status status = s.StoreMembers(node, block, use); !status.ok()) return status;
  }
  s.garbage.DropSlot(before);
  return Status::Ok();
}

Status Tree::State::AddMember(NodeId node, Offset block, const Key& name, const uint8_t* value) {
  Piece piece;
  Status status = planter.PlantPiece(value, node, kMaxInlineBytes, &piece);
  if (!status.ok()) return status;
  small.Read(heap, block, *shapes);
  SmallObject members(shapes, &small);
  // A DICTIONARY with members stays one: it has shown that it is no record. An empty one has shown nothing.
  const bool may_have_shape = small.head.kind == NodeKind::kShaped || small.members() == 0;
  members.SpellOut();
  members.Add(StringOf(name), piece);
  return StoreMembers(node, block, may_have_shape ? ShapeUse::kDefine : ShapeUse::kWithout);
}

Status Tree::State::StoreMembers(NodeId node, Offset block, ShapeUse use) {
  SmallObject members(shapes, &small);
  if (Status status = members.TryShape(use, planter.name_list()); !status.ok()) return status;
  if (!members.NeedsTable()) return Store(node, block, small);
  const Offset table = planter.NewTable(NodeHead{small.head.parent, NodeKind::kTable, 0});
  if (table == kNone) return Status(Code::kFull, "no memory for a node");
  if (Status status = planter.FillTable(table, small); !status.ok()) return status;
  MoveTo(node, block, table);
  return Status::Ok();
}

Status Tree::State::SetTableMember(NodeId node, Offset block, const Key& name, const uint8_t* value) {
  OrderedMap members = Table(block);
  const Offset at = members.Find(name);
  const Slot before = at == kNone ? Slot{kUndefined, uint32_t{kSpecial} << 16} : heap.Read<Slot>(at);
  Slot after = ReadSlot(value);
  uint64_t bytes = sizeof(after);
  if (IsContainer(after)) {
    NodeId child = 0;
    if (Status status = planter.PlantContainer(value, node, &child); !status.ok()) return status;
    after = NodeSlot(child);
    value = reinterpret_cast<const uint8_t*>(&after);
  } else if (IsReference(after)) {
    if (at != kNone && OverwriteBody(at, value)) return Status::Ok();
    bytes = CheckedValueBytes(value, *shapes);
  }
  if (at != kNone && !IsReference(before) && !IsReference(after)) {
    heap.Mutate<Slot>(at) = after;
  } else {
    uint32_t index = 0;
    bool inserted = false;
    Status status =
        members.Set(name, value, bytes, &inserted, IndexOfName(name, &index) ? index : OrderedMap::kAtEnd);
    if (!status.ok()) return status;
  }
  garbage.DropSlot(before);
  return Status::Ok();
}

}  // namespace forkstore
