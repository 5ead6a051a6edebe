// Tree: the nested objects and arrays of `store.root`, and of map entries that live views look at. Each is a
// node with a number that is never used again (docs/format.md, section 4 "Nodes"): views remember the number,
// so that a node may move, and can never be mistaken for another one.
//
// Invariants
//  1. Every node but the root is referred to by exactly one slot, of its parent: a tree, never a graph.
//  2. A node is attached when it and all of its ancestors are in the node table. Dropping a subtree takes its
//     top out of the table at once; what is below is given back in bounded steps (Reclaim), and until then is
//     told from attached nodes by its way up.
//  3. layout_version() changes whenever the block of an attached node moved, or a node was detached: a place
//     that was found under the same version is still right.
//  4. Every change is bounded by what it is given, never by the size of the tree, except where
//     docs/design.md, "What grows on the event loop", says so: Permute looks at every item; Splice moves the slots of the
//     shorter side; where very many items go and very many stay, the fewer are listed.
//
// Changes that fail may be half done: the engine runs each inside an undo scope (memory/undo.h) and takes it
// back.
//
// Where things are: tree_cut.h (items that go), held_items.h (those that can still be read), small_node.h and
// small_object.h (nodes of up to 64 members), plant.h (values become nodes), pack.h (nodes become values),
// node_registry.h, tree_garbage.h, item_sequence.h and ordered_map.h (large nodes).
//
// Thread safety: the owner thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/siphash.h"
#include "base/status.h"
#include "data/map/ordered_map.h"
#include "data/node/item_sequence.h"
#include "data/value/key.h"
#include "data/value/node.h"
#include "data/value/shape.h"
#include "memory/heap.h"

namespace forkstore {

// How far Tree::MoveSome has got.
struct TreeMoveCursor {
  NodeId from = 0;
  std::vector<NodeId>
      large;             // nodes before `from` whose insides are still to be gone over, the last one first
  MapMoveCursor inside;  // of that one
};

// Where in the root block the tree keeps its state: arena offsets of the fields.
struct TreeFields {
  Offset next_node;     // u64
  Offset nodes;         // u64
  Offset nodes_height;  // u32
};

class Tree {
 public:
  Tree(Heap heap, TreeFields fields, ShapeTable* shapes, HashSeed seed, ValueScratch* scratch);
  ~Tree();

  // Makes the root, an object without members. REQUIRES: there is none. Errors: kFull.
  Status Create();
  // Loading: claims and checks every node from the root and from the holders of maps down. Called after all
  // else is claimed; the maps say what their records refer to (see OrderedMap::Restore). Errors: kCorrupt.
  struct RestoredMap {
    OrderedMap* map;
    std::vector<NodeId> nodes;
  };
  Status Restore(const std::vector<RestoredMap>& maps);
  // Takes nodes that nothing refers to (what had been dropped and was not yet given back) out of the node
  // table. REQUIRES: called once, after Restore() and then Allocator::FinishRestore(), before anything else.
  void RemoveUnreferenced();

  // The block of an attached node, or kNone.
  Offset Locate(NodeId node) const;
  NodeHead Head(NodeId node) const;  // REQUIRES: attached
  uint64_t layout_version() const;
  NodeId next_node() const;
  uint64_t node_count() const;
  // How many ancestors Locate() has looked at, ever: what it costs while something waits to be given back.
  uint64_t locate_steps() const;
  // How many items were listed, ever, since many others left their array: what a cut costs.
  uint64_t listed_items() const;

  // Reads for the binding, which has the block already. `name`: checked, kind 0 or 1.
  // Arena offset of the member's slot or (in a record) root slot; kNone when there is none. Any object kind.
  Offset FindMember(Offset block, const Key& name) const;
  // Arena offset of the item's slot; kNone for a hole or beyond the length. Any array kind.
  Offset FindItem(Offset block, uint32_t index) const;
  uint32_t Length(Offset block) const;  // of an array
  // Of a TABLE: as OrderedMap::Scan.
  uint32_t ScanTable(Offset block, uint64_t from_sequence, uint32_t limit, Offset* records) const;
  // Of any array: up to `limit` items with index >= `from` that are no holes, in order; returns how many:
  // fewer mean that there are no more. Holes take no time, however many there are.
  uint32_t ScanItems(Offset block, uint32_t from, uint32_t limit, ItemSequence::Item* items) const;
  // The node as one plain canonical value (section 1; TABLE and DICTIONARY as dictionaries), appended to
  // *out. Errors: kTooLarge.
  Status Pack(NodeId node, std::vector<uint8_t>* out) const;
  // Up to `limit` of the items that there are in [from, to), as one array without holes; *next: where to go
  // on, `to` when there are no more. REQUIRES: limit > 0. Errors: kNotFound, kWrongType, kTooLarge.
  Status PackItems(NodeId node, uint32_t from, uint32_t to, uint32_t limit, std::vector<uint8_t>* out,
                   uint32_t* next) const;

