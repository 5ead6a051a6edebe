// Loading a tree from bytes that nobody has checked. From the root and the adopted entries of maps down,
// without recursion: each node is claimed when it is reached, so that what is referred to twice, or from
// below itself, shows.
#include <algorithm>
#include <bit>
#include <cstring>

#include "data/tree/tree_state.h"
#include "data/value/text.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

Status Corrupt(NodeId node, const char* what) {
  return Status(Code::kCorrupt, "node " + std::to_string(node) + ": " + what);
}

bool IsZero(const uint8_t* bytes, uint64_t count) {
  return std::all_of(bytes, bytes + count, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

class Tree::State::Restorer {
 public:
  explicit Restorer(State* state) : s_(*state) {}

  Status Run(const std::vector<RestoredMap>& maps);

 private:
  struct Waiting {
    NodeId node;
    NodeId parent;
  };

  Status AddMap(const RestoredMap& restored);
  Status CheckNode(const Waiting& waiting);
  const char* CheckTable(Offset block);
  const char* CheckSequence(Offset block);
  const char* CheckSmall(Offset block, uint64_t capacity, const NodeHead& head);
  const char* CheckNames(Offset block, uint32_t count);
  // A slot of a small node, and what it refers to behind all slots; `cursor` goes on to behind that.
  bool CheckSlot(Offset block, uint64_t capacity, uint64_t at, bool in_list, bool is_name, uint64_t* cursor);
  bool CheckBody(Offset block, uint64_t capacity, uint64_t at, uint64_t* cursor);
  // A slot that stands for itself.
  bool CheckImmediate(Slot slot);
  bool CheckBox(Offset box, uint64_t more_than);
  static bool VisitItem(void* context, uint32_t index, uint64_t item);
  Status FindUnreferenced(uint64_t entries);

  State& s_;
  NodeId current_ = 0;
  std::vector<Waiting> waiting_;
  std::vector<NodeId> reached_;  // holders included
  std::vector<NodeId> members_;  // of a table
};

Status Tree::Restore(const std::vector<RestoredMap>& maps) {
  return State::Restorer(state_.get()).Run(maps);
}

void Tree::RemoveUnreferenced() {
  State& s = *state_;
  for (const NodeId node : s.unreferenced) s.nodes.table().Remove(node);
  std::vector<NodeId>().swap(s.unreferenced);
}

Status Tree::State::Restorer::Run(const std::vector<RestoredMap>& maps) {
  uint64_t entries = 0;
  const auto count = [](void* context, NodeId, uint64_t) {
    ++*static_cast<uint64_t*>(context);
    return true;
  };
  if (Status status = s_.nodes.table().Restore(count, &entries); !status.ok()) return status;
  waiting_.push_back(Waiting{kRootNode, 0});
  for (const RestoredMap& restored : maps) {
    if (Status status = AddMap(restored); !status.ok()) return status;
  }
  uint64_t holders = reached_.size();
  while (!waiting_.empty()) {
    const Waiting next = waiting_.back();
    waiting_.pop_back();
    if (Status status = CheckNode(next); !status.ok()) return status;
  }
  s_.nodes.node_count = reached_.size() - holders;
  return FindUnreferenced(entries);
}

Status Tree::State::Restorer::AddMap(const RestoredMap& restored) {
  const Offset header = restored.map->header();
  const NodeId holder = s_.heap.Read<uint64_t>(header + offsetof(MapHeader, holder));
  if (holder == 0) {
    if (restored.nodes.empty()) return Status::Ok();
    return Status(Code::kCorrupt, "a map without a holder has adopted entries");
  }
  if (s_.nodes.table().Find(holder) != header + 1) return Corrupt(holder, "not the holder of its map");
  reached_.push_back(holder);
  for (const NodeId node : restored.nodes) waiting_.push_back(Waiting{node, holder});
  return Status::Ok();
}

Status Tree::State::Restorer::CheckNode(const Waiting& waiting) {
  const NodeId node = waiting.node;
  const Offset block = s_.nodes.Find(node);
  const uint64_t capacity = block == kNone ? 0 : s_.heap.allocator.CapacityIfBlock(block);
  if (capacity < 16) return Corrupt(node, "not in a block");
  const NodeHead head = s_.HeadAt(block);
  if (head.parent != waiting.parent) return Corrupt(node, "its parent is another one");
  if (node == kRootNode && head.is_array()) return Corrupt(node, "the root is no object");
  if (head.kind != NodeKind::kShaped && head.shape != 0) return Corrupt(node, "a shape without fields of it");
  current_ = node;
  reached_.push_back(node);
  const char* wrong = "of no kind";
  switch (head.kind) {
    case NodeKind::kShaped:
    case NodeKind::kDictionary:
    case NodeKind::kList:
      wrong = CheckSmall(block, capacity, head);
      break;
    case NodeKind::kTable:
      wrong = capacity < sizeof(MapHeader) ? "a short block" : CheckTable(block);
      break;
    case NodeKind::kSequence:
      wrong = capacity < sizeof(SequenceBlock) ? "a short block" : CheckSequence(block);
      break;
  }
  return wrong == nullptr ? Status::Ok() : Corrupt(node, wrong);
}

const char* Tree::State::Restorer::CheckTable(Offset block) {
  const MapHeader header = s_.heap.Read<MapHeader>(block);
  if (header.id != 0 || header.name_kind != 0 || header.name_bytes != 0 || header.holder != 0) {
    return "reserved bytes are not 0";
  }
  if (!s_.heap.allocator.MarkLive(block, sizeof(MapHeader))) return "its block has another use";
  members_.clear();
  if (!s_.Table(block).RestoreTable(*s_.shapes, s_.scratch, &members_).ok()) return "its members are damaged";
  for (const NodeId member : members_) waiting_.push_back(Waiting{member, current_});
  return nullptr;
}

const char* Tree::State::Restorer::CheckSequence(Offset block) {
  if (!s_.heap.allocator.MarkLive(block, sizeof(SequenceBlock))) return "its block has another use";
  return ItemSequence(s_.heap, block).Restore(&VisitItem, this).ok() ? nullptr : "its items are damaged";
}

bool Tree::State::Restorer::VisitItem(void* context, uint32_t, uint64_t item) {
  auto* restorer = static_cast<Restorer*>(context);
  const Slot slot = std::bit_cast<Slot>(item);
  if (IsNodeSlot(slot)) {
    restorer->waiting_.push_back(Waiting{SlotNode(slot), restorer->current_});
    return true;
  }
  return IsBoxSlot(slot) ? restorer->CheckBox(SlotBox(slot), 0) : restorer->CheckImmediate(slot);
}

const char* Tree::State::Restorer::CheckSmall(Offset block, uint64_t capacity, const NodeHead& head) {
  if (head.kind == NodeKind::kShaped) {
    if (!s_.shapes->Has(head.shape)) return "of no shape";
    if (!IsInPropertyOrder(*s_.shapes, head.shape)) return "members are not in order";
  } else if (s_.heap.Read<uint64_t>(block + 8) > kMaxSmallMembers) {
    return "too many members";
  }
  const uint32_t count = SlotCount(s_.heap, block, *s_.shapes);
  const uint64_t first = SlotsDistance(head.kind);
  uint64_t cursor = first + uint64_t{count} * 8;
  if (cursor > capacity) return "a short block";
  const bool in_list = head.kind == NodeKind::kList;
  for (uint32_t i = 0; i < count; ++i) {
    const bool is_name = head.kind == NodeKind::kDictionary && i % 2 == 0;
    if (!CheckSlot(block, capacity, first + uint64_t{i} * 8, in_list, is_name, &cursor)) return "a bad slot";
  }
  const uint64_t bytes = RoundUp(cursor, 8);
  if (!IsZero(s_.heap.At(block + cursor), bytes - cursor)) return "padding is not 0";
  if (head.kind == NodeKind::kDictionary) {
    if (const char* wrong = CheckNames(block, count / 2); wrong != nullptr) return wrong;
  }
  return s_.heap.allocator.MarkLive(block, bytes) ? nullptr : "its block has another use";
}

// REQUIRES: the names are strings.
const char* Tree::State::Restorer::CheckNames(Offset block, uint32_t count) {
  int64_t before = -1;
  for (uint32_t member = 0; member < count; ++member) {
    const Offset slot = block + SlotsDistance(NodeKind::kDictionary) + uint64_t{member} * 16;
    StringBytes name;
    ReadString(s_.heap.At(slot), &name);
    if (FindInDictionary(s_.heap, block, name) != slot + 8) return "two members with one name";
    uint32_t index = 0;
    const int64_t place = IndexOfName(KeyOfString(name), &index) ? int64_t{index} : int64_t{1} << 32;
    if (place < before) return "members are not in order";
    before = place;
  }
  return nullptr;
}

bool Tree::State::Restorer::CheckSlot(Offset block, uint64_t capacity, uint64_t at, bool in_list,
                                      bool is_name, uint64_t* cursor) {
  const Slot slot = s_.heap.Read<Slot>(block + at);
  if (is_name &&
      (slot.IsDouble() || (slot.tag() != kShort && slot.tag() != kLatin1 && slot.tag() != kUtf16))) {
    return false;
  }
  if (IsNodeSlot(slot)) {
    waiting_.push_back(Waiting{SlotNode(slot), current_});
    return true;
  }
  if (IsBoxSlot(slot)) return CheckBox(SlotBox(slot), kMaxInlineBytes);
  if (IsReference(slot)) return CheckBody(block, capacity, at, cursor);
  return (in_list && IsHole(slot)) || CheckImmediate(slot);
}

bool Tree::State::Restorer::CheckImmediate(Slot slot) {
  uint64_t length = 0;
  const uint64_t word = std::bit_cast<uint64_t>(slot);
  return CheckValue(reinterpret_cast<const uint8_t*>(&word), 8, *s_.shapes, s_.scratch, &length).ok();
}

// Inside of a node a body lies where the cursor is; put behind its slot, it is a value, and checked as such.
bool Tree::State::Restorer::CheckBody(Offset block, uint64_t capacity, uint64_t at, uint64_t* cursor) {
  const Slot slot = s_.heap.Read<Slot>(block + at);
  if (IsContainer(slot)) return false;
  const uint64_t place = RoundUp(*cursor, slot.tag() == kLatin1 ? 1 : slot.tag() == kUtf16 ? 2 : 8);
  // ReadBody looks at no more than 8 bytes, and only for EXTENDED.
  if (place > capacity || (slot.tag() == kExtended && capacity - place < 8)) return false;
  const uint64_t bytes = ReadBody(slot, s_.heap.At(block + place), *s_.shapes).bytes;
  if (slot.low != place - at || bytes > kMaxInlineBytes || bytes > capacity - place) return false;
  if (!IsZero(s_.heap.At(block + *cursor), place - *cursor)) return false;
  alignas(8) uint8_t value[8 + kMaxInlineBytes] = {};
  const Slot root{8, slot.high};
  std::memcpy(value, &root, sizeof(root));
  std::memcpy(value + 8, s_.heap.At(block + place), bytes);
  *cursor = place + bytes;
  uint64_t length = 0;
  return CheckValue(value, RoundUp(8 + bytes, 8), *s_.shapes, s_.scratch, &length).ok();
}

bool Tree::State::Restorer::CheckBox(Offset box, uint64_t more_than) {
  const uint64_t capacity = s_.heap.allocator.CapacityIfBlock(box);
  if (capacity < 16) return false;
  const Slot slot = s_.heap.Read<Slot>(box);
  if (!IsReference(slot) || IsContainer(slot)) return false;
  uint64_t length = 0;
  if (!CheckValue(s_.heap.At(box), capacity, *s_.shapes, s_.scratch, &length).ok()) return false;
  return ReadBody(slot, s_.heap.At(box + slot.low), *s_.shapes).bytes > more_than &&
         s_.heap.allocator.MarkLive(box, length);
}

// Mostly there are none, and counting is enough.
Status Tree::State::Restorer::FindUnreferenced(uint64_t entries) {
  if (reached_.size() == entries) return Status::Ok();
  std::sort(reached_.begin(), reached_.end());
  constexpr uint32_t kBatch = 256;
  NodeId found[kBatch];
  Offset blocks[kBatch];
  NodeId from = 0;
  for (uint32_t got = kBatch; got == kBatch;) {
    got = s_.nodes.table().Scan(from, kBatch, found, blocks);
    for (uint32_t i = 0; i < got; ++i) {
      if (!std::binary_search(reached_.begin(), reached_.end(), found[i]))
        s_.unreferenced.push_back(found[i]);
    }
    if (got > 0) from = found[got - 1] + 1;
  }
  return Status::Ok();
}

}  // namespace forkstore
