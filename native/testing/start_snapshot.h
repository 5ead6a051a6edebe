// Tests only: a snapshot without a Store around it.
#pragma once

#include <memory>

#include "memory/arena.h"
#include "store/snapshot.h"

namespace forkstore {

// Snapshots::Start() of *snapshots, which is made when there is none. By kCopy the save begins with it.
inline Status StartSnapshot(Arena* arena, Directory* directory, const SnapshotRequest& request,
                            Snapshots::OnDone on_done, void* context, std::unique_ptr<Snapshots>* snapshots) {
  if (!*snapshots) *snapshots = std::make_unique<Snapshots>(arena, directory);
  if (request.strategy == SnapshotStrategy::kFork) return (*snapshots)->Start(request, on_done, context);
  arena->BeginSave();
  Status status = (*snapshots)->Start(request, on_done, context);
  if (!status.ok()) arena->CancelSave();
  return status;
}

// The owner's part of the end, after on_done: the next one can come.
inline void FinishSnapshot(Arena* arena) {
  arena->Thaw();
  if (arena->is_saving()) arena->EndSave(true);
}

}  // namespace forkstore
