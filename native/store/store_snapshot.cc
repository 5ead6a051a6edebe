#include "store/store_snapshot.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "files/memory_limit.h"
#include "store/store.h"

namespace forkstore {

namespace {

template <typename Clock>
double NowMs() {
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}
using Steady = std::chrono::steady_clock;
using System = std::chrono::system_clock;

// After pages were written faster than copies could be held, so many snapshots are forks.
constexpr uint32_t kForksAfterCopies = 16;

}  // namespace

// What goes through all marks is done here, not by the owner; and before the arena goes.
void StoreSnapshot::Done(void* snapshot, SnapshotOutcome&& outcome) {
  auto* self = static_cast<StoreSnapshot*>(snapshot);
  self->outcome_ = std::move(outcome);
  // Of frozen pages none is shared, and none is split.
  if (self->outcome_.strategy == SnapshotStrategy::kFork) self->arena_->AppendSplitHugePages(&self->split_);
  self->arena_->EndSave(self->outcome_.status.ok());
  self->on_done_(self->context_);
}

Status PrepareFreezing(Engine* engine, uint64_t max_copied_bytes) {
  Arena* arena = engine->arena();
  Allocator* allocator = engine->allocator();
  // By default a quarter of what is mapped, which may grow to all there is.
  const uint64_t most =
      std::max(max_copied_bytes, DefaultCopiedBytes(arena->reserved_bytes(), kNoMemoryLimit));
  if (!allocator->frozen_table().is_created()) {
    const uint64_t units = arena->reserved_bytes() / kUnitBytes;
    Status status = allocator->frozen_table().Create(allocator->table(), units);
    if (!status.ok()) return status;
  }
  if (arena->frozen().is_created()) return Status::Ok();
  return arena->frozen().Create(arena->base(), arena->reserved_bytes(), most);
}

StrategyChoice Store::Choose(const SnapshotSettings& settings) {
  facts_.asked = settings.asked;
  facts_.mapped_bytes = engine()->arena()->frontier();
  // It is read on other threads only: what the store has taken since is taken off.
  const uint64_t grown = facts_.mapped_bytes - std::min(facts_.mapped_bytes, mapped_when_read_);
  facts_.memory_left_bytes = memory_left_bytes_ == kNoMemoryLimit
                                 ? kNoMemoryLimit
                                 : memory_left_bytes_ - std::min(memory_left_bytes_, grown);
  const PageKeeper* keeper = engine()->page_keeper();
  facts_.split_huge_pages = keeper == nullptr ? 0 : keeper->pending();
  facts_.copies_exceeded = forks_to_come_ > 0;
  facts_.thread_waits = opened_.snapshots->is_stuck();
  return ChooseStrategy(facts_);
}

Status Store::PrepareSnapshot(const SnapshotSettings& settings, bool* ready) {
  *ready = false;
  snapshot_asked_ms_ = NowMs<Steady>();
  if (engine() == nullptr) return Status(Code::kInvalid, "the store is closed");
  if (!opened_.directory) return Status(Code::kInvalid, "a store in memory has no snapshots");
  if (has_cut_) return Status(Code::kInvalid, "a snapshot is under way");
  if (engine()->in_transaction()) return Status::Ok();
  if (is_closing_) return Status(Code::kInvalid, "the store is closed");
  facts_.no_addresses = false;
  choice_ = Choose(settings);
  if (choice_.strategy == SnapshotStrategy::kCopy && settings.asked == AskedStrategy::kAuto) {
    facts_.no_addresses = !PrepareFreezing(engine(), settings.max_copied_bytes).ok();
    if (facts_.no_addresses) choice_ = Choose(settings);
  }
  PageKeeper* keeper = engine()->page_keeper();
  *ready = keeper == nullptr || choice_.strategy == SnapshotStrategy::kCopy || keeper->TryPause();
  // Asked to rest on an earlier turn, when it was to be a fork.
  if (choice_.strategy == SnapshotStrategy::kCopy && keeper != nullptr && keeper->paused()) keeper->Resume();
  return Status::Ok();
}

void Store::ForgoSnapshot() {
  if (PageKeeper* keeper = engine()->page_keeper()) keeper->Resume();
}

SnapshotRequest Store::CutForSnapshot(const SnapshotSettings& settings, StoreSnapshot* snapshot) {
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
  request.keep = settings.keep;
  request.watchdog_ms = settings.watchdog_ms;
  request.pace.max_bytes_per_second = settings.max_bytes_per_second;
  request.frozen_table = &allocator->frozen_table();
  opened_.next_generation += 1;  // never used twice, also when this one fails
  snapshot->generation_ = request.source.generation;
  snapshot->arena_ = arena;
  snapshot->mapped_bytes_ = arena->frontier();
  if (opened_.log) {
    // Its syncs should stay quick; without a log nobody waits for the disk.
    request.pace.leaves_room = true;
    request.published = Log::PublishedHook;
    request.published_context = opened_.log.get();
    opened_.log->Cut(snapshot->generation_);
  }
  arena->BeginSave();
  return request;
}

Status Store::Freeze(const SnapshotSettings& settings, SnapshotRequest* request) {
  request->strategy = SnapshotStrategy::kCopy;
  if (Status status = PrepareFreezing(engine(), settings.max_copied_bytes); !status.ok()) {
    return AsSnapshotFailure(status);
  }
  request->max_copied_bytes = settings.max_copied_bytes;
  if (request->max_copied_bytes == 0) {
    const uint64_t mapped = engine()->arena()->frontier();
    request->max_copied_bytes = DefaultCopiedBytes(mapped, facts_.memory_left_bytes);
  }
  return Status::Ok();
}

void Store::StartSnapshot(const SnapshotSettings& settings, StoreSnapshot* snapshot) {
  if (opened_.next_generation > kMaxGeneration) {
    // Before the cut: a log cut for a generation that cannot be would not be read again.
    ForgoSnapshot();
    snapshot->outcome_.status =
        Status(Code::kSnapshotFailed, "there is no generation " + std::to_string(opened_.next_generation));
    snapshot->on_done_(snapshot->context_);
    return;
  }
  SnapshotRequest request = CutForSnapshot(settings, snapshot);
  const auto start = [&] { return opened_.snapshots->Start(request, StoreSnapshot::Done, snapshot); };
  Status status;
  if (choice_.strategy == SnapshotStrategy::kFork) {
    status = start();
    if (PageKeeper* keeper = engine()->page_keeper()) {
      if (status.ok()) keeper->SetChildLives(true);
      keeper->Resume();
    }
    facts_.fork_refused = !status.ok() && opened_.snapshots->fork_refused();
    if (facts_.fork_refused && settings.asked == AskedStrategy::kAuto) {
      facts_.copies_since_fork = 0;
      choice_ = {SnapshotStrategy::kCopy, StrategyReason::kForkRefused};
    }
  }
  if (choice_.strategy == SnapshotStrategy::kCopy) {
    const Status refused = std::move(status);
    status = Freeze(settings, &request);
    if (status.ok()) status = start();
    if (!status.ok() && !refused.ok()) {
      status = Status(Code::kSnapshotFailed, refused.message() + "; and without a fork: " + status.message(),
                      status.system_errno());
    }
    PageKeeper* keeper = engine()->page_keeper();
    if (status.ok() && keeper != nullptr && engine()->arena()->WantsPopulating()) keeper->Wake();
  }
  snapshot->choice_ = choice_;
  snapshot_runs_ = status.ok();
  if (status.ok()) {
    snapshot->pause_ms_ = NowMs<Steady>() - snapshot_asked_ms_;
  } else {
    engine()->arena()->CancelSave();
    snapshot->outcome_.status = std::move(status);
    snapshot->on_done_(snapshot->context_);
  }
}

// What the next choice goes by.
void Store::Learn(const StoreSnapshot& snapshot) {
  const SnapshotOutcome& outcome = snapshot.outcome_;
  memory_left_bytes_ = outcome.memory_left_bytes;
  mapped_when_read_ = engine()->arena()->frontier();
  if (outcome.strategy == SnapshotStrategy::kFork) {
    facts_.fork_ms = outcome.fork_ms;
    facts_.fork_mapped_bytes = snapshot.mapped_bytes_;
    if (outcome.copied_bytes_known) facts_.fork_copied_bytes = outcome.copied_bytes;
    facts_.copies_since_fork = 0;
    if (forks_to_come_ > 0) --forks_to_come_;
    // The kernel may have ended its child for want of memory: then copies are tried again.
    if (!outcome.status.ok()) forks_to_come_ = 0;
  } else {
    ++facts_.copies_since_fork;
    if (outcome.copies_exceeded) forks_to_come_ = kForksAfterCopies;
  }
}

void Store::FinishSnapshot(StoreSnapshot* snapshot) {
  if (snapshot_runs_) Learn(*snapshot);
  has_cut_ = snapshot_runs_ = false;
  engine()->arena()->Thaw();
  engine()->allocator()->frozen_table().Thaw();
  if (opened_.log && !snapshot->outcome_.status.ok()) opened_.log->SnapshotFailed(snapshot->generation_);
  if (PageKeeper* keeper = engine()->page_keeper()) {
    keeper->Collapse(std::move(snapshot->split_));
    keeper->SetChildLives(false);
    keeper->CountHuge();
  }
}

}  // namespace forkstore
