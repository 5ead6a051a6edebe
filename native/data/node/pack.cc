#include "data/node/pack.h"

#include <cstring>

#include "data/map/ordered_map.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

constexpr uint32_t kBatch = 64;
constexpr uint32_t kDictionaryHigh = uint32_t{kExtended} << 16 | kDictionary;

}  // namespace

Status Packer::Pack(Offset block) {
  return Ended(Run(block));
}

Status Packer::PackItems(const ItemSequence::Item* items, uint32_t count) {
  return Ended(RunItems(items, count));
}

Status Packer::PackSlots(const Slot* slots, uint32_t count) {
  return Ended(RunSlots(slots, count));
}

Status Packer::Ended(bool is_whole) {
  if (is_whole) return Status::Ok();
  out_->resize(base_);
  return Status(Code::kTooLarge, "a copy would be larger than a value may be");
}

bool Packer::Run(Offset block) {
  uint64_t root = 0;
  return Extend(sizeof(Slot), 8, &root) && Open(root, block) && Finish();
}

// Until its turn comes, an item's slot holds where it is.
bool Packer::RunItems(const ItemSequence::Item* items, uint32_t count) {
  uint64_t root = 0;
  uint64_t first = 0;
  if (!Extend(sizeof(Slot), 8, &root) || !OpenCounted(root, uint32_t{kArray} << 16, count, count, &first)) {
    return false;
  }
  for (uint32_t i = 0; i < count; ++i) {
    std::memcpy(out_->data() + first + uint64_t{i} * 8, &items[i].slot, sizeof(Offset));
  }
  Push(Frame{Frame::Source::kSlots, nullptr, first, first + uint64_t{count} * 8});
  return Finish();
}

bool Packer::RunSlots(const Slot* slots, uint32_t count) {
  uint64_t root = 0;
  uint64_t first = 0;
  if (!Extend(sizeof(Slot), 8, &root) || !OpenCounted(root, uint32_t{kArray} << 16, count, count, &first)) {
    return false;
  }
  for (uint32_t i = 0; i < count; ++i) PutSlot(first + uint64_t{i} * 8, slots[i]);
  Push(Frame{Frame::Source::kItems, nullptr, first, first + uint64_t{count} * 8});
  return Finish();
}

bool Packer::Finish() {
  while (!frames_.empty()) {
    if (!Step()) return false;
  }
  uint64_t end = 0;
  return Extend(0, 8, &end);
}

bool Packer::Extend(uint64_t bytes, uint64_t alignment, uint64_t* position) {
  *position = RoundUp(out_->size(), alignment);
  // The end is rounded up to 8 in the end, and the largest value is a multiple of 8.
  if (bytes > kMaxValueBytes || *position + bytes - base_ > kMaxValueBytes) return false;
  out_->resize(*position + bytes);
  return true;
}

bool Packer::Open(uint64_t position, Offset block) {
  const NodeHead head = NodeHead::Of(heap_.Read<uint64_t>(block));
  const uint8_t* slots = heap_.At(block + SlotsDistance(head.kind));
  uint64_t first = 0;
  uint64_t count = 0;
  switch (head.kind) {
    case NodeKind::kTable:
      return OpenTable(position, block);
    case NodeKind::kSequence:
      return OpenSequence(position, block);
    case NodeKind::kShaped:
      count = shapes_.FieldCount(head.shape);
      if (!Extend(count * 8, 8, &first)) return false;
      PutSlot(position, Slot{static_cast<uint32_t>(first - position), uint32_t{kObject} << 16 | head.shape});
      break;
    case NodeKind::kDictionary:
      count = uint64_t{heap_.Read<uint32_t>(block + 8)} * 2;
      if (!OpenCounted(position, kDictionaryHigh, count / 2, count, &first)) return false;
      break;
    case NodeKind::kList:
      count = heap_.Read<uint32_t>(block + 8);
      if (!OpenCounted(position, uint32_t{kArray} << 16, count, count, &first)) return false;
      break;
  }
  Push(Frame{Frame::Source::kBlock, slots, first, first + count * 8});
  return true;
}

bool Packer::OpenCounted(uint64_t position, uint32_t high, uint64_t count, uint64_t slots, uint64_t* first) {
  uint64_t body = 0;
  if (slots > kMaxValueBytes / 8 || !Extend(8 + slots * 8, 8, &body)) return false;
  std::memcpy(out_->data() + body, &count, sizeof(count));
  PutSlot(position, Slot{static_cast<uint32_t>(body - position), high});
  *first = body + 8;
  return true;
}

