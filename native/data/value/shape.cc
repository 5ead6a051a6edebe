#include "data/value/shape.h"

#include <bit>
#include <cstring>
#include <string>
#include <unordered_map>

#include "data/value/name_table.h"
#include "data/value/text.h"
#include "memory/undo.h"

namespace forkstore {
namespace {

constexpr uint64_t kHeadBytes = 24;  // of a shape's block, before the name list
constexpr uint32_t kScanFields = 8;  // up to here comparing each name is faster than hashing
constexpr size_t kCells = 128;       // of the field index: twice kMaxShapeFields

struct ShapeHead {
  uint64_t next;
  uint32_t id;
  uint32_t count;
  uint32_t name_list_bytes;
  uint32_t zero;
};
static_assert(sizeof(ShapeHead) == kHeadBytes);

uint32_t Load16(const uint8_t* p) {
  return p[0] | uint32_t{p[1]} << 8;
}

bool IsZero(const uint8_t* bytes, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

// Splits a name list into names, which then point into it. False when it is not well formed or is too
// long for a shape. Does not look for repeated names.
bool ParseNameList(std::span<const uint8_t> list, std::vector<StringBytes>* names) {
  names->clear();
  uint64_t at = 0;
  while (at < list.size()) {
    if (names->size() == kMaxShapeFields || list.size() - at < 4) return false;
    const uint32_t kind = Load16(list.data() + at);
    const uint32_t bytes = Load16(list.data() + at + 2);
    at += 4;
    const uint64_t padded = RoundUp(bytes, 4);
    if (kind > 1 || bytes > kMaxNameUnits * (kind + 1) || list.size() - at < padded) return false;
    const uint8_t* const name = list.data() + at;
    if (kind == 1 && (bytes % 2 != 0 || !HasWideUnit(name, bytes))) return false;
    if (!IsZero(name + bytes, padded - bytes)) return false;
    StringBytes& added = names->emplace_back();
    added.utf16 = kind == 1;
    added.data = name;
    added.bytes = bytes;
    at += padded;
  }
  return true;
}

// Cheap, and good enough to tell a record's fields apart; at worst all 64 are compared.
uint32_t FieldHash(const StringBytes& name) {
  uint64_t mixed = name.bytes * 2 + name.utf16;
  if (name.bytes >= 8) {
    uint64_t first, last;
    std::memcpy(&first, name.data, 8);
    std::memcpy(&last, name.data + name.bytes - 8, 8);
    mixed ^= first ^ std::rotl(last, 23);
  } else {
    for (uint64_t i = 0; i < name.bytes; ++i) mixed = mixed * 31 + name.data[i];
  }
  return static_cast<uint32_t>(mixed * 0x9E3779B97F4A7C15 >> 57);
}
static_assert(kCells == 1 << (64 - 57));

struct ParsedShape {
  Offset block = kNone;
  std::span<const uint8_t> name_list;
  std::vector<StringBytes> names;
  std::vector<uint8_t> cells;  // 0 or a field's number + 1, by FieldHash; empty for few fields

  void IndexFields() {
    if (names.size() <= kScanFields) return;
    cells.assign(kCells, 0);
    for (size_t field = 0; field < names.size(); ++field) {
      size_t cell = FieldHash(names[field]);
      while (cells[cell] != 0) cell = (cell + 1) % kCells;
      cells[cell] = static_cast<uint8_t>(field + 1);
    }
  }

  int32_t FieldIndex(const StringBytes& name) const {
    if (cells.empty()) {
      for (size_t field = 0; field < names.size(); ++field) {
        if (names[field] == name) return static_cast<int32_t>(field);
      }
      return -1;
    }
    for (size_t cell = FieldHash(name); cells[cell] != 0; cell = (cell + 1) % kCells) {
      if (names[cells[cell] - 1u] == name) return cells[cell] - 1;
    }
    return -1;
  }
};

bool HasRepeatedName(const std::vector<StringBytes>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (names[i] == names[j]) return true;
    }
  }
  return false;
}

}  // namespace

