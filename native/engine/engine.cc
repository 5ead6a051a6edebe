#include "engine/engine.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <string>
#include <unordered_map>

#include "engine/root.h"

namespace forkstore {

namespace {

// Blocks of cleared maps that each write gives back: more than a write can take, so that clearing and
// filling again does not grow the store.
constexpr uint32_t kReclaimPerWrite = 16;
// Pages given back to the kernel in one step; a few tens of microseconds.
constexpr uint64_t kReleaseBytesPerStep = 4 * kHugePageBytes;

// What merging keeps for its next use.
constexpr uint64_t kKeptWorkspaceBytes = 1 << 20;

std::string NameOf(const Key& key) {
  std::string name(1, static_cast<char>(key.kind));
  name.append(reinterpret_cast<const char*>(key.data), key.bytes);
  return name;
}

Status FillRandom(void* out, size_t bytes) {
  auto* position = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const ssize_t got = getrandom(position, bytes, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return Status(Code::kIo, "getrandom failed", errno);
    }
    position += got;
    bytes -= static_cast<size_t>(got);
  }
  return Status::Ok();
}

Status Corrupt(const char* what) {
  return Status(Code::kCorrupt, what);
}

}  // namespace

struct Engine::State {
  State(std::unique_ptr<Arena> arena_in, std::unique_ptr<Allocator> allocator_in)
      : arena(std::move(arena_in)),
        allocator(std::move(allocator_in)),
        heap{*arena, *allocator},
        shapes(heap, kRootOffset + offsetof(RootBlock, shapes),
               kRootOffset + offsetof(RootBlock, shape_count)),
        graveyard(heap) {}

  const RootBlock& root() const { return heap.Read<RootBlock>(kRootOffset); }
  HashSeed seed() const { return {root().seed[0], root().seed[1]}; }

  OrderedMap* Find(uint32_t id) { return id >= 1 && id <= maps.size() ? &maps[id - 1] : nullptr; }

