// SmallNode: a SHAPED, DICTIONARY or LIST node taken apart into pieces, one for each slot, to be changed and
// put together again. A small node is laid out in one way only (docs/format.md, section 4 "Nodes"), so a
// change that does not keep all lengths makes the block anew; it has at most 64 members of at most 128 bytes.
#pragma once

#include <array>
#include <cstdint>

#include "data/value/key.h"
#include "data/value/node.h"
#include "data/value/shape.h"
#include "data/value/value.h"
#include "memory/heap.h"

namespace forkstore {

inline StringBytes StringOf(const Key& name) {
  StringBytes string;
  string.utf16 = name.kind == KeyKind::kUtf16;
  string.data = name.data;
  string.bytes = name.bytes;
  return string;
}
inline Key KeyOfString(const StringBytes& string) {
  return Key{string.utf16 ? KeyKind::kUtf16 : KeyKind::kLatin1, string.data, string.bytes};
}

inline constexpr Slot kListHole{kHole, uint32_t{kSpecial} << 16};
inline bool IsHole(Slot slot) {
  return slot.low == kListHole.low && slot.high == kListHole.high;
}

// A slot with what it refers to.
struct Piece {
  Slot slot;                      // `low` is void when there is a body
  const uint8_t* body = nullptr;  // in a value, in a node's block or in a shape; nullptr when there is none
  uint64_t bytes = 0;
  uint64_t alignment = 1;

  static Piece OfSlot(Slot slot) { return Piece{slot}; }
};

// The piece whose slot is at `at`: in a value (then it is no container) or in a node's block.
Piece ReadPiece(const uint8_t* at, const ShapeTable& shapes);
// A name of at most 128 bytes, which stays where it is.
Piece NamePiece(const StringBytes& name);
// The name in such a piece; *storage outlives what is returned.
const StringBytes& PieceName(const Piece& piece, StringBytes* storage);

// Where the slots are, from the start of the block.
inline uint64_t SlotsDistance(NodeKind kind) {
  return kind == NodeKind::kShaped ? 8 : 16;
}
// How many slots the block of a small node has: two for each member of a DICTIONARY.
inline uint32_t SlotCount(const Heap& heap, Offset block, const ShapeTable& shapes) {
  const NodeHead head = NodeHead::Of(heap.Read<uint64_t>(block));
  if (head.kind == NodeKind::kShaped) return shapes.FieldCount(head.shape);
  const uint32_t count = heap.Read<uint32_t>(block + 8);
  return head.kind == NodeKind::kDictionary ? count * 2 : count;
}
// Arena offset of the member's value slot in a DICTIONARY, or kNone.
Offset FindInDictionary(const Heap& heap, Offset block, const StringBytes& name);

class SmallNode {
 public:
  NodeHead head;

  void Clear(const NodeHead& new_head) {
    head = new_head;
    count_ = 0;
  }
  // The pieces' bodies are in the block. REQUIRES: a small node.
  void Read(const Heap& heap, Offset block, const ShapeTable& shapes);

  uint32_t slots() const { return count_; }
  uint32_t members() const { return head.kind == NodeKind::kDictionary ? count_ / 2 : count_; }
  Piece& operator[](uint32_t slot) { return pieces_[slot]; }
  const Piece& operator[](uint32_t slot) const { return pieces_[slot]; }
  const Piece& value(uint32_t member) const {
    return pieces_[head.kind == NodeKind::kDictionary ? member * 2 + 1 : member];
  }
  void Append(const Piece& piece) { pieces_[count_++] = piece; }
  void Insert(uint32_t slot, const Piece& piece);
  void SetSlots(uint32_t slots) { count_ = slots; }
  void Erase(uint32_t first, uint32_t count);

  // The block's used length, and its bytes. `out`: as many, 8-aligned, apart from where the pieces' bodies
  // are.
  uint64_t Bytes() const;
  void Write(uint8_t* out) const;

 private:
  // One member more than a node may have, so that it can be found to be too many.
  std::array<Piece, 2 * kMaxSmallMembers + 2> pieces_;
  uint32_t count_ = 0;
};

// A block of its own for a body (a box), or kNone. REQUIRES: piece.body != nullptr.
Offset NewBox(Heap* heap, const Piece& piece);

}  // namespace forkstore
