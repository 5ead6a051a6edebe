#include "engine/engine.h"

#include <algorithm>
#include <limits>

#include "engine/engine_state.h"

namespace forkstore {

namespace {

// What each write gives back of what was cleared or dropped: some blocks, and those that it took twice over,
// so that clearing and filling again does not grow the store.
constexpr uint64_t kReclaimPerWrite = 16;
constexpr uint32_t kReclaimAtOnce = 1 << 16;
// Pages given back to the kernel in one step; a few tens of microseconds.
constexpr uint64_t kReleaseBytesPerStep = 4 * kHugePageBytes;

// What merging keeps for its next use.
constexpr uint64_t kKeptWorkspaceBytes = 1 << 20;

}  // namespace

Engine::~Engine() = default;

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
  const uint64_t blocks = state.allocator->stats().live_blocks;
  Status status = state.Dispatch(operation, result);
  // Only now, when memory has run out, is it worth waiting for all of what was left behind.
  if (status.code() == Code::kFull && state.ReclaimAll()) {
    *result = ApplyResult{};
    status = state.Dispatch(operation, result);
  }
  state.ReleaseWorkspace();
  if (!status.ok()) *result = ApplyResult{};
  state.ReclaimSome(blocks);
  if (status.ok() &&
      (result->changed || operation.code == OperationCode::kSet || operation.code == OperationCode::kClear)) {
    state.heap.Mutate<uint64_t>(kRootOffset + offsetof(RootBlock, writes)) += 1;
  }
  if (state.keeper && state.arena->populated() < state.arena->frontier() + state.arena->AheadBytes() / 2) {
    state.keeper->Wake();
  }
  return status;
}

Status Engine::State::Dispatch(const Operation& operation, ApplyResult* result) {
  switch (operation.code) {
    case OperationCode::kCreateMap:
      return CreateMap(operation, result);
    case OperationCode::kDefineShape:
      return DefineShape(operation, result);
    case OperationCode::kSkipNodes:
      return SkipNodes(operation, result);
    case OperationCode::kSet:
    case OperationCode::kDelete:
    case OperationCode::kClear:
    case OperationCode::kPatch:
    case OperationCode::kIncrement:
    case OperationCode::kAdopt:
      return DispatchToMap(operation, result);
    default:
      return DispatchToNode(operation, result);
  }
}

Status Engine::State::CheckWhole(const uint8_t* value, uint64_t bytes) {
  uint64_t length = 0;
  if (Status status = CheckValue(value, bytes, shapes, &scratch, &length); !status.ok()) return status;
  if (length != bytes) return Status(Code::kInvalid, "operation: bytes behind the value");
  return Status::Ok();
}

void Engine::State::Close(const Savepoint& before, const Status& status) {
  if (status.ok()) {
    transactions.Keep();
    return;
  }
  transactions.TakeBack(before);
  // A replay of the operations that were not refused must give the same ids.
  shapes.Truncate(before.shapes);
}

void Engine::State::ReclaimSome(uint64_t blocks_before) {
  const uint64_t blocks = allocator->stats().live_blocks;
  if (blocks > blocks_before) taken_blocks += blocks - blocks_before;
  if (transactions.is_open()) return;
  if (!graveyard.empty() || tree.has_garbage()) {
    const uint64_t budget = kReclaimPerWrite + 2 * taken_blocks;
    const auto step = static_cast<uint32_t>(std::min<uint64_t>(budget, std::numeric_limits<uint32_t>::max()));
    graveyard.Reclaim(step);
    tree.Reclaim(step);
  }
  taken_blocks = 0;
}

bool Engine::State::ReclaimAll() {
  if (transactions.is_open()) {
    ran_full = true;
    // What was left behind before it is none of the transaction's; the tree's garbage is reached through the
    // node table, which is.
    if (graveyard.empty()) return false;
    const Undo::Suspended suspended(&undo);
    while (!graveyard.ReclaimBefore(transactions.outermost().buried, kReclaimAtOnce)) {
    }
    return true;
  }
  if (graveyard.empty() && !tree.has_garbage()) return false;
  while (!graveyard.Reclaim(kReclaimAtOnce)) {
  }
  while (!tree.Reclaim(kReclaimAtOnce)) {
  }
  return true;
}

void Engine::State::ReleaseWorkspace() {
  // Swapped, as assigning {} would keep the memory.
  if (merged.capacity() > kKeptWorkspaceBytes) std::vector<uint8_t>().swap(merged);
  if (one_field.capacity() * sizeof(uint64_t) > kKeptWorkspaceBytes) std::vector<uint64_t>().swap(one_field);
}

void Engine::Begin() {
  state_->transactions.Begin(map_count());
}

Status Engine::Commit() {
  State& state = *state_;
  if (!state.transactions.is_open()) return Status(Code::kInvalid, "no transaction is open");
  state.transactions.Commit();
  state.ran_full = state.ran_full && state.transactions.is_open();
  state.ReclaimSome(state.allocator->stats().live_blocks);
  return Status::Ok();
}

Status Engine::Rollback() {
  State& state = *state_;
  if (!state.transactions.is_open()) return Status(Code::kInvalid, "no transaction is open");
  state.RollBack();
  if (!state.transactions.is_open()) state.taken_blocks = 0;
  if (state.transactions.is_open() || !state.ran_full) return Status::Ok();
  // Perhaps for want of the memory that the tree's garbage takes: so that another try can succeed.
  state.ran_full = false;
  state.ReclaimAll();
  return Status::Ok();
}

bool Engine::in_transaction() const {
  return state_->transactions.is_open();
}

std::vector<std::vector<uint8_t>> Engine::TakeSurvivors() {
  return std::exchange(state_->survivors, {});
}

OrderedMap* Engine::map(uint32_t id) {
  return state_->Find(id);
}

uint32_t Engine::FindMap(const Key& name) const {
  const auto found = state_->names.find(State::NameOf(name));
  return found == state_->names.end() ? 0 : found->second;
}

Key Engine::State::NameOfMap(uint32_t id) const {
  const Offset header = maps[id - 1].header();
  const auto& fields = heap.Read<MapHeader>(header);
  return Key{static_cast<KeyKind>(fields.name_kind), heap.At(header + sizeof(MapHeader)), fields.name_bytes};
}

std::vector<std::pair<uint32_t, Key>> Engine::maps() const {
  std::vector<std::pair<uint32_t, Key>> list;
  for (uint32_t id = 1; id <= map_count(); ++id) list.emplace_back(id, state_->NameOfMap(id));
  return list;
}

uint32_t Engine::map_count() const {
  return static_cast<uint32_t>(state_->maps.size());
}

bool Engine::Reclaim(uint32_t budget) {
  State& state = *state_;
  if (state.transactions.is_open()) return false;
  if (!state.graveyard.Reclaim(budget) || !state.tree.Reclaim(budget)) return false;
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
const Tree& Engine::tree() const {
  return state_->tree;
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
