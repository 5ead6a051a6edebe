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

// How much of what a transaction has deleted an operation that finds no room is given at first.
constexpr uint64_t kFirstSpillBytes = 64 << 10;
constexpr uint64_t kBytesPerBlock = 64;  // about

// What merging keeps for its next use.
constexpr uint64_t kKeptWorkspaceBytes = 1 << 20;

}  // namespace

bool IsIdle(const uint8_t* operation, const ApplyResult& result) {
  switch (static_cast<OperationCode>(operation[0])) {
    case OperationCode::kDelete:
    case OperationCode::kDeleteMember:
    case OperationCode::kDeleteMemberUnshaped:
    case OperationCode::kDeleteItem:
      return !result.changed;
    default:
      return false;
  }
}

Engine::~Engine() = default;

Status Engine::ReadHeld(uint64_t held, uint64_t taken, uint32_t most, std::vector<uint8_t>* out,
                        uint32_t* indexes, uint32_t* count) {
  return state_->tree.ReadHeld(held, taken, most, out, indexes, count);
}

void Engine::DropHeld(uint64_t held) {
  state_->tree.DropHeld(held);
}

void Engine::StartPageKeeper() {
  state_->keeper = std::make_unique<PageKeeper>(state_->arena.get());
  if (state_->arena->WantsPopulating()) state_->keeper->Wake();
}

