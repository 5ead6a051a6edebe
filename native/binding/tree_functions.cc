#include "binding/tree_functions.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "binding/raw_function.h"
#include "binding/string_argument.h"
#include "data/tree/held_items.h"

namespace forkstore {

namespace {

constexpr uint32_t kMostPackedItems = 4096;  // by one call

enum class Kind { kObject, kTable, kArray };

// A block that JavaScript has found before, and what it is asked to be.
class Block {
 public:
  // False: `failure()` says why. Looks at nothing but the block's first word: whether the block is still the
  // node's, the caller knows by the layout version.
  bool Open(napi_env env, StoreState* state, napi_value argument, Kind kind) {
    double offset = 0;
    if (state->engine() == nullptr) return Fail("the store is closed");
    if (napi_get_value_double(env, argument, &offset) != napi_ok || !(offset >= kUnitBytes)) {
      return Fail("a block was expected");
    }
    Arena* arena = state->engine()->arena();
    if (offset >= static_cast<double>(arena->frontier())) return Fail("a block lies beyond the store");
    offset_ = static_cast<Offset>(offset);
    tree_ = &state->engine()->tree();
    const NodeHead head = NodeHead::Of(arena->Read<uint64_t>(offset_ & ~Offset{7}));
    switch (kind) {
      case Kind::kObject:
        if (head.kind > NodeKind::kTable ||
            (head.kind == NodeKind::kShaped && !state->engine()->shapes().Has(head.shape))) {
          return Fail("the block is none of an object");
        }
        return true;
      case Kind::kTable:
        return head.kind == NodeKind::kTable || Fail("the block is none of a table");
      default:
        return head.is_array() || Fail("the block is none of an array");
    }
  }
  double failure(StoreState* state) const { return state->Answer(Status(Code::kInvalid, message_), 0); }

  const Tree& tree() const { return *tree_; }
  Offset offset() const { return offset_; }

 private:
  bool Fail(const char* message) {
    message_ = message;
    return false;
  }

