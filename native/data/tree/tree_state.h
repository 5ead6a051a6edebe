// What the files of Tree share: tree.cc (reading), tree_object.cc and tree_array.cc (changing),
// tree_restore.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "data/node/item_sequence.h"
#include "data/node/node_registry.h"
#include "data/node/plant.h"
#include "data/node/small_node.h"
#include "data/node/small_object.h"
#include "data/tree/attachment.h"
#include "data/tree/tree.h"
#include "data/tree/tree_garbage.h"

namespace forkstore {

struct Tree::State {
  class Restorer;  // tree_restore.cc

  State(Heap heap_in, TreeFields fields, ShapeTable* shapes_in, HashSeed seed_in, ValueScratch* scratch_in)
      : heap(heap_in),
        shapes(shapes_in),
        seed(seed_in),
        scratch(scratch_in),
        nodes(heap, fields.next_node, fields.nodes, fields.nodes_height),
        garbage(heap, &nodes, shapes),
        attachment(heap, &nodes, &garbage),
        planter(heap, &nodes, shapes, seed) {}

  NodeHead HeadAt(Offset block) const { return NodeHead::Of(heap.Read<uint64_t>(block)); }
  OrderedMap Table(Offset block) const { return OrderedMap(heap, block, seed); }

  Offset Locate(NodeId node) const;
  // The block of an attached object (or array), or why there is none.
  Status Find(NodeId node, bool array, Offset* block) const;

  // Replaces the value in the slot of a small node, writing no more than what changes.
  Status ReplaceSlot(NodeId node, Offset block, uint32_t index, const uint8_t* value);
  Status ReplacePiece(NodeId node, Offset block, uint32_t index, const Piece& piece);
  // Writes a value over the one whose slot is at `slot_at`, when both have bodies of one form and length.
  bool OverwriteBody(Offset slot_at, const uint8_t* value);
  // Writes `content` as the node's new contents, into its block or a new one. Bodies may lie in the old one.
  Status Store(NodeId node, Offset block, const SmallNode& content);
  // Lets the node have another block; the old one is freed.
  void MoveTo(NodeId node, Offset from, Offset to) {
    nodes.Move(node, to);
    heap.Free(from);
  }

  // tree_object.cc
  Status AddMember(NodeId node, Offset block, const Key& name, const uint8_t* value);
  // From `small`, spelled out; SHAPED where that is allowed and possible.
  Status StoreMembers(NodeId node, Offset block, ShapeUse use);
  Status SetTableMember(NodeId node, Offset block, const Key& name, const uint8_t* value);

  // tree_array.cc
  // The items of an encoded array as they will stand in the node: boxed if need be, and containers planted.
  Status PlantItems(NodeId node, const uint8_t* items, uint32_t count, uint64_t inline_bytes);
  Status SetListItem(NodeId node, Offset block, uint32_t index, const uint8_t* value);
  Status SetSequenceItem(NodeId node, Offset block, uint32_t index, const uint8_t* value);
  Status SpliceList(NodeId node, Offset block, uint32_t start, uint32_t delete_count);
  // A LIST becomes a SEQUENCE, in *block; other arrays stay as they are.
  Status MakeSequence(NodeId node, Offset* block);
  void EmptySequence(NodeId node, Offset block, uint64_t* held);
  class Cut;  // tree_cut.h

  // tree_move.cc
  struct Moving;
  static void MoveNode(void* moving, NodeId node, Offset field);
  static void MoveItem(void* mover, uint64_t position, Offset field);
  // Moves what is in a block of its own for the slot there.
  void MoveBox(Offset slot, BlockMover* mover);
  // One step inside of a TABLE or SEQUENCE; true when it has been gone over.
  bool MoveInside(NodeId node, MapMoveCursor* cursor, BlockMover* mover);

  Heap heap;
  ShapeTable* shapes;
  HashSeed seed;
  ValueScratch* scratch;
  NodeRegistry nodes;
  TreeGarbage garbage;
  mutable Attachment attachment;
  Planter planter;
  SmallNode small;
  std::vector<Piece> planted;        // by PlantItems
  std::vector<uint8_t> image;        // of a small node that is rewritten in place
  std::vector<NodeId> unreferenced;  // between Restore() and RemoveUnreferenced()
  uint64_t listed_items = 0;         // by cuts
};

}  // namespace forkstore