  Status CreateMap(const Operation& operation, ApplyResult* result);
  Status DefineShape(const Operation& operation, ApplyResult* result);
  Status Set(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status Patch(OrderedMap* map, const Operation& operation, ApplyResult* result);
  Status Increment(OrderedMap* map, const Operation& operation, ApplyResult* result);
  // Replaces the value of an entry that is there by what `patch` makes of it.
  Status MergeInto(OrderedMap* map, const Key& key, Offset value, const uint8_t* patch, uint64_t patch_bytes);
  Status Dispatch(const Operation& operation, ApplyResult* result);
  Status RestoreMaps();
  // One huge patch must not hold on to its memory for ever.
  void ReleaseWorkspace();

  std::unique_ptr<Arena> arena;
  std::unique_ptr<Allocator> allocator;
  mutable Heap heap;
  ShapeTable shapes;
  std::deque<OrderedMap> maps;  // by id - 1; a deque, so that map() pointers stay valid
  std::unordered_map<std::string, uint32_t> names;
  Graveyard graveyard;
  ValueScratch scratch;
  std::vector<uint8_t> merged;
  std::vector<uint64_t> one_field;  // words, so that the value in it is 8-aligned
  uint64_t entries = 0;
  std::unique_ptr<PageKeeper> keeper;  // last: its thread is joined before the arena goes
};

Engine::~Engine() = default;

Status Engine::CreateEmpty(const ArenaOptions& options, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Arena> arena;
  if (Status status = Arena::Create(options, &arena); !status.ok()) return status;
  std::unique_ptr<Allocator> allocator;
  if (Status status = Allocator::Create(arena.get(), &allocator); !status.ok()) return status;
  if (allocator->Allocate(sizeof(RootBlock)) != kRootOffset) {
    return Status(Code::kFull, "maxBytes is too small for an empty store");
  }
  RootBlock root{};
  root.magic = kRootMagic;
  if (Status status = FillRandom(root.seed, sizeof(root.seed)); !status.ok()) return status;
  std::memcpy(arena->Write(kRootOffset, sizeof(root)), &root, sizeof(root));
  engine->reset(new Engine());
  (*engine)->state_ = std::make_unique<State>(std::move(arena), std::move(allocator));
  return Status::Ok();
}

Status Engine::Load(std::unique_ptr<Arena> arena, const std::vector<uint32_t>& table,
                    uint64_t expected_entries, uint64_t expected_writes, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Allocator> allocator;
  if (Status status = Allocator::Create(arena.get(), &allocator); !status.ok()) return status;
  if (Status status = allocator->Restore(table.data(), table.size()); !status.ok()) return status;
  if (!allocator->MarkLive(kRootOffset, sizeof(RootBlock))) return Corrupt("there is no root block");
  const RootBlock root = arena->Read<RootBlock>(kRootOffset);
  if (root.magic != kRootMagic) return Corrupt("the root block's magic is wrong");
  for (const uint64_t word : root.zero) {
    if (word != 0) return Corrupt("the root block's reserved bytes are not 0");
  }
  std::unique_ptr<Engine> loaded(new Engine());
  loaded->state_ = std::make_unique<State>(std::move(arena), std::move(allocator));
  State& state = *loaded->state_;
  if (Status status = state.shapes.Restore(); !status.ok()) return status;
  if (Status status = state.RestoreMaps(); !status.ok()) return status;
  if (state.entries != expected_entries || root.writes != expected_writes) {
    return Corrupt("the footer's counts are not those of the data");
  }
  state.allocator->FinishRestore();
  *engine = std::move(loaded);
  return Status::Ok();
}

Status Engine::State::RestoreMaps() {
  const uint32_t count = root().map_count;
  // Headers are listed newest first; ids count down, so a list that is too long or short shows.
  std::vector<Offset> headers;
  Offset next = root().maps;
  while (next != kNone) {
    const uint64_t capacity = allocator->CapacityIfBlock(next);
    if (capacity < sizeof(MapHeader) || headers.size() >= count)
      return Corrupt("the list of maps is damaged");
    const MapHeader header = heap.Read<MapHeader>(next);
    if (header.id != count - headers.size() || header.name_bytes > capacity - sizeof(MapHeader) ||
        header.name_kind > static_cast<uint32_t>(KeyKind::kUtf16) || header.zero != 0 ||
        !allocator->MarkLive(next, sizeof(MapHeader) + header.name_bytes)) {
      return Corrupt("a map's header is damaged");
    }
    headers.push_back(next);
    next = header.next;
  }
  if (headers.size() != count) return Corrupt("the list of maps is too short");
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    const MapHeader& fields = heap.Read<MapHeader>(*header);
    const Key name{static_cast<KeyKind>(fields.name_kind), heap.At(*header + sizeof(MapHeader)),
                   fields.name_bytes};
    if (!CheckKey(name).ok()) return Corrupt("a map's name is not canonical");
    if (!names.emplace(NameOf(name), fields.id).second) return Corrupt("two maps have one name");
    maps.emplace_back(heap, *header, seed());
    if (Status status = maps.back().Restore(shapes, &scratch); !status.ok()) return status;
    entries += maps.back().size();
  }
  return Status::Ok();
}

Status Engine::StartPageKeeper() {
  if (Status status = PageKeeper::Start(state_->arena.get(), &state_->keeper); !status.ok()) return status;
  state_->keeper->Wake();
  return Status::Ok();
}

