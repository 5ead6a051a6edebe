#include "data/tree/tree.h"

#include <algorithm>
#include <cstring>

#include "data/node/pack.h"
#include "data/tree/tree_state.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

constexpr uint64_t kSmallBlock =
    64;  // bytes; a block of up to as many is not worth exchanging for a smaller one

}  // namespace

Tree::Tree(Heap heap, TreeFields fields, ShapeTable* shapes, HashSeed seed, ValueScratch* scratch)
    : state_(std::make_unique<State>(heap, fields, shapes, seed, scratch)) {}

Tree::~Tree() = default;

// A DICTIONARY: it needs no shape before it has members.
Status Tree::Create() {
  State& s = *state_;
  s.small.Clear(NodeHead{0, NodeKind::kDictionary, 0});
  const Offset block = s.planter.NewBlock(s.small);
  if (block == kNone) return Status(Code::kFull, "no memory for a tree");
  NodeId root = 0;
  Status status = s.nodes.Insert(block, &root);
  if (!status.ok()) s.heap.Free(block);
  return status;
}

// While nothing waits to be given back, what is in the table is attached; else the way up tells.
Offset Tree::State::Locate(NodeId node) const {
  const Offset block = nodes.Find(node);
  if (block == kNone || garbage.empty()) return block;
  return attachment.IsAttached(node, block) ? block : kNone;
}

Status Tree::State::Find(NodeId node, bool array, Offset* block) const {
  *block = Locate(node);
  if (*block == kNone) return Status(Code::kNotFound, "the node has left the tree");
  if (HeadAt(*block).is_array() == array) return Status::Ok();
  return Status(Code::kWrongType, array ? "the node is not an array" : "the node is not an object");
}

Offset Tree::Locate(NodeId node) const {
  return state_->Locate(node);
}
NodeHead Tree::Head(NodeId node) const {
  return state_->HeadAt(state_->nodes.Find(node));
}
uint64_t Tree::layout_version() const {
  return state_->nodes.layout_version;
}
NodeId Tree::next_node() const {
  return state_->nodes.table().next();
}
uint64_t Tree::locate_steps() const {
  return state_->attachment.steps();
}
uint64_t Tree::listed_items() const {
  return state_->listed_items;
}
uint64_t Tree::node_count() const {
  return state_->nodes.node_count;
}

Offset Tree::FindMember(Offset block, const Key& name) const {
  const State& s = *state_;
  const NodeHead head = s.HeadAt(block);
  switch (head.kind) {
    case NodeKind::kShaped: {
      const int32_t field = s.shapes->FieldIndex(head.shape, StringOf(name));
      return field < 0 ? kNone : block + 8 + static_cast<uint64_t>(field) * 8;
    }
    case NodeKind::kDictionary:
      return FindInDictionary(s.heap, block, StringOf(name));
    case NodeKind::kTable:
      return s.Table(block).Find(name);
    default:
      return kNone;
  }
}

Offset Tree::FindItem(Offset block, uint32_t index) const {
  const State& s = *state_;
  const NodeHead head = s.HeadAt(block);
  if (head.kind == NodeKind::kSequence) return ItemSequence(s.heap, block).Find(index);
  if (head.kind != NodeKind::kList || index >= s.heap.Read<uint32_t>(block + 8)) return kNone;
  const Offset slot = block + 16 + uint64_t{index} * 8;
  return IsHole(s.heap.Read<Slot>(slot)) ? kNone : slot;
}

uint32_t Tree::Length(Offset block) const {
  const State& s = *state_;
  return s.HeadAt(block).kind == NodeKind::kSequence
             ? static_cast<uint32_t>(ItemSequence(s.heap, block).length())
             : s.heap.Read<uint32_t>(block + 8);
}

uint32_t Tree::ScanTable(Offset block, uint64_t from_sequence, uint32_t limit, Offset* records) const {
  return state_->Table(block).Scan(from_sequence, limit, records);
}

