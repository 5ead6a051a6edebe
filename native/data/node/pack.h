// Packer: writes a node and all that is below it as one plain value (docs/format.md, section 1), of any depth
// without recursion, in one pass in the order of the value's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "data/node/item_sequence.h"
#include "data/node/node_registry.h"
#include "data/node/small_node.h"
#include "data/value/shape.h"
#include "memory/heap.h"

namespace forkstore {

class Packer {
 public:
  Packer(const Heap& heap, const NodeRegistry& nodes, const ShapeTable& shapes, std::vector<uint8_t>* out)
      : heap_(heap), nodes_(nodes), shapes_(shapes), out_(out), base_(out->size()) {}

  // Appends to *out, whose size is a multiple of 8. Errors: kTooLarge; then *out is as it was.
  Status Pack(Offset block);
  // The same for items of an array, by the arena offsets of their slots: one array of them.
  Status PackItems(const ItemSequence::Item* items, uint32_t count);
  // The same by the slots themselves: no holes, and none that refers to a body behind it.
  Status PackSlots(const Slot* slots, uint32_t count);

 private:
  // A container whose slots lie at [next, end) in *out and are not all filled in.
  struct Frame {
    enum class Source : uint32_t { kBlock, kItems, kSlots, kRecords };
    Source from;
    const uint8_t* slot;  // kBlock: the slot that belongs to `next`
    uint64_t next;
    uint64_t end;
  };

  bool Run(Offset block);
  bool RunItems(const ItemSequence::Item* items, uint32_t count);
  bool RunSlots(const Slot* slots, uint32_t count);
  Status Ended(bool is_whole);
  bool Finish();
  bool Step();
  // Room for `bytes` at a multiple of `alignment`, with 0-bytes before and in it; false when the value
  // becomes too large.
  bool Extend(uint64_t bytes, uint64_t alignment, uint64_t* position);
  bool Open(uint64_t position, Offset block);
  bool OpenTable(uint64_t position, Offset block);
  bool OpenSequence(uint64_t position, Offset block);
  bool OpenCounted(uint64_t position, uint32_t high, uint64_t count, uint64_t slots, uint64_t* first);
  // Fills in the slot at `position`, as the slot at `at` (in a block, a box or a record) has it.
  bool Fill(uint64_t position, const uint8_t* at);
  bool PutBody(uint64_t position, const Piece& piece);
  bool PutName(uint64_t position, const Key& name);
  void PutSlot(uint64_t position, Slot slot) { std::memcpy(out_->data() + position, &slot, sizeof(slot)); }
  void Push(const Frame& frame) {
    if (frame.next != frame.end) frames_.push_back(frame);
  }

  const Heap& heap_;
  const NodeRegistry& nodes_;
  const ShapeTable& shapes_;
  std::vector<uint8_t>* const out_;
  const uint64_t base_;
  std::vector<Frame> frames_;
};

}  // namespace forkstore
