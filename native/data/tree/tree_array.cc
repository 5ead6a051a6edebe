// Changes of arrays: a LIST is rewritten, a SEQUENCE changes at its trie; a LIST that becomes too long is
// made a SEQUENCE, and a SEQUENCE without items a LIST.
#include <bit>
#include <cstring>
#include <utility>

#include "data/tree/tree_cut.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

Status OutOfRange() {
  return Status(Code::kInvalid, "beyond what an array can hold");
}

}  // namespace

Status Tree::SetItem(NodeId node, uint32_t index, const uint8_t* value) {
  State& s = *state_;
  Offset block = kNone;
  if (Status status = s.Find(node, true, &block); !status.ok()) return status;
  if (index >= kMaxItems) return OutOfRange();
  if (s.HeadAt(block).kind == NodeKind::kList) {
    if (index < kMaxSmallMembers) return s.SetListItem(node, block, index, value);
    if (Status status = s.MakeSequence(node, &block); !status.ok()) return status;
  }
  return s.SetSequenceItem(node, block, index, value);
}

Status Tree::State::SetListItem(NodeId node, Offset block, uint32_t index, const uint8_t* value) {
  const uint32_t length = SlotCount(heap, block, *shapes);
  if (index < length) return ReplaceSlot(node, block, index, value);
  Piece piece;
  Status status = planter.PlantPiece(value, node, kMaxInlineBytes, &piece);
  if (!status.ok()) return status;
  small.Read(heap, block, *shapes);
  for (uint32_t hole = length; hole < index; ++hole) small.Append(Piece::OfSlot(kListHole));
  small.Append(piece);
  return Store(node, block, small);
}

Status Tree::State::SetSequenceItem(NodeId node, Offset block, uint32_t index, const uint8_t* value) {
  ItemSequence items(heap, block);
  const Offset at = items.Find(index);
  const Slot before = at == kNone ? kListHole : heap.Read<Slot>(at);
  if (at != kNone && IsReference(ReadSlot(value)) && OverwriteBody(at, value)) return Status::Ok();
  Piece piece;
  Status status = planter.PlantPiece(value, node, 0, &piece);
  if (!status.ok()) return status;
  if (at != kNone) {
    heap.Mutate<Slot>(at) = piece.slot;
  } else if (status = items.Set(index, std::bit_cast<uint64_t>(piece.slot)); !status.ok()) {
    return status;
  }
  garbage.DropSlot(before);
  return Status::Ok();
}

Status Tree::DeleteItem(NodeId node, uint32_t index, bool* was_there) {
  State& s = *state_;
  Offset block = kNone;
  *was_there = false;
  if (Status status = s.Find(node, true, &block); !status.ok()) return status;
  const Offset at = FindItem(block, index);
  if (at == kNone) return Status::Ok();
  *was_there = true;
  if (s.HeadAt(block).kind == NodeKind::kList) {
    return s.ReplacePiece(node, block, index, Piece::OfSlot(kListHole));
  }
  const Slot before = s.heap.Read<Slot>(at);
  ItemSequence(s.heap, block).Remove(index);
  s.garbage.DropSlot(before);
  return Status::Ok();
}

Status Tree::SetLength(NodeId node, uint32_t length) {
  State& s = *state_;
  Offset block = kNone;
  if (Status status = s.Find(node, true, &block); !status.ok()) return status;
  if (s.HeadAt(block).kind == NodeKind::kList) {
    if (length <= kMaxSmallMembers) {
      const uint32_t old_length = Length(block);
      s.planted.assign(length > old_length ? length - old_length : 0, Piece::OfSlot(kListHole));
      const uint32_t kept = length < old_length ? length : old_length;
      return s.SpliceList(node, block, kept, old_length - kept);
    }
    if (Status status = s.MakeSequence(node, &block); !status.ok()) return status;
  }
  if (length == 0) {
    s.EmptySequence(node, block, nullptr);
  } else {
    State::Cut cut(&s, node, block, length, Length(block));
    ItemSequence(s.heap, block).SetLength(length, &State::Cut::Release, &cut, cut.detach());
    cut.Drop();
  }
  return Status::Ok();
}

Status Tree::State::PlantItems(NodeId node, const uint8_t* items, uint32_t count, uint64_t inline_bytes) {
  planted.clear();
  planted.reserve(count);
  const uint8_t* at = items + ReadSlot(items).low + 8;
  for (uint32_t i = 0; i < count; ++i, at += 8) {
    Piece piece;
    Status status = planter.PlantPiece(at, node, inline_bytes, &piece);
    if (!status.ok()) return status;
    planted.push_back(piece);
  }
  return Status::Ok();
}