Status Engine::Apply(const uint8_t* bytes, uint64_t size, ApplyResult* result) {
  State& state = *state_;
  *result = ApplyResult{};
  Operation operation;
  if (Status status = ParseOperation(bytes, size, &operation); !status.ok()) return status;
  if (!state.graveyard.empty()) state.graveyard.Reclaim(kReclaimPerWrite);
  Status status = state.Dispatch(operation, result);
  if (status.code() == Code::kFull && !state.graveyard.empty()) {
    // Only now, when memory has run out, is it worth waiting for all of what cleared maps left behind.
    while (!state.graveyard.Reclaim(1 << 16)) {
    }
    status = state.Dispatch(operation, result);
  }
  state.ReleaseWorkspace();
  if (status.ok() && (result->changed || operation.code != OperationCode::kDelete)) {
    state.heap.Mutate<uint64_t>(kRootOffset + offsetof(RootBlock, writes)) += 1;
  }
  if (state.keeper && state.arena->populated() < state.arena->frontier() + state.arena->AheadBytes() / 2) {
    state.keeper->Wake();
  }
  return status;
}

Status Engine::State::Dispatch(const Operation& operation, ApplyResult* result) {
  if (operation.code == OperationCode::kCreateMap) return CreateMap(operation, result);
  if (operation.code == OperationCode::kDefineShape) return DefineShape(operation, result);
  OrderedMap* map = Find(operation.collection);
  if (map == nullptr) return Status(Code::kInvalid, "operation: there is no such map");
  switch (operation.code) {
    case OperationCode::kSet:
      return Set(map, operation, result);
    case OperationCode::kPatch:
      return Patch(map, operation, result);
    case OperationCode::kIncrement:
      return Increment(map, operation, result);
    case OperationCode::kDelete:
      result->changed = map->Delete(operation.key);
      if (result->changed) --entries;
      return Status::Ok();
    default:  // kClear; the others were handled above
      entries -= map->size();
      result->changed = map->size() != 0;
      map->Clear(&graveyard);
      return Status::Ok();
  }
}

Status Engine::State::CreateMap(const Operation& operation, ApplyResult* result) {
  if (operation.key.kind != KeyKind::kLatin1 && operation.key.kind != KeyKind::kUtf16) {
    return Status(Code::kInvalid, "operation: a map's name must be a string");
  }
  if (operation.collection != maps.size() + 1)
    return Status(Code::kInvalid, "operation: wrong id for a new map");
  std::string name = NameOf(operation.key);
  if (names.contains(name)) return Status(Code::kInvalid, "operation: the map is there already");
  const uint64_t bytes = sizeof(MapHeader) + operation.key.bytes;
  const Offset header = heap.Allocate(bytes);
  if (header == kNone) return Status(Code::kFull, "no room for a new map");
  MapHeader fields{};
  fields.next = root().maps;
  fields.next_sequence = 1;
  fields.id = operation.collection;
  fields.name_kind = static_cast<uint32_t>(operation.key.kind);
  fields.name_bytes = static_cast<uint32_t>(operation.key.bytes);
  uint8_t* out = heap.Write(header, bytes);
  std::memcpy(out, &fields, sizeof(fields));
  if (operation.key.bytes != 0) std::memcpy(out + sizeof(fields), operation.key.data, operation.key.bytes);
  auto& root_block = heap.Mutate<RootBlock>(kRootOffset);
  root_block.maps = header;
  root_block.map_count = operation.collection;
  maps.emplace_back(heap, header, seed());
  names.emplace(std::move(name), operation.collection);
  result->changed = true;
  result->number = operation.collection;
  return Status::Ok();
}

void Engine::State::ReleaseWorkspace() {
  // Swapped, as assigning {} would keep the memory.
  if (merged.capacity() > kKeptWorkspaceBytes) std::vector<uint8_t>().swap(merged);
  if (one_field.capacity() * sizeof(uint64_t) > kKeptWorkspaceBytes) std::vector<uint64_t>().swap(one_field);
}

