#include "data/node/plant.h"

#include <bit>
#include <cstring>

#include "data/node/item_sequence.h"
#include "data/node/small_object.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

// What one huge value needed is not kept.
constexpr size_t kKeptFrames = 4096;
constexpr size_t kKeptBytes = 1 << 20;

Status Full() {
  return Status(Code::kFull, "no memory for a node");
}

// Stands where a child's NODE slot will be once the child is there.
constexpr Slot kPlaceholder{kUndefined, uint32_t{kSpecial} << 16};

}  // namespace

Status Planter::PlantPiece(const uint8_t* value, NodeId parent, uint64_t inline_bytes, Piece* piece) {
  if (IsContainer(ReadSlot(value))) {
    NodeId node = 0;
    Status status = PlantContainer(value, parent, &node);
    if (status.ok()) *piece = Piece::OfSlot(NodeSlot(node));
    return status;
  }
  *piece = ReadPiece(value, *shapes_);
  return piece->bytes > inline_bytes ? Box(piece) : Status::Ok();
}

Status Planter::Box(Piece* piece) {
  const Offset box = NewBox(&heap_, *piece);
  if (box == kNone) return Full();
  *piece = Piece::OfSlot(BoxSlot(box));
  return Status::Ok();
}

// Depth first. A node is numbered when its block is made, before its children are: their blocks name it. A
// small node's slots are there from the beginning, and filled in; members and items of large ones are added
// one by one.
Status Planter::PlantContainer(const uint8_t* value, NodeId parent, NodeId* node) {
  Status status = Make(value, parent, node);
  while (status.ok() && !frames_.empty()) {
    switch (NodeHead::Of(heap_.Read<uint64_t>(frames_.back().block)).kind) {
      case NodeKind::kTable:
        status = StepTable();
        break;
      case NodeKind::kSequence:
        status = StepSequence();
        break;
      default:
        status = StepSmall();
    }
  }
  frames_.clear();
  if (frames_.capacity() > kKeptFrames) std::vector<Frame>().swap(frames_);
  if (record_value_.capacity() > kKeptBytes) std::vector<uint8_t>().swap(record_value_);
  return status;
}

Status Planter::Make(const uint8_t* value, NodeId parent, NodeId* node) {
  Frame frame{};
  frame.value = value;
  Status status = ReadSlot(value).tag() == kArray ? MakeArray(parent, &frame) : MakeObject(parent, &frame);
  if (status.ok()) status = nodes_->Insert(frame.block, &frame.node);
  if (!status.ok()) return status;
  *node = frame.node;
  if (frame.children > 0) frames_.push_back(frame);
  return status;
}

// The piece of a small node for a slot of a value.
Status Planter::ChildPiece(const uint8_t* at, Frame* frame, Piece* piece) {
  if (IsContainer(ReadSlot(at))) {
    *piece = Piece::OfSlot(kPlaceholder);
    ++frame->children;
    return Status::Ok();
  }
  *piece = ReadPiece(at, *shapes_);
  return piece->bytes > kMaxInlineBytes ? Box(piece) : Status::Ok();
}

