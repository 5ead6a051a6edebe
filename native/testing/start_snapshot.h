// Tests only: a snapshot without a Store around it.
#pragma once

#include <memory>

#include "memory/arena.h"
#include "store/snapshot.h"

namespace forkstore {

// Snapshots::Start() of *snapshots, which is made when there is none.
inline Status StartSnapshot(Arena* arena, Directory* directory, const SnapshotRequest& request,
                            Snapshots::OnDone on_done, void* context, std::unique_ptr<Snapshots>* snapshots) {
  if (!*snapshots) *snapshots = std::make_unique<Snapshots>(arena, directory);
  return (*snapshots)->Start(request, on_done, context);
}

}  // namespace forkstore