Status Engine::State::DefineShape(const Operation& operation, ApplyResult* result) {
  uint32_t head[2];  // id, count
  std::memcpy(head, operation.value, sizeof(head));
  if (operation.collection != 0) return Status(Code::kInvalid, "operation: a shape belongs to no map");
  if (head[0] != shapes.count()) return Status(Code::kInvalid, "operation: wrong id for a new shape");
  uint32_t id = 0;
  // The list is padded to 8 and consists of multiples of 4: with or without the last 4 bytes.
  const uint8_t* list = operation.value + sizeof(head);
  uint64_t list_bytes = 0;
  for (uint32_t name = 0; name < head[1]; ++name) {
    uint16_t length = 0;
    if (operation.value_bytes - sizeof(head) < list_bytes + 4)
      return Status(Code::kInvalid, "operation: short name list");
    std::memcpy(&length, list + list_bytes + 2, sizeof(length));
    list_bytes += RoundUp(4 + uint64_t{length}, 4);
    if (operation.value_bytes - sizeof(head) < list_bytes)
      return Status(Code::kInvalid, "operation: short name list");
  }
  if (RoundUp(sizeof(head) + list_bytes, 8) != operation.value_bytes) {
    return Status(Code::kInvalid, "operation: long name list");
  }
  for (uint64_t at = sizeof(head) + list_bytes; at < operation.value_bytes; ++at) {
    if (operation.value[at] != 0) return Status(Code::kInvalid, "operation: padding is not 0");
  }
  const std::span<const uint8_t> names_list(list, list_bytes);
  if (shapes.Find(names_list, &id)) return Status(Code::kInvalid, "operation: the shape is there already");
  if (Status status = shapes.Define(names_list, head[1], &id); !status.ok()) return status;
  result->changed = true;
  result->number = id;
  return Status::Ok();
}

Status Engine::State::Set(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  uint64_t length = 0;
  if (Status status = CheckValue(operation.value, operation.value_bytes, shapes, &scratch, &length);
      !status.ok()) {
    return status;
  }
  if (length != operation.value_bytes) return Status(Code::kInvalid, "operation: bytes behind the value");
  Status status = map->Set(operation.key, operation.value, length, &result->changed);
  if (status.ok() && result->changed) ++entries;
  return status;
}

Status Engine::State::MergeInto(OrderedMap* map, const Key& key, Offset value, const uint8_t* patch,
                                uint64_t patch_bytes) {
  struct Target {
    Heap* heap;
    Offset value;
  } target{&heap, value};
  const auto write = [](void* context, uint64_t distance, const uint8_t* source, uint64_t bytes) {
    auto* to = static_cast<Target*>(context);
    std::memcpy(to->heap->Write(to->value + distance, bytes), source, bytes);
  };
  if (PatchInPlace(heap.At(value), patch, shapes, write, &target)) return Status::Ok();
  const uint8_t* current = heap.At(value);
  const uint32_t shapes_before = shapes.count();
  if (Status status = PatchValue(current, CheckedValueBytes(current, shapes), patch, patch_bytes, &shapes,
                                 &scratch, &merged);
      !status.ok()) {
    return status;
  }
  bool inserted = false;
  Status status = map->Set(key, merged.data(), merged.size(), &inserted);
  // A refused operation leaves nothing behind: a replay of those that were not refused must give the same
  // ids.
  if (!status.ok()) shapes.Truncate(shapes_before);
  return status;
}