Status Tree::Splice(NodeId node, uint32_t start, uint32_t delete_count, const uint8_t* items,
                    uint64_t* held) {
  State& s = *state_;
  if (held != nullptr) *held = 0;
  Offset block = kNone;
  if (Status status = s.Find(node, true, &block); !status.ok()) return status;
  const Slot root = ReadSlot(items);
  if (root.IsDouble() || root.tag() != kArray) return Status(Code::kInvalid, "items to insert are no array");
  uint32_t count = 0;
  std::memcpy(&count, items + root.low, sizeof(count));
  const uint64_t length = Length(block);
  if (uint64_t{start} + delete_count > length) return OutOfRange();
  const uint64_t new_length = length - delete_count + count;
  if (new_length > kMaxItems) return OutOfRange();

  if (s.HeadAt(block).kind == NodeKind::kList) {
    if (new_length <= kMaxSmallMembers) {
      Status status = s.PlantItems(node, items, count, kMaxInlineBytes);
      return status.ok() ? s.SpliceList(node, block, start, delete_count) : status;
    }
    if (Status status = s.MakeSequence(node, &block); !status.ok()) return status;
  }
  if (new_length == 0) {
    s.EmptySequence(node, block, held);
    return Status::Ok();
  }
  State::Cut cut(&s, node, block, start, uint64_t{start} + delete_count, held);
  if (Status status = s.PlantItems(node, items, count, 0); !status.ok()) return status;
  std::vector<uint64_t> slots;
  slots.reserve(count);
  for (const Piece& piece : s.planted) slots.push_back(std::bit_cast<uint64_t>(piece.slot));
  std::vector<Piece>().swap(s.planted);
  Status status =
      ItemSequence(s.heap, block)
          .Splice(start, delete_count, slots.data(), count, &State::Cut::Release, &cut, cut.detach());
  if (status.ok()) cut.Drop();
  return status;
}

// Puts what is planted in place of `delete_count` items.
Status Tree::State::SpliceList(NodeId node, Offset block, uint32_t start, uint32_t delete_count) {
  small.Read(heap, block, *shapes);
  Slot gone[kMaxSmallMembers];
  for (uint32_t i = 0; i < delete_count; ++i) gone[i] = small[start + i].slot;
  small.Erase(start, delete_count);
  for (uint32_t i = 0; i < planted.size(); ++i) small.Insert(start + i, planted[i]);
  if (Status status = Store(node, block, small); !status.ok()) return status;
  for (uint32_t i = 0; i < delete_count; ++i) garbage.DropSlot(gone[i]);
  return Status::Ok();
}

Status Tree::State::MakeSequence(NodeId node, Offset* block) {
  const Offset sequence = planter.NewSequence(NodeHead{HeadAt(*block).parent, NodeKind::kSequence, 0});
  if (sequence == kNone) return Status(Code::kFull, "no memory for a node");
  small.Read(heap, *block, *shapes);
  if (Status status = planter.FillSequence(sequence, small); !status.ok()) return status;
  MoveTo(node, *block, sequence);
  *block = sequence;
  return Status::Ok();
}

// The items go in bounded steps, however many there are.
void Tree::State::EmptySequence(NodeId node, Offset block, uint64_t* held) {
  const SequenceBlock sequence = heap.Read<SequenceBlock>(block);
  small.Clear(NodeHead{HeadAt(block).parent, NodeKind::kList, 0});
  const Offset list = planter.NewBlock(small);
  if (list != kNone) {
    MoveTo(node, block, list);
  } else {
    // Memory for a smaller node is no reason to fail.
    const SequenceBlock empty = ItemSequence::Empty(sequence.head);
    std::memcpy(heap.Write(block, sizeof(empty)), &empty, sizeof(empty));
  }
  TreeGarbage::Parts parts;
  if (sequence.items != kNone) parts.push_back({0, sequence.items, sequence.items_height});
  ItemCut cut{.sequence = node, .lists_kept = true, .end = nodes.table().next(), .listed = {}};
  if (held != nullptr) {
    *held = garbage.HoldItems(std::move(parts), std::move(cut), sequence.origin);
  } else {
    garbage.DropItems(parts, std::move(cut));
  }
}

Status Tree::Permute(NodeId node, const uint32_t* order, uint32_t count) {
  State& s = *state_;
  Offset block = kNone;
  if (Status status = s.Find(node, true, &block); !status.ok()) return status;
  if (count != Length(block)) return OutOfRange();
  if (s.HeadAt(block).kind == NodeKind::kSequence) return ItemSequence(s.heap, block).Permute(order);
  s.small.Read(s.heap, block, *s.shapes);
  s.planted.clear();
  for (uint32_t i = 0; i < count; ++i) s.planted.push_back(s.small[order[i]]);
  for (uint32_t i = 0; i < count; ++i) s.small[i] = s.planted[i];
  return s.Store(node, block, s.small);
}

}  // namespace forkstore