void AppendName(const StringBytes& name, std::vector<uint8_t>* name_list) {
  const uint16_t head[2] = {name.utf16, static_cast<uint16_t>(name.bytes)};
  const uint64_t at = name_list->size();
  name_list->resize(at + 4 + RoundUp(name.bytes, 4));
  std::memcpy(name_list->data() + at, head, 4);
  if (name.bytes > 0) std::memcpy(name_list->data() + at + 4, name.data, name.bytes);
}

struct ShapeTable::State {
  Heap heap;
  Offset newest_field;
  Offset count_field;
  std::vector<ParsedShape> shapes;
  std::unordered_multimap<uint64_t, uint32_t> ids;  // by the hash of the name list

  static uint64_t HashList(std::span<const uint8_t> list) {
    return SipHash13(NameSeed(), 0, list.data(), list.size());
  }

  bool Find(std::span<const uint8_t> list, uint32_t* shape) const {
    const auto [first, last] = ids.equal_range(HashList(list));
    for (auto it = first; it != last; ++it) {
      const std::span<const uint8_t> found = shapes[it->second].name_list;
      if (found.size() == list.size() &&
          (list.empty() || std::memcmp(found.data(), list.data(), list.size()) == 0)) {
        *shape = it->second;
        return true;
      }
    }
    return false;
  }
};

ShapeTable::ShapeTable(Heap heap, Offset newest_field, Offset count_field)
    : state_(new State{heap, newest_field, count_field, {}, {}}) {}

ShapeTable::~ShapeTable() = default;

uint32_t ShapeTable::count() const {
  return static_cast<uint32_t>(state_->shapes.size());
}

uint32_t ShapeTable::FieldCount(uint32_t shape) const {
  return static_cast<uint32_t>(state_->shapes[shape].names.size());
}

std::span<const uint8_t> ShapeTable::NameList(uint32_t shape) const {
  return state_->shapes[shape].name_list;
}

const StringBytes& ShapeTable::FieldName(uint32_t shape, uint32_t field) const {
  return state_->shapes[shape].names[field];
}

int32_t ShapeTable::FieldIndex(uint32_t shape, const StringBytes& name) const {
  return state_->shapes[shape].FieldIndex(name);
}

bool ShapeTable::Find(std::span<const uint8_t> name_list, uint32_t* shape) const {
  return state_->Find(name_list, shape);
}

Status ShapeTable::Define(std::span<const uint8_t> name_list, uint32_t count, uint32_t* shape) {
  State& state = *state_;
  ParsedShape parsed;
  if (!ParseNameList(name_list, &parsed.names) || parsed.names.size() != count) {
    return Status(Code::kInvalid, "a name list is not well formed");
  }
  if (state.Find(name_list, shape)) return Status::Ok();
  if (HasRepeatedName(parsed.names)) return Status(Code::kInvalid, "a name list repeats a name");
  if (state.shapes.size() >= kMaxShapes) return Status(Code::kTooLarge, "the store's shapes are used up");

  Undo* const undo = state.heap.arena.undo();
  if (undo != nullptr && undo->spilled()) {
    return Status(Code::kFull, std::string("no room for an object with new names: ") + Undo::kWhySpilled);
  }
  // Who has seen a shape goes on using it, whatever becomes of the operation that defined it.
  const Undo::Suspended suspended(undo);
  const uint64_t list_bytes = name_list.size();
  parsed.block = state.heap.Allocate(kHeadBytes + list_bytes);
  if (parsed.block == kNone) return Status(Code::kFull, "no memory for a shape");
  const uint32_t id = static_cast<uint32_t>(state.shapes.size());
  const ShapeHead head{state.heap.Read<uint64_t>(state.newest_field), id, count,
                       static_cast<uint32_t>(list_bytes), 0};
  uint8_t* const bytes = state.heap.Write(parsed.block, kHeadBytes + list_bytes);
  std::memcpy(bytes, &head, kHeadBytes);
  if (list_bytes > 0) std::memcpy(bytes + kHeadBytes, name_list.data(), list_bytes);
  state.heap.Mutate<uint64_t>(state.newest_field) = parsed.block;
  state.heap.Mutate<uint32_t>(state.count_field) = id + 1;

  // From here on the names are those in the arena: the caller's will go.
  parsed.name_list = {state.heap.At(parsed.block) + kHeadBytes, list_bytes};
  ParseNameList(parsed.name_list, &parsed.names);
  parsed.IndexFields();
  state.ids.emplace(State::HashList(parsed.name_list), id);
  state.shapes.push_back(std::move(parsed));
  *shape = id;
  return Status::Ok();
}