Status Planter::MakeObject(NodeId parent, Frame* frame) {
  ObjectView object;
  object.Open(frame->value, *shapes_);
  frame->count = object.count();
  const bool as_is = !object.is_dictionary() && IsInPropertyOrder(*shapes_, object.shape());
  frame->by_name = !as_is;
  bool wide = frame->count > kMaxSmallMembers;
  for (uint32_t i = 0; i < frame->count && !as_is && !wide; ++i) {
    StringBytes storage;
    wide = object.Name(i, &storage).bytes > kMaxInlineBytes;
  }
  if (wide) {
    frame->block = NewTable(NodeHead{parent, NodeKind::kTable, 0});
    frame->children = frame->count;
    return frame->block == kNone ? Full() : Status::Ok();
  }
  small_.Clear(as_is ? NodeHead{parent, NodeKind::kShaped, object.shape()}
                     : NodeHead{parent, NodeKind::kDictionary, 0});
  SmallObject members(shapes_, &small_);
  for (uint32_t i = 0; i < frame->count; ++i) {
    Piece piece;
    Status status = ChildPiece(object.At(object.ValueSlot(i)), frame, &piece);
    if (!status.ok()) return status;
    StringBytes storage;
    if (as_is) {
      small_.Append(piece);
    } else {
      members.Add(object.Name(i, &storage), piece);
    }
  }
  if (!as_is && !object.is_dictionary()) {
    if (Status status = members.TryShape(ShapeUse::kDefine, &name_list_); !status.ok()) return status;
  }
  frame->block = NewBlock(small_);
  return frame->block == kNone ? Full() : Status::Ok();
}

Status Planter::MakeArray(NodeId parent, Frame* frame) {
  const uint8_t* body = frame->value + ReadSlot(frame->value).low;
  std::memcpy(&frame->count, body, sizeof(frame->count));
  if (frame->count > kMaxSmallMembers) {
    frame->block = NewSequence(NodeHead{parent, NodeKind::kSequence, 0});
    frame->children = frame->count;
    return frame->block == kNone ? Full() : Status::Ok();
  }
  small_.Clear(NodeHead{parent, NodeKind::kList, 0});
  for (uint32_t i = 0; i < frame->count; ++i) {
    Piece piece;
    if (Status status = ChildPiece(body + 8 + i * 8, frame, &piece); !status.ok()) return status;
    small_.Append(piece);
  }
  frame->block = NewBlock(small_);
  return frame->block == kNone ? Full() : Status::Ok();
}

// The frame whose turn it is, which goes once there is nothing left to do in it: before its last child, so
// that what nests at the end only needs no memory.
Planter::Frame Planter::TakeTurn() {
  Frame& frame = frames_.back();
  const Frame taken = frame;
  ++frame.next;
  if (--frame.children == 0) frames_.pop_back();
  return taken;
}

Status Planter::StepSmall() {
  Frame& top = frames_.back();
  ObjectView object;
  const bool is_object = object.Open(top.value, *shapes_);
  const auto source = [&](uint32_t i) {
    return is_object ? object.At(object.ValueSlot(i)) : top.value + ReadSlot(top.value).low + 8 + i * 8;
  };
  while (!IsContainer(ReadSlot(source(top.next)))) ++top.next;
  const uint8_t* at = source(top.next);
  const Frame frame = TakeTurn();
  NodeId child = 0;
  if (Status status = Make(at, frame.node, &child); !status.ok()) return status;

  const NodeHead head = NodeHead::Of(heap_.Read<uint64_t>(frame.block));
  Offset slot = frame.block + SlotsDistance(head.kind) + uint64_t{frame.next} * 8;
  if (frame.by_name) {
    StringBytes storage;
    const StringBytes& name = object.Name(frame.next, &storage);
    slot = head.kind == NodeKind::kDictionary
               ? FindInDictionary(heap_, frame.block, name)
               : frame.block + 8 + static_cast<uint64_t>(shapes_->FieldIndex(head.shape, name)) * 8;
  }
  heap_.Mutate<Slot>(slot) = NodeSlot(child);
  return Status::Ok();
}

Status Planter::StepTable() {
  const Frame frame = TakeTurn();
  ObjectView object;
  object.Open(frame.value, *shapes_);
  const uint8_t* at = object.At(object.ValueSlot(frame.next));
  Piece piece;
  Status status = ReadOrMake(at, frame.node, &piece);
  if (!status.ok()) return status;
  StringBytes storage;
  return InsertMember(frame.block, KeyOfString(object.Name(frame.next, &storage)), piece);
}