uint32_t Tree::ScanItems(Offset block, uint32_t from, uint32_t limit, ItemSequence::Item* items) const {
  const State& s = *state_;
  if (s.HeadAt(block).kind == NodeKind::kSequence) {
    return ItemSequence(s.heap, block).ScanPresent(from, limit, items);
  }
  const uint32_t length = s.heap.Read<uint32_t>(block + 8);
  uint32_t count = 0;
  for (uint32_t index = from; index < length && count < limit; ++index) {
    const Offset slot = FindItem(block, index);
    if (slot != kNone) items[count++] = ItemSequence::Item{index, slot};
  }
  return count;
}

Status Tree::Pack(NodeId node, std::vector<uint8_t>* out) const {
  const Offset block = Locate(node);
  if (block == kNone) return Status(Code::kNotFound, "the node has left the tree");
  return Packer(state_->heap, state_->nodes, *state_->shapes, out).Pack(block);
}

Status Tree::PackItems(NodeId node, uint32_t from, uint32_t to, uint32_t limit, std::vector<uint8_t>* out,
                       uint32_t* next) const {
  Offset block = kNone;
  if (Status status = state_->Find(node, true, &block); !status.ok()) return status;
  std::vector<ItemSequence::Item> items(limit);
  uint32_t count = ScanItems(block, from, limit, items.data());
  *next = count == limit ? items[count - 1].index + 1 : to;
  if (*next >= to) {
    *next = to;
    while (count > 0 && items[count - 1].index >= to) --count;
  }
  return Packer(state_->heap, state_->nodes, *state_->shapes, out).PackItems(items.data(), count);
}