void ShapeTable::Truncate(uint32_t count) {
  State& state = *state_;
  if (state.shapes.size() <= count) return;
  const Undo::Suspended suspended(state.heap.arena.undo());
  while (state.shapes.size() > count) {
    const uint32_t id = static_cast<uint32_t>(state.shapes.size() - 1);
    const ParsedShape& newest = state.shapes.back();
    const auto [first, last] = state.ids.equal_range(State::HashList(newest.name_list));
    for (auto it = first; it != last; ++it) {
      if (it->second == id) {
        state.ids.erase(it);
        break;
      }
    }
    const Offset block = newest.block;
    state.heap.Mutate<uint64_t>(state.newest_field) = state.heap.Read<uint64_t>(block);
    state.heap.Mutate<uint32_t>(state.count_field) = id;
    state.shapes.pop_back();
    state.heap.Free(block);
  }
}

Status ShapeTable::Restore() {
  State& state = *state_;
  const uint32_t count = state.heap.Read<uint32_t>(state.count_field);
  if (count > kMaxShapes) return Status(Code::kCorrupt, "more shapes than a store can have");
  std::vector<ParsedShape> shapes(count);
  Offset block = state.heap.Read<uint64_t>(state.newest_field);
  for (uint32_t id = count; id-- > 0;) {
    const std::string name = "shape " + std::to_string(id);
    // A block that is claimed may be read up to its capacity, whatever is in it.
    if (!state.heap.allocator.MarkLive(block, kHeadBytes)) {
      return Status(Code::kCorrupt, name + " is not in a block of its own");
    }
    ShapeHead head;
    std::memcpy(&head, state.heap.At(block), kHeadBytes);
    ParsedShape& parsed = shapes[id];
    if (head.id != id || head.zero != 0 || head.name_list_bytes > state.heap.Capacity(block) - kHeadBytes) {
      return Status(Code::kCorrupt, name + " has a wrong id or length");
    }
    parsed.block = block;
    parsed.name_list = {state.heap.At(block) + kHeadBytes, head.name_list_bytes};
    if (!ParseNameList(parsed.name_list, &parsed.names) || parsed.names.size() != head.count ||
        HasRepeatedName(parsed.names)) {
      return Status(Code::kCorrupt, name + " has a malformed name list");
    }
    parsed.IndexFields();
    block = head.next;
  }
  if (block != kNone) return Status(Code::kCorrupt, "the list of shapes does not end with shape 0");
  State fresh{state.heap, state.newest_field, state.count_field, std::move(shapes), {}};
  for (uint32_t id = 0; id < count; ++id) {
    const ParsedShape& parsed = fresh.shapes[id];
    uint32_t other;
    if (fresh.Find(parsed.name_list, &other)) {
      return Status(Code::kCorrupt, "two shapes have the same names");
    }
    fresh.ids.emplace(State::HashList(parsed.name_list), id);
  }
  state.shapes = std::move(fresh.shapes);
  state.ids = std::move(fresh.ids);
  return Status::Ok();
}

}  // namespace forkstore