Status Engine::State::Patch(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  uint64_t length = 0;
  if (Status status = CheckValue(operation.value, operation.value_bytes, shapes, &scratch, &length);
      !status.ok()) {
    return status;
  }
  if (length != operation.value_bytes) return Status(Code::kInvalid, "operation: bytes behind the value");
  const Offset value = map->Find(operation.key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  result->changed = true;
  return MergeInto(map, operation.key, value, operation.value, length);
}

Status Engine::State::Increment(OrderedMap* map, const Operation& operation, ApplyResult* result) {
  double amount = 0;
  if (operation.value_bytes < 16) return Status(Code::kInvalid, "operation: increment without a field");
  std::memcpy(&amount, operation.value, sizeof(amount));
  const uint8_t* name_value = operation.value + sizeof(amount);
  const uint64_t name_bytes = operation.value_bytes - sizeof(amount);
  uint64_t length = 0;
  if (Status status = CheckValue(name_value, name_bytes, shapes, &scratch, &length); !status.ok())
    return status;
  StringBytes name;
  if (length != name_bytes || !ReadString(name_value, &name)) {
    return Status(Code::kInvalid, "operation: increment of a field that is no string");
  }
  const Offset value = map->Find(operation.key);
  if (value == kNone) return Status(Code::kNotFound, "there is no entry with this key");
  uint64_t field = 0;
  if (Status status = FindField(heap.At(value), name, shapes, &field); !status.ok()) return status;

  double before = 0;
  if (field != 0) {
    const Slot slot = heap.Read<Slot>(value + field);
    const bool undefined = !slot.IsDouble() && slot.tag() == kSpecial && slot.low == kUndefined;
    if (!undefined && !SlotNumber(slot, &before))
      return Status(Code::kWrongType, "the field is not a number");
  }
  result->changed = true;
  result->number = before + amount;
  const Slot after = NumberSlot(result->number);
  if (field != 0) {
    heap.Mutate<Slot>(value + field) = after;
    return Status::Ok();
  }
  // A field that is missing: patch with a dictionary of this one field, which needs no shape. Its key's
  // characters move from directly behind their slot to behind the value's slot: 8 bytes further away.
  Slot key_slot;
  std::memcpy(&key_slot, name_value, sizeof(key_slot));
  if (key_slot.tag() != kShort) key_slot.low += sizeof(Slot);
  one_field.assign(3 + length / 8 + 1, 0);
  auto* patch = reinterpret_cast<uint8_t*>(one_field.data());
  const Slot root{sizeof(Slot), kExtended << 16 | kDictionary};
  std::memcpy(patch, &root, sizeof(root));
  patch[8] = 1;  // count
  std::memcpy(patch + 16, &key_slot, sizeof(key_slot));
  std::memcpy(patch + 24, &after, sizeof(after));
  std::memcpy(patch + 32, name_value + sizeof(Slot), length - sizeof(Slot));
  return MergeInto(map, operation.key, value, patch, 24 + length);
}

OrderedMap* Engine::map(uint32_t id) {
  return state_->Find(id);
}

uint32_t Engine::FindMap(const Key& name) const {
  const auto found = state_->names.find(NameOf(name));
  return found == state_->names.end() ? 0 : found->second;
}

std::vector<std::pair<uint32_t, Key>> Engine::maps() const {
  std::vector<std::pair<uint32_t, Key>> list;
  for (uint32_t id = 1; id <= state_->maps.size(); ++id) {
    const Offset header = state_->maps[id - 1].header();
    const auto& fields = state_->heap.Read<MapHeader>(header);
    list.emplace_back(id, Key{static_cast<KeyKind>(fields.name_kind),
                              state_->heap.At(header + sizeof(MapHeader)), fields.name_bytes});
  }
  return list;
}

uint32_t Engine::map_count() const {
  return static_cast<uint32_t>(state_->maps.size());
}

bool Engine::Reclaim(uint32_t budget) {
  State& state = *state_;
  if (!state.graveyard.Reclaim(budget)) return false;
  if (!state.keeper) return true;
  // A snapshot has asked for the pause and tries again on its next turn: resuming would put it off.
  if (state.keeper->paused()) return false;
  const bool paused = state.keeper->TryPause();
  const bool done = paused && state.arena->ReleaseSurplus(kReleaseBytesPerStep) == 0;
  state.keeper->Resume();
  return done;
}

ShapeTable& Engine::shapes() {
  return state_->shapes;
}
Arena* Engine::arena() {
  return state_->arena.get();
}
PageKeeper* Engine::page_keeper() {
  return state_->keeper.get();
}
Allocator* Engine::allocator() {
  return state_->allocator.get();
}
uint64_t Engine::workspace_bytes() const {
  return state_->merged.capacity() + state_->one_field.capacity() * sizeof(uint64_t);
}
uint64_t Engine::writes() const {
  return state_->root().writes;
}
uint64_t Engine::entries() const {
  return state_->entries;
}

}  // namespace forkstore
