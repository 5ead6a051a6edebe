// Planter: turns encoded values into nodes, of any depth without recursion. What is planted is attached by
// its caller, who puts the NODE slot where it belongs. When memory runs out in the middle, what is there
// stays until the undo scope takes it back.
#pragma once

#include <cstdint>
#include <vector>

#include "base/siphash.h"
#include "base/status.h"
#include "data/map/ordered_map.h"
#include "data/node/node_registry.h"
#include "data/node/small_node.h"
#include "data/value/object_view.h"
#include "data/value/shape.h"

namespace forkstore {

class Planter {
 public:
  Planter(Heap heap, NodeRegistry* nodes, ShapeTable* shapes, HashSeed seed)
      : heap_(heap), nodes_(nodes), shapes_(shapes), seed_(seed) {}

  // The piece that stands for the value in a node `parent`: a NODE slot for a container, which becomes nodes;
  // a BOX slot for a body of more than `inline_bytes`; else the value's own slot and body. Errors of all:
  // kFull, kTooLarge.
  Status PlantPiece(const uint8_t* value, NodeId parent, uint64_t inline_bytes, Piece* piece);
  // A container.
  Status PlantContainer(const uint8_t* value, NodeId parent, NodeId* node);

  // A block with a small node's pieces in it, or kNone.
  Offset NewBlock(const SmallNode& node);
  Offset NewTable(const NodeHead& head);     // an empty one, or kNone
  Offset NewSequence(const NodeHead& head);  // likewise
  // A new member of a TABLE. A piece that is boxed is copied, since records hold their bodies.
  Status InsertMember(Offset table, const Key& name, const Piece& piece);
  // Members from [a DICTIONARY | a LIST] to an empty [TABLE | SEQUENCE]. Boxes that a record has no need of
  // are freed; NODE slots are taken over.
  Status FillTable(Offset table, const SmallNode& node);
  Status FillSequence(Offset sequence, const SmallNode& node);
  Status Box(Piece* piece);

  std::vector<uint8_t>* name_list() { return &name_list_; }

 private:
  // A container whose children are not all planted.
  struct Frame {
    const uint8_t* value;
    NodeId node;
    Offset block;
    uint32_t next;
    uint32_t count;     // of members
    uint32_t children;  // still to come: in a small node containers, else all members
    bool by_name;       // the slots of the node may be in another order than those of the value
  };

  Status Make(const uint8_t* value, NodeId parent, NodeId* node);
  Status MakeObject(NodeId parent, Frame* frame);
  Status MakeArray(NodeId parent, Frame* frame);
  Status ChildPiece(const uint8_t* at, Frame* frame, Piece* piece);
  Frame TakeTurn();
  Status StepSmall();
  Status StepTable();
  Status StepSequence();
  Status ReadOrMake(const uint8_t* at, NodeId parent, Piece* piece);
  Status AppendItem(Offset sequence, Piece piece);

  Heap heap_;
  NodeRegistry* nodes_;
  ShapeTable* shapes_;
  HashSeed seed_;
  SmallNode small_;
  std::vector<Frame> frames_;
  std::vector<uint8_t> name_list_;
  std::vector<uint8_t> record_value_;
};

}  // namespace forkstore