Status Planter::StepSequence() {
  const Frame frame = TakeTurn();
  const uint8_t* at = frame.value + ReadSlot(frame.value).low + 8 + uint64_t{frame.next} * 8;
  Piece piece;
  Status status = ReadOrMake(at, frame.node, &piece);
  return status.ok() ? AppendItem(frame.block, piece) : status;
}

Status Planter::AppendItem(Offset sequence, Piece piece) {
  ItemSequence items(heap_, sequence);
  if (IsHole(piece.slot)) {
    items.SetLength(items.length() + 1, nullptr, nullptr);
    return Status::Ok();
  }
  if (piece.body != nullptr) {
    if (Status status = Box(&piece); !status.ok()) return status;
  }
  return items.Set(items.length(), std::bit_cast<uint64_t>(piece.slot));
}

Status Planter::ReadOrMake(const uint8_t* at, NodeId parent, Piece* piece) {
  if (!IsContainer(ReadSlot(at))) {
    *piece = ReadPiece(at, *shapes_);
    return Status::Ok();
  }
  NodeId child = 0;
  Status status = Make(at, parent, &child);
  *piece = Piece::OfSlot(NodeSlot(child));
  return status;
}

Offset Planter::NewBlock(const SmallNode& node) {
  const uint64_t bytes = node.Bytes();
  const Offset block = heap_.AllocateData(bytes);
  if (block != kNone) node.Write(heap_.Write(block, bytes));
  return block;
}

Offset Planter::NewTable(const NodeHead& head) {
  const Offset block = heap_.Allocate(sizeof(MapHeader));
  if (block == kNone) return kNone;
  MapHeader header{};
  header.next = head.word();
  header.next_sequence = kFirstNameSequence;
  std::memcpy(heap_.Write(block, sizeof(header)), &header, sizeof(header));
  return block;
}

Offset Planter::NewSequence(const NodeHead& head) {
  const Offset block = heap_.Allocate(sizeof(SequenceBlock));
  if (block == kNone) return kNone;
  const SequenceBlock sequence = ItemSequence::Empty(head.word());
  std::memcpy(heap_.Write(block, sizeof(sequence)), &sequence, sizeof(sequence));
  return block;
}

Status Planter::InsertMember(Offset table, const Key& name, const Piece& piece) {
  Slot slot = piece.slot;
  const uint8_t* value = reinterpret_cast<const uint8_t*>(&slot);
  uint64_t bytes = sizeof(slot);
  if (piece.body != nullptr) {
    slot.low = 8;
    bytes = RoundUp(8 + piece.bytes, 8);
    record_value_.assign(bytes, 0);
    std::memcpy(record_value_.data(), &slot, sizeof(slot));
    std::memcpy(record_value_.data() + 8, piece.body, piece.bytes);
    value = record_value_.data();
  } else if (IsBoxSlot(slot)) {
    value = heap_.At(SlotBox(slot));
    bytes = RoundUp(8 + ReadPiece(value, *shapes_).bytes, 8);
  }
  uint32_t index = 0;
  const uint64_t sequence = IndexOfName(name, &index) ? index : OrderedMap::kAtEnd;
  bool inserted = false;
  return OrderedMap(heap_, table, seed_).Set(name, value, bytes, &inserted, sequence);
}

Status Planter::FillTable(Offset table, const SmallNode& node) {
  for (uint32_t member = 0; member < node.members(); ++member) {
    StringBytes storage;
    const Key name = KeyOfString(PieceName(node[member * 2], &storage));
    if (Status status = InsertMember(table, name, node.value(member)); !status.ok()) return status;
    if (IsBoxSlot(node.value(member).slot)) heap_.Free(SlotBox(node.value(member).slot));
  }
  return Status::Ok();
}

Status Planter::FillSequence(Offset sequence, const SmallNode& node) {
  for (uint32_t i = 0; i < node.slots(); ++i) {
    if (Status status = AppendItem(sequence, node[i]); !status.ok()) return status;
  }
  return Status::Ok();
}

}  // namespace forkstore