  const Tree* tree_ = nullptr;
  Offset offset_ = kNone;
  const char* message_ = "";
};

double Fail(StoreState* state, const char* message) {
  return state->Answer(Status(Code::kInvalid, message), 0);
}

// The number of a node; false where the argument is none.
bool ReadNode(napi_env env, napi_value argument, NodeId* node) {
  double number = 0;
  if (napi_get_value_double(env, argument, &number) != napi_ok ||
      !(number >= 1 && number <= static_cast<double>(kMaxNode))) {
    return false;
  }
  *node = static_cast<NodeId>(number);
  return true;
}

// Tells of the node that a slot refers to, too.
napi_value Found(napi_env env, StoreState* state, const Tree& tree, Offset slot) {
  Offset block = kNone;
  if (slot != kNone) {
    const Slot found = state->engine()->arena()->Read<Slot>(slot);
    if (IsNodeSlot(found)) block = tree.Locate(SlotNode(found));
  }
  state->result()[kResultBlock] = static_cast<double>(block);
  return Number(env, static_cast<double>(slot));
}

napi_value Locate(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  NodeId node = 0;
  if (state->engine() == nullptr) return Number(env, Fail(state, "the store is closed"));
  if (!ReadNode(env, arguments[0], &node)) return Number(env, Fail(state, "locate: no number of a node"));
  return Number(env, static_cast<double>(state->engine()->tree().Locate(node)));
}

napi_value FindMember(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  Block block;
  StringArgument name;
  if (!block.Open(env, state, arguments[0], Kind::kObject)) return Number(env, block.failure(state));
  if (!name.Read(env, arguments[1])) return Number(env, Fail(state, "findMember: the name is no string"));
  if (name.key().bytes > kMaxKeyBytes) return Found(env, state, block.tree(), kNone);
  return Found(env, state, block.tree(), block.tree().FindMember(block.offset(), name.key()));
}

napi_value FindItem(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  Block block;
  uint32_t index = 0;
  if (!block.Open(env, state, arguments[0], Kind::kArray)) return Number(env, block.failure(state));
  if (napi_get_value_uint32(env, arguments[1], &index) != napi_ok) {
    return Number(env, Fail(state, "findItem: the index is no number"));
  }
  return Found(env, state, block.tree(), block.tree().FindItem(block.offset(), index));
}

napi_value Length(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  Block block;
  if (!block.Open(env, state, arguments[0], Kind::kArray)) return Number(env, block.failure(state));
  return Number(env, block.tree().Length(block.offset()));
}

// Scans write their offsets where the numbers go, as both are 8 bytes, and then turn one into the other.
napi_value Scanned(napi_env env, double* out, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    Offset offset = kNone;
    std::memcpy(&offset, out + i, sizeof(offset));
    out[i] = static_cast<double>(offset);
  }
  return Number(env, count);
}

napi_value ScanTable(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  Block block;
  double from = 0;
  size_t length = 0;
  if (!block.Open(env, state, arguments[0], Kind::kTable)) return Number(env, block.failure(state));
  double* out = nullptr;
  if (napi_get_value_double(env, arguments[1], &from) != napi_ok ||
      !Doubles(env, arguments[2], &out, &length) ||
      !(from >= 0 && from <= static_cast<double>(kMaxSequence) + 1)) {
    return Number(env, Fail(state, "scanTable: wrong arguments"));
  }
  const auto limit = static_cast<uint32_t>(std::min<size_t>(length, std::numeric_limits<uint32_t>::max()));
  return Scanned(env, out,
                 block.tree().ScanTable(block.offset(), static_cast<uint64_t>(from), limit,
                                        reinterpret_cast<Offset*>(out)));
}

napi_value ScanItems(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  Block block;
  uint32_t from = 0;
  size_t length = 0;
  if (!block.Open(env, state, arguments[0], Kind::kArray)) return Number(env, block.failure(state));
  double* out = nullptr;
  if (napi_get_value_uint32(env, arguments[1], &from) != napi_ok ||
      !Doubles(env, arguments[2], &out, &length)) {
    return Number(env, Fail(state, "scanItems: wrong arguments"));
  }
  // Here, too, an item takes the place of its two numbers.
  using Item = ItemSequence::Item;
  static_assert(sizeof(Item) == 2 * sizeof(double));
  const auto limit =
      static_cast<uint32_t>(std::min<size_t>(length / 2, std::numeric_limits<uint32_t>::max()));
  const uint32_t count = block.tree().ScanItems(block.offset(), from, limit, reinterpret_cast<Item*>(out));
  for (uint32_t i = 0; i < count; ++i) {
    Item item;
    std::memcpy(&item, out + 2 * i, sizeof(item));
    out[2 * i] = item.index;
    out[2 * i + 1] = static_cast<double>(item.slot);
  }
  return Number(env, count);
}

napi_value Pack(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  NodeId node = 0;
  if (state->engine() == nullptr) return Number(env, Fail(state, "the store is closed"));
  if (!ReadNode(env, arguments[0], &node)) return Number(env, Fail(state, "pack: no number of a node"));
  return Number(env, state->Pack(env, node));
}

napi_value PackItems(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  NodeId node = 0;
  uint32_t numbers[3] = {};  // from, to, limit
  if (state->engine() == nullptr) return Number(env, Fail(state, "the store is closed"));
  if (!ReadNode(env, arguments[0], &node)) return Number(env, Fail(state, "packItems: no number of a node"));
  for (size_t i = 0; i < 3; ++i) {
    if (napi_get_value_uint32(env, arguments[i + 1], &numbers[i]) != napi_ok) {
      return Number(env, Fail(state, "packItems: wrong arguments"));
    }
  }
  const uint32_t limit = std::clamp(numbers[2], 1u, kMostPackedItems);
  return Number(env, state->PackItems(env, node, numbers[0], numbers[1], limit));
}

napi_value HoldItems(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  uint32_t size = 0;
  if (napi_get_value_uint32(env, arguments[0], &size) != napi_ok) {
    return Number(env, Fail(state, "holdItems: the size is no number"));
  }
  return Number(env, state->ApplyHolding(size));
}

// A number that counts something; false where the argument is none.
bool ReadCount(napi_env env, napi_value argument, uint64_t* count) {
  double number = 0;
  if (napi_get_value_double(env, argument, &number) != napi_ok || !(number >= 0 && number <= 0x1p53)) {
    return false;
  }
  *count = static_cast<uint64_t>(number);
  return true;
}

napi_value ReadHeld(napi_env env, napi_callback_info info) {
  constexpr uint32_t kMost = HeldItems::kMostAtOnce;
  napi_value arguments[4];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  uint64_t held = 0;
  uint64_t taken = 0;
  uint32_t most = 0;
  double* out = nullptr;
  size_t length = 0;
  if (state->engine() == nullptr) return Number(env, Fail(state, "the store is closed"));
  if (!ReadCount(env, arguments[0], &held) || !ReadCount(env, arguments[1], &taken) ||
      napi_get_value_uint32(env, arguments[2], &most) != napi_ok ||
      !Doubles(env, arguments[3], &out, &length)) {
    return Number(env, Fail(state, "readHeld: wrong arguments"));
  }
  if (length < kMost) return Number(env, Fail(state, "readHeld: too little room for indexes"));
  uint32_t indexes[kMost];
  const double bytes = state->ReadHeld(env, held, taken, std::clamp(most, 1u, kMost), indexes);
  const auto count = bytes < 0 ? 0 : static_cast<uint32_t>(state->result()[kResultNumber]);
  std::copy_n(indexes, count, out);
  return Number(env, bytes);
}

napi_value DropHeld(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  uint64_t held = 0;
  if (state->engine() != nullptr && ReadCount(env, arguments[0], &held)) state->engine()->DropHeld(held);
  return Number(env, 0);
}

napi_value ApplyKeyed(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StoreState* state = Arguments<StoreState>(env, info, arguments);
  uint32_t value_end = 0;
  StringArgument key;
  if (napi_get_value_uint32(env, arguments[0], &value_end) != napi_ok || !key.Read(env, arguments[1])) {
    return Number(env, Fail(state, "applyKeyed: wrong arguments"));
  }
  return Number(env, state->ApplyWithKey(value_end, key.key()));
}

}  // namespace

void AddTreeFunctions(Napi::Env env, Napi::Object store, StoreState* state) {
  AddFunctions(env, store, store, state,
               {{"locate", Locate},
                {"findMember", FindMember},
                {"findItem", FindItem},
                {"length", Length},
                {"scanTable", ScanTable},
                {"scanItems", ScanItems},
                {"pack", Pack},
                {"packItems", PackItems},
                {"holdItems", HoldItems},
                {"readHeld", ReadHeld},
                {"dropHeld", DropHeld},
                {"applyKeyed", ApplyKeyed}});
}

}  // namespace forkstore