Status Engine::Apply(const uint8_t* bytes, uint64_t size, ApplyResult* result, RemovedItems removed) {
  State& state = *state_;
  state.removed_items = removed;
  *result = ApplyResult{};
  Operation operation;
  if (Status status = ParseOperation(bytes, size, &operation); !status.ok()) return status;
  const uint64_t blocks = state.allocator->stats().live_blocks;
  state.allocator->ForgetRefusal();
  Status status = state.Dispatch(operation, result);
  // Only now, when memory has run out, is it worth waiting for all of what was left behind.
  if (status.code() == Code::kFull && state.ReclaimAll()) {
    *result = ApplyResult{};
    status = state.Dispatch(operation, result);
  }
  while (status.code() == Code::kFull && state.ReclaimHeld()) {
    *result = ApplyResult{};
    status = state.Dispatch(operation, result);
  }
  // In a transaction what was deleted is kept back: as little of it as will do is given to others.
  uint64_t spill_bytes = kFirstSpillBytes;
  while (status.code() == Code::kFull && state.transactions.is_open() && state.LendDeleted(spill_bytes)) {
    *result = ApplyResult{};
    // In a scope of its own: what an attempt that fails leaves behind would else be lent to the next one, for
    // ever.
    const Savepoint before = state.transactions.Open();
    status = state.Dispatch(operation, result);
    state.Close(before, status);
    spill_bytes *= 2;
  }
  if (status.code() == Code::kFull && state.allocator->refused_bytes() != 0) status = state.Full();
  if (status.code() == Code::kFull) state.compaction.is_wanted = true;
  state.ReleaseWorkspace();
  if (!status.ok()) *result = ApplyResult{};
  state.ReclaimSome(blocks);
  if (status.ok() &&
      (result->changed || operation.code == OperationCode::kSet || operation.code == OperationCode::kClear)) {
    state.heap.Mutate<uint64_t>(kRootOffset + offsetof(RootBlock, writes)) += 1;
  }
  if (state.keeper && state.arena->WantsPopulating()) state.keeper->Wake();
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
    case OperationCode::kDropMap:
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

Status Engine::State::Full() const {
  const AllocatorStats stats = allocator->stats();
  return Status(Code::kFull,
                "the store is full: no room for " + std::to_string(allocator->refused_bytes()) +
                    " bytes; of " + std::to_string(arena->max_bytes()) + " bytes (maxBytes) " +
                    std::to_string(stats.live_bytes) + " are in use. " +
                    (arena->max_bytes() < arena->wanted_bytes()
                         ? "No more could be reserved of the " + std::to_string(arena->wanted_bytes()) +
                               " that are the default (ulimit -v, ulimit -d, overcommit_memory). "
                               "Delete something, or let the process have more addresses"
                         : "Delete something, or open it with a larger maxBytes"));
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
  if (!graveyard.empty() || tree.can_reclaim()) {
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
  if (graveyard.empty() && !tree.can_reclaim()) return false;
  while (!graveyard.Reclaim(kReclaimAtOnce)) {
  }
  while (!tree.Reclaim(kReclaimAtOnce)) {
  }
  return true;
}

bool Engine::State::ReclaimHeld() {
  if (transactions.is_open() || !tree.SpillHeld()) return false;
  ReclaimAll();
  return true;
}

// Subtrees and cleared maps that the innermost transaction has dropped are given back within its undo scope,
// so that a rollback brings them back as all else. Those of the transactions around it cannot be: their lists
// know of no scope inside.
bool Engine::State::LendDeleted(uint64_t bytes) {
  for (;;) {
    if (undo.SpillFreed(bytes)) return true;
    const Savepoint& mark = transactions.innermost();
    const auto blocks = static_cast<uint32_t>(std::min<uint64_t>(bytes / kBytesPerBlock, kReclaimAtOnce));
    if (!tree.ReclaimSince(mark.tree, blocks) && !graveyard.ReclaimSince(mark.buried, blocks)) return false;
  }
}

void Engine::State::ReleaseWorkspace() {
  // Swapped, as assigning {} would keep the memory.
  if (merged.capacity() > kKeptWorkspaceBytes) std::vector<uint8_t>().swap(merged);
  if (one_field.capacity() * sizeof(uint64_t) > kKeptWorkspaceBytes) std::vector<uint64_t>().swap(one_field);
}

void Engine::Begin() {
  state_->maps.Begin();
  state_->transactions.Begin(map_count());
}

Status Engine::Commit() {
  State& state = *state_;
  if (!state.transactions.is_open()) return Status(Code::kInvalid, "no transaction is open");
  state.transactions.Commit();
  state.maps.Commit();
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
  while (state.ReclaimHeld()) {
  }
  return Status::Ok();
}

bool Engine::in_transaction() const {
  return state_->transactions.is_open();
}

std::vector<std::vector<uint8_t>> Engine::TakeSurvivors() {
  return std::exchange(state_->survivors, {});
}

OrderedMap* Engine::map(uint32_t id) {
  return state_->maps.Find(id);
}

uint32_t Engine::FindMap(const Key& name) const {
  return state_->maps.FindName(name);
}

Key Engine::MapName(uint32_t id) const {
  return state_->maps.NameOf(id);
}

uint32_t Engine::ScanMaps(uint64_t from, uint32_t limit, uint32_t* ids) const {
  return state_->maps.Scan(from, limit, ids);
}

uint64_t Engine::live_maps() const {
  return state_->maps.size();
}

uint64_t Engine::maps_version() const {
  return state_->maps.version();
}

uint32_t Engine::map_count() const {
  return state_->root().map_count;
}

bool Engine::Reclaim(uint32_t budget) {
  State& state = *state_;
  if (state.transactions.is_open()) return false;
  if (!state.graveyard.Reclaim(budget) || !state.tree.Reclaim(budget)) return false;
  if (state.CanCompact() && state.compaction.IsDue(*state.allocator)) {
    state.CompactSome(budget);
    return false;
  }
  if (!state.keeper) return true;
  // A snapshot has asked for the pause and tries again on its next turn: resuming would put it off.
  if (state.keeper->paused()) return false;
  const bool paused = state.keeper->TryPause();
  const bool done = paused && state.arena->ReleaseSurplus(kReleaseBytesPerStep) == 0;
  state.keeper->Resume();
  return done;
}

EngineCounts Engine::counts() const {
  return {state_->shapes.count(), state_->root().map_count, state_->tree.next_node()};
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