  // Changes. Values are checked (CheckValue) and hold no NODE or BOX slots; containers in them become nodes.
  // Errors of all: kNotFound when the node is not attached; kWrongType when it is not of the right kind
  // (object or array); kInvalid for counts that are out of range; kFull; kTooLarge.
  Status SetMember(NodeId node, const Key& name, const uint8_t* value);
  // `use`: of an object that is SHAPED.
  Status DeleteMember(NodeId node, const Key& name, ShapeUse use, bool* was_there);
  Status SetItem(NodeId node, uint32_t index, const uint8_t* value);
  Status DeleteItem(NodeId node, uint32_t index, bool* was_there);
  Status SetLength(NodeId node, uint32_t length);
  // `held`: where it is given, the items that leave a SEQUENCE are held, and this is the list's number; 0 for
  // a LIST, whose items go. REQUIRES then: no undo scope is open but the operation's own.
  Status Splice(NodeId node, uint32_t start, uint32_t delete_count, const uint8_t* items,
                uint64_t* held = nullptr);
  // REQUIRES: order[0, count) has each index below `count` once.
  Status Permute(NodeId node, const uint32_t* order, uint32_t count);
  // The entry's container becomes nodes, with the map's holder as their parent; kWrongType when it is no
  // container. An entry that is adopted already stays as it is.
  Status Adopt(OrderedMap* map, const Key& key);
  void SkipNodes(NodeId next_node);  // REQUIRES: not below next_node()

  // For maps, whose records may hold a NODE slot as their value: called with the root slot of a record's
  // value before it is overwritten or deleted. Other values are left alone.
  void DropValue(const uint8_t* root_slot);
  // Before a map with a holder is cleared: detaches all views of its entries at once, and takes over what the
  // map holds: it is empty afterwards. Without a holder, nothing happens.
  void DropHolder(OrderedMap* map);

  // Emptying units (block_mover.h; tree_move.cc): moves the blocks of nodes, and all that they and the node
  // table are made of, from where the cursor is until the mover's work is done. True when the whole tree has
  // been gone over. The tree may have changed in any way since the last step. REQUIRES: no undo scope is
  // open, and nothing waits to be given back.
  bool MoveSome(TreeMoveCursor* cursor, BlockMover* mover);

  // Gives back about `budget` blocks of what was dropped; true when nothing is left. An operation can drop as
  // much as another one planted: budget that goes with the bytes of values given keeps up. REQUIRES: no undo
  // scope is open, since the node table is shared with what the scope has changed.
  bool Reclaim(uint32_t budget);
  bool can_reclaim() const;  // whether something was dropped that has not been given back
  bool has_garbage() const;  // the same, or something is held

  // Items that are held: HeldItems::Read; read out of the arena; and no longer held. DropHeld() may be called
  // at any time; what it leaves waits for Reclaim().
  Status ReadHeld(uint64_t held, uint64_t taken, uint32_t most, std::vector<uint8_t>* out, uint32_t* indexes,
                  uint32_t* count);
  bool SpillHeld();  // the oldest list; false when there is none in the arena
  void DropHeld(uint64_t held);
  // For an undo scope that is taken back, after its bytes are back: forgets what was dropped since `mark`.
  // Nodes that moved have moved back: layout_version() changes.
  struct Mark {
    uint64_t dropped = 0;
    uint64_t node_count = 0;
  };
  Mark GarbageMark() const;
  // About `budget` blocks of what was dropped since `mark`, within the undo scope that has begun there, which
  // takes them back; false when there are none.
  bool ReclaimSince(const Mark& mark, uint32_t budget);
  void ForgetGarbageSince(const Mark& mark);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