// The records are found now, all in one go; until its turn comes, a member's first slot holds where its
// record is.
bool Packer::OpenTable(uint64_t position, Offset block) {
  const OrderedMap members(heap_, block, HashSeed{});
  const uint64_t count = members.size();
  uint64_t first = 0;
  if (!OpenCounted(position, kDictionaryHigh, count, count * 2, &first)) return false;
  Offset records[kBatch];
  uint64_t from = 0;
  uint64_t at = first;
  for (uint32_t got = kBatch; got == kBatch;) {
    got = members.Scan(from, kBatch, records);
    for (uint32_t i = 0; i < got; ++i, at += 16) std::memcpy(out_->data() + at, &records[i], sizeof(Offset));
    if (got > 0) from = ReadRecord(heap_, records[got - 1]).sequence + 1;
  }
  Push(Frame{Frame::Source::kRecords, nullptr, first, first + count * 16});
  return true;
}

// Items are slots that refer to nothing around them: they wait in the place where they will be filled in.
bool Packer::OpenSequence(uint64_t position, Offset block) {
  const ItemSequence items(heap_, block);
  const uint64_t count = items.length();
  uint64_t first = 0;
  if (!OpenCounted(position, uint32_t{kArray} << 16, count, count, &first)) return false;
  Offset fields[kBatch];
  for (uint64_t index = 0; index < count;) {
    const uint32_t got = items.Scan(index, kBatch, fields);
    for (uint32_t i = 0; i < got; ++i, ++index) {
      PutSlot(first + index * 8, fields[i] == kNone ? kListHole : heap_.Read<Slot>(fields[i]));
    }
  }
  Push(Frame{Frame::Source::kItems, nullptr, first, first + count * 8});
  return true;
}

bool Packer::Step() {
  Frame& frame = frames_.back();
  const Frame::Source from = frame.from;
  const uint8_t* slot = frame.slot;
  const uint64_t position = frame.next;
  frame.next += from == Frame::Source::kRecords ? 16 : 8;
  frame.slot += from == Frame::Source::kBlock ? 8 : 0;
  // It goes before its last child comes, so that what nests at the end only needs no memory.
  if (frame.next == frame.end) frames_.pop_back();
  switch (from) {
    case Frame::Source::kBlock:
      return Fill(position, slot);
    case Frame::Source::kItems: {
      const Slot item = ReadSlot(out_->data() + position);
      return Fill(position, reinterpret_cast<const uint8_t*>(&item));
    }
    case Frame::Source::kSlots: {
      Offset at = kNone;
      std::memcpy(&at, out_->data() + position, sizeof(at));
      return Fill(position, heap_.At(at));
    }
    default: {
      Offset record = kNone;
      std::memcpy(&record, out_->data() + position, sizeof(record));
      const RecordView view = ReadRecord(heap_, record);
      return PutName(position, view.key) && Fill(position + 8, heap_.At(record + view.value_distance));
    }
  }
}

bool Packer::Fill(uint64_t position, const uint8_t* at) {
  const Slot slot = ReadSlot(at);
  if (IsNodeSlot(slot)) return Open(position, nodes_.Find(SlotNode(slot)));
  const Piece piece = ReadPiece(IsBoxSlot(slot) ? heap_.At(SlotBox(slot)) : at, shapes_);
  if (piece.body != nullptr) return PutBody(position, piece);
  PutSlot(position, slot);
  return true;
}

bool Packer::PutBody(uint64_t position, const Piece& piece) {
  uint64_t place = 0;
  if (!Extend(piece.bytes, piece.alignment, &place)) return false;
  if (piece.bytes > 0) std::memcpy(out_->data() + place, piece.body, piece.bytes);
  PutSlot(position, Slot{static_cast<uint32_t>(place - position), piece.slot.high});
  return true;
}

bool Packer::PutName(uint64_t position, const Key& name) {
  const StringBytes string = StringOf(name);
  const uint64_t units = name.bytes / (string.utf16 ? 2 : 1);
  if (units < 0xFFFF) {
    const Piece piece = NamePiece(string);
    if (piece.body != nullptr) return PutBody(position, piece);
    PutSlot(position, piece.slot);
    return true;
  }
  const uint32_t length = static_cast<uint32_t>(units);
  uint64_t place = 0;
  if (!Extend(sizeof(length) + name.bytes, 4, &place)) return false;
  std::memcpy(out_->data() + place, &length, sizeof(length));
  std::memcpy(out_->data() + place + sizeof(length), name.data, name.bytes);
  PutSlot(position, Slot{static_cast<uint32_t>(place - position),
                         uint32_t{kExtended} << 16 | (string.utf16 ? kUtf16Long : kLatin1Long)});
  return true;
}

}  // namespace forkstore
