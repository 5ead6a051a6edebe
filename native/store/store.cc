#include "store/store.h"

#include "files/memory_limit.h"

namespace forkstore {

namespace {

Status Closed() {
  return Status(Code::kInvalid, "the store is closed");
}

}  // namespace

Status Store::Open(const std::string& path, const OpenOptions& options, OpenedStore* opened) {
  Status status = OpenStore(path, options, opened);
  if (status.ok()) {
    opened->engine->StartPageKeeper();
    if (opened->directory) {
      opened->snapshots = std::make_unique<Snapshots>(opened->engine->arena(), opened->directory.get());
      opened->memory_left_bytes = MemoryLeftBytes();
      // What fails here will fail again, and say so, when there is a snapshot.
      if (options.prepare_copies) {
        [[maybe_unused]] const Status watcher = opened->snapshots->StartWatcher();
        [[maybe_unused]] const Status freezer =
            PrepareFreezing(opened->engine.get(), options.max_copied_bytes);
      }
    }
  } else {
    // Here, since it may take a while. And the lock must be free when the caller hears of the failure.
    opened->snapshots.reset();
    opened->engine.reset();
    opened->log.reset();
    opened->directory.reset();
  }
  return status;
}

Store::Store(OpenedStore opened) : opened_(std::move(opened)) {
  memory_left_bytes_ = opened_.memory_left_bytes;
  mapped_when_read_ = engine()->arena()->frontier();
  if (opened_.directory && !opened_.snapshots) {
    opened_.snapshots = std::make_unique<Snapshots>(engine()->arena(), opened_.directory.get());
  }
}

Status Store::ApplyHolding(uint8_t* operation, size_t size, ApplyResult* result) {
  if (engine()->in_transaction()) {
    return Status(Code::kInvalid, "nothing can be held within a transaction");
  }
  return Apply(operation, size, result, RemovedItems::kHeld);
}

Status Store::WriteRefusal() const {
  if (!opened_.log) return Closed();
  const Status failure = opened_.log->failure();
  if (failure.ok()) return Status(Code::kLogFailed, "the log takes no writes");
  return Status(failure.code(), "no write is taken until the log works again: " + failure.message(),
                failure.system_errno());
}

Status Store::Begin() {
  if (engine() == nullptr) return Closed();
  engine()->Begin();
  if (opened_.log) marks_.push_back(opened_.log->Mark());
  return Status::Ok();
}

Status Store::Commit() {
  if (engine() == nullptr) return Closed();
  Status status = engine()->Commit();
  if (status.ok() && opened_.log) {
    opened_.log->Release(marks_.back());
    marks_.pop_back();
  }
  return status;
}

Status Store::Rollback() {
  if (engine() == nullptr) return Closed();
  Status status = engine()->Rollback();
  if (status.ok() && opened_.log) {
    opened_.log->RollbackTo(marks_.back());
    marks_.pop_back();
    opened_.log->Append(engine()->TakeSurvivors(), engine()->counts());
  }
  return status;
}

void Store::BeginClose() {
  if (is_closing_) return;
  is_closing_ = refuses_writes_ = true;
  opened_.log->BeginClose();
}

StoreRemains Store::Close() {
  snapshot_runs_ = false;
  StoreRemains remains;
  remains.snapshots = std::move(opened_.snapshots);
  remains.engine = std::move(opened_.engine);
  remains.log = std::move(opened_.log);
  remains.directory = std::move(opened_.directory);
  return remains;
}

}  // namespace forkstore
