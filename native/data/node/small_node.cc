#include "data/node/small_node.h"

#include <algorithm>
#include <cstring>

#include "data/value/value_body.h"

namespace forkstore {
namespace {

// A SHORT string as a slot. REQUIRES: at most 5 bytes of Latin-1.
Slot ShortSlot(const StringBytes& name) {
  uint8_t bytes[8] = {0, 0, 0, 0, static_cast<uint8_t>(name.bytes), 0, 0xFF, 0xFF};
  if (name.bytes > 0) bytes[5] = name.data[0];
  for (uint64_t i = 1; i < name.bytes; ++i) bytes[i - 1] = name.data[i];
  return ReadSlot(bytes);
}

bool IsShortName(const StringBytes& name) {
  return !name.utf16 && name.bytes <= 5;
}

// The upper half of the slot of a name that is not SHORT. A name that no small node can have is cut: its slot
// is never written.
uint32_t NameHigh(const StringBytes& name) {
  return name.utf16 ? uint32_t{kUtf16} << 16 | (static_cast<uint32_t>(name.bytes / 2) & 0xFFFF)
                    : uint32_t{kLatin1} << 16 | (static_cast<uint32_t>(name.bytes) & 0xFFFF);
}

}  // namespace

Piece ReadPiece(const uint8_t* at, const ShapeTable& shapes) {
  const Slot slot = ReadSlot(at);
  if (!IsReference(slot)) return Piece::OfSlot(slot);
  const uint8_t* target = at + slot.low;
  const Body body = ReadBody(slot, target, shapes);
  return Piece{slot, target, body.bytes, body.alignment};
}

Piece NamePiece(const StringBytes& name) {
  if (IsShortName(name)) return Piece::OfSlot(ShortSlot(name));
  return Piece{Slot{0, NameHigh(name)}, name.data, name.bytes, name.utf16 ? 2u : 1u};
}

const StringBytes& PieceName(const Piece& piece, StringBytes* storage) {
  if (piece.body == nullptr) {
    ReadString(reinterpret_cast<const uint8_t*>(&piece.slot), storage);
  } else {
    storage->utf16 = piece.slot.tag() == kUtf16;
    storage->data = piece.body;
    storage->bytes = piece.bytes;
  }
  return *storage;
}

// Whole slots or their upper halves tell nearly all names apart.
Offset FindInDictionary(const Heap& heap, Offset block, const StringBytes& name) {
  const uint32_t count = heap.Read<uint32_t>(block + 8);
  const Offset first = block + SlotsDistance(NodeKind::kDictionary);
  const Offset end = first + uint64_t{count} * 16;
  if (IsShortName(name)) {
    const Slot wanted = ShortSlot(name);
    for (Offset at = first; at < end; at += 16) {
      const Slot slot = heap.Read<Slot>(at);
      if (slot.low == wanted.low && slot.high == wanted.high) return at + 8;
    }
    return kNone;
  }
  if (name.bytes > kMaxInlineBytes) return kNone;
  const uint32_t high = NameHigh(name);
  for (Offset at = first; at < end; at += 16) {
    const Slot slot = heap.Read<Slot>(at);
    if (slot.high == high && std::memcmp(heap.At(at + slot.low), name.data, name.bytes) == 0) return at + 8;
  }
  return kNone;
}

void SmallNode::Read(const Heap& heap, Offset block, const ShapeTable& shapes) {
  head = NodeHead::Of(heap.Read<uint64_t>(block));
  count_ = SlotCount(heap, block, shapes);
  const uint8_t* at = heap.At(block + SlotsDistance(head.kind));
  for (uint32_t i = 0; i < count_; ++i, at += 8) pieces_[i] = ReadPiece(at, shapes);
}

void SmallNode::Insert(uint32_t slot, const Piece& piece) {
  std::copy_backward(pieces_.begin() + slot, pieces_.begin() + count_, pieces_.begin() + count_ + 1);
  pieces_[slot] = piece;
  ++count_;
}

void SmallNode::Erase(uint32_t first, uint32_t count) {
  std::copy(pieces_.begin() + first + count, pieces_.begin() + count_, pieces_.begin() + first);
  count_ -= count;
}

uint64_t SmallNode::Bytes() const {
  uint64_t cursor = SlotsDistance(head.kind) + uint64_t{count_} * 8;
  for (uint32_t i = 0; i < count_; ++i) {
    if (pieces_[i].body != nullptr) cursor = RoundUp(cursor, pieces_[i].alignment) + pieces_[i].bytes;
  }
  return RoundUp(cursor, 8);
}

void SmallNode::Write(uint8_t* out) const {
  const uint64_t word = head.word();
  std::memcpy(out, &word, sizeof(word));
  if (head.kind != NodeKind::kShaped) {
    const uint64_t count = members();
    std::memcpy(out + 8, &count, sizeof(count));
  }
  uint64_t at = SlotsDistance(head.kind);
  uint64_t cursor = at + uint64_t{count_} * 8;
  const auto pad = [&](uint64_t alignment) {
    const uint64_t place = RoundUp(cursor, alignment);
    if (place > cursor) std::memset(out + cursor, 0, place - cursor);
    cursor = place;
  };
  for (uint32_t i = 0; i < count_; ++i, at += 8) {
    const Piece& piece = pieces_[i];
    Slot slot = piece.slot;
    if (piece.body != nullptr) {
      pad(piece.alignment);
      slot.low = static_cast<uint32_t>(cursor - at);
      std::memcpy(out + cursor, piece.body, piece.bytes);
      cursor += piece.bytes;
    }
    std::memcpy(out + at, &slot, sizeof(slot));
  }
  pad(8);
}

Offset NewBox(Heap* heap, const Piece& piece) {
  const uint64_t bytes = RoundUp(8 + piece.bytes, 8);
  const Offset block = heap->AllocateData(bytes);
  if (block == kNone) return kNone;
  uint8_t* out = heap->Write(block, bytes);
  const Slot slot{8, piece.slot.high};
  std::memset(out + bytes - 8, 0, 8);
  std::memcpy(out, &slot, sizeof(slot));
  if (piece.bytes > 0) std::memcpy(out + 8, piece.body, piece.bytes);
  return block;
}

}  // namespace forkstore