Status Tree::Adopt(OrderedMap* map, const Key& key) {
  State& s = *state_;
  const Offset value = map->Find(key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  if (IsNodeSlot(s.heap.Read<Slot>(value))) return Status::Ok();
  if (!IsContainer(s.heap.Read<Slot>(value))) {
    return Status(Code::kWrongType, "the entry is neither an object nor an array");
  }
  const Offset holder_field = map->header() + offsetof(MapHeader, holder);
  NodeId holder = s.heap.Read<uint64_t>(holder_field);
  if (holder == 0) {
    if (Status status = s.nodes.InsertHolder(map->header(), &holder); !status.ok()) return status;
    s.heap.Mutate<uint64_t>(holder_field) = holder;
  }
  NodeId node = 0;
  Status status = s.planter.PlantContainer(s.heap.At(value), holder, &node);
  if (!status.ok()) return status;
  const Slot slot = NodeSlot(node);
  bool inserted = false;
  return map->Set(key, reinterpret_cast<const uint8_t*>(&slot), sizeof(slot), &inserted);
}

void Tree::SkipNodes(NodeId next_node) {
  state_->nodes.table().SkipTo(next_node);
}

void Tree::DropValue(const uint8_t* root_slot) {
  const Slot slot = ReadSlot(root_slot);
  if (IsNodeSlot(slot)) state_->garbage.DropNode(SlotNode(slot));
}

void Tree::DropHolder(OrderedMap* map) {
  State& s = *state_;
  const Offset holder_field = map->header() + offsetof(MapHeader, holder);
  const NodeId holder = s.heap.Read<uint64_t>(holder_field);
  if (holder == 0) return;
  s.nodes.table().Remove(holder);
  s.heap.Mutate<uint64_t>(holder_field) = 0;
  ++s.nodes.layout_version;
  s.garbage.DropTable(map->Detach());
}

bool Tree::Reclaim(uint32_t budget) {
  return state_->garbage.Reclaim(budget);
}
bool Tree::can_reclaim() const {
  return state_->garbage.can_reclaim();
}
bool Tree::has_garbage() const {
  return !state_->garbage.empty();
}
Status Tree::ReadHeld(uint64_t held, uint64_t taken, uint32_t most, std::vector<uint8_t>* out,
                      uint32_t* indexes, uint32_t* count) {
  return state_->garbage.held().Read(held, taken, most, out, indexes, count);
}
bool Tree::SpillHeld() {
  return state_->garbage.SpillHeld();
}
void Tree::DropHeld(uint64_t held) {
  state_->garbage.LetGo(held);
}
bool Tree::ReclaimSince(const Mark& mark, uint32_t budget) {
  return state_->garbage.ReclaimSince(mark.dropped, budget);
}
Tree::Mark Tree::GarbageMark() const {
  return Mark{state_->garbage.dropped(), state_->nodes.node_count};
}
void Tree::ForgetGarbageSince(const Mark& mark) {
  state_->garbage.ForgetSince(mark.dropped);
  state_->nodes.node_count = mark.node_count;
  ++state_->nodes.layout_version;
}

Status Tree::State::Store(NodeId node, Offset block, const SmallNode& content) {
  const uint64_t bytes = content.Bytes();
  const uint64_t capacity = heap.Capacity(block);
  const bool fits = bytes <= capacity;
  if (!fits || (capacity > kSmallBlock && capacity - bytes >= capacity / 2)) {
    const Offset moved = planter.NewBlock(content);
    if (moved != kNone) {
      MoveTo(node, block, moved);
      return Status::Ok();
    }
    // A smaller node must not fail because a smaller block cannot be had.
    if (!fits) return Status(Code::kFull, "no memory for a node");
  }
  image.resize(bytes);
  content.Write(image.data());
  // Only from the first byte that differs to the last: less to save for undo, fewer pages written.
  const uint8_t* old = heap.At(block);
  uint64_t first = 0;
  uint64_t end = bytes;
  while (first < end && LoadWord(old + first) == LoadWord(image.data() + first)) first += 8;
  while (end > first && LoadWord(old + end - 8) == LoadWord(image.data() + end - 8)) end -= 8;
  if (first < end) std::memcpy(heap.Write(block + first, end - first), image.data() + first, end - first);
  return Status::Ok();
}

// What is there already is written over when nothing has to move for it.
bool Tree::State::OverwriteBody(Offset slot_at, const uint8_t* value) {
  const Slot slot = heap.Read<Slot>(slot_at);
  if (IsBoxSlot(slot)) return OverwriteBody(SlotBox(slot), value);
  if (!IsReference(slot) || slot.high != ReadSlot(value).high || IsContainer(slot)) return false;
  const Piece before = ReadPiece(heap.At(slot_at), *shapes);
  const Piece after = ReadPiece(value, *shapes);
  if (before.bytes != after.bytes) return false;
  if (std::memcmp(before.body, after.body, after.bytes) != 0) {
    std::memcpy(heap.Write(slot_at + slot.low, after.bytes), after.body, after.bytes);
  }
  return true;
}

Status Tree::State::ReplaceSlot(NodeId node, Offset block, uint32_t index, const uint8_t* value) {
  const Offset at = block + SlotsDistance(HeadAt(block).kind) + uint64_t{index} * 8;
  const Slot before = heap.Read<Slot>(at);
  const Slot after = ReadSlot(value);
  if (!IsReference(before) && !IsReference(after)) {
    heap.Mutate<Slot>(at) = after;
    garbage.DropSlot(before);
    return Status::Ok();
  }
  if (OverwriteBody(at, value)) return Status::Ok();
  Piece piece;
  Status status = planter.PlantPiece(value, node, kMaxInlineBytes, &piece);
  if (!status.ok()) return status;
  return ReplacePiece(node, block, index, piece);
}

Status Tree::State::ReplacePiece(NodeId node, Offset block, uint32_t index, const Piece& piece) {
  const Offset at = block + SlotsDistance(HeadAt(block).kind) + uint64_t{index} * 8;
  const Slot before = heap.Read<Slot>(at);
  if (!IsReference(before) && piece.body == nullptr) {
    heap.Mutate<Slot>(at) = piece.slot;
  } else {
    small.Read(heap, block, *shapes);
    small[index] = piece;
    if (Status status = Store(node, block, small); !status.ok()) return status;
  }
  garbage.DropSlot(before);
  return Status::Ok();
}

}  // namespace forkstore
