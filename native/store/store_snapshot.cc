#include "store/store_snapshot.h"

#include <chrono>
#include <string>

#include "store/store.h"

namespace forkstore {

namespace {

template <typename Clock>
double NowMs() {
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}
using Steady = std::chrono::steady_clock;
using System = std::chrono::system_clock;

}  // namespace

// What goes through all marks is done here, not by the owner; and before the arena goes.
void StoreSnapshot::Done(void* snapshot, SnapshotOutcome&& outcome) {
  auto* self = static_cast<StoreSnapshot*>(snapshot);
  self->outcome_ = std::move(outcome);
  self->arena_->AppendSplitHugePages(&self->split_);
  self->arena_->EndSave(self->outcome_.status.ok());
  self->on_done_(self->context_);
}

Status Store::PrepareSnapshot(bool* ready) {
  *ready = false;
  snapshot_asked_ms_ = NowMs<Steady>();
  if (engine() == nullptr) return Status(Code::kInvalid, "the store is closed");
  if (!opened_.directory) return Status(Code::kInvalid, "a store in memory has no snapshots");
  if (has_cut_) return Status(Code::kInvalid, "a snapshot is under way");
  if (engine()->in_transaction()) return Status::Ok();
  if (is_closing_) return Status(Code::kInvalid, "the store is closed");
  PageKeeper* keeper = engine()->page_keeper();
  *ready = keeper == nullptr || keeper->TryPause();
  return Status::Ok();
}

void Store::ForgoSnapshot() {
  if (PageKeeper* keeper = engine()->page_keeper()) keeper->Resume();
}

SnapshotRequest Store::CutForSnapshot(uint32_t keep, uint32_t watchdog_ms, StoreSnapshot* snapshot) {
  has_cut_ = true;
  Arena* arena = engine()->arena();
  Allocator* allocator = engine()->allocator();
  SnapshotRequest request;
  request.source.arena_base = arena->base();
  request.source.table = allocator->table();
  request.source.units = allocator->units();
  request.source.store_id = opened_.store_id;
  request.source.generation = opened_.next_generation;
  request.source.created_ms = NowMs<System>();
  request.source.entries = engine()->entries();
  request.source.writes = engine()->writes();
  request.keep = keep;
  request.watchdog_ms = watchdog_ms;
  opened_.next_generation += 1;  // never used twice, also when this one fails
  snapshot->generation_ = request.source.generation;
  snapshot->arena_ = arena;
  if (opened_.log) {
    request.published = Log::PublishedHook;
    request.published_context = opened_.log.get();
    opened_.log->Cut(snapshot->generation_);
  }
  arena->BeginSave();
  return request;
}

void Store::StartSnapshot(uint32_t keep, uint32_t watchdog_ms, StoreSnapshot* snapshot) {
  Arena* arena = engine()->arena();
  PageKeeper* keeper = engine()->page_keeper();
  if (opened_.next_generation > kMaxGeneration) {
    // Before the cut: a log cut for a generation that cannot be would not be read again.
    ForgoSnapshot();
    snapshot->outcome_.status =
        Status(Code::kSnapshotFailed, "there is no generation " + std::to_string(opened_.next_generation));
    snapshot->on_done_(snapshot->context_);
    return;
  }
  const SnapshotRequest request = CutForSnapshot(keep, watchdog_ms, snapshot);
  Status status = SnapshotProcess::Start(arena, opened_.directory.get(), request, StoreSnapshot::Done,
                                         snapshot, &process_);
  if (keeper != nullptr) {
    if (status.ok()) keeper->SetChildLives(true);
    keeper->Resume();
  }
  snapshot_runs_ = status.ok();
  if (status.ok()) {
    snapshot->pause_ms_ = NowMs<Steady>() - snapshot_asked_ms_;
  } else {
    arena->CancelSave();
    snapshot->outcome_.status = std::move(status);
    snapshot->on_done_(snapshot->context_);
  }
}

void Store::FinishSnapshot(StoreSnapshot* snapshot) {
  has_cut_ = snapshot_runs_ = false;
  if (opened_.log && !snapshot->outcome_.status.ok()) opened_.log->SnapshotFailed(snapshot->generation_);
  if (PageKeeper* keeper = engine()->page_keeper()) {
    keeper->Collapse(std::move(snapshot->split_));
    keeper->SetChildLives(false);
  }
}

}  // namespace forkstore
