#include "store/load_generation.h"

#include <algorithm>
#include <cerrno>

#include "image/image_reader.h"

namespace forkstore {

namespace {

// Loading and replaying may take twice the addresses that the store is held to once it is open: replay cuts
// memory up in another order than the live run did, and a store that had run full must open again.
Status CreateRoomyArena(ArenaOptions options, std::unique_ptr<Arena>* arena) {
  const ArenaOptions tight = options;
  options.reserved_bytes = std::min(2 * options.max_bytes, kMaxArenaBytes);
  Status status = Arena::Create(options, arena);
  // Where the process may not reserve as much, it does without. (With least_bytes it has tried fewer.)
  if (!status.ok()) status = Arena::Create(tight, arena);
  if (status.ok()) (*arena)->SetMaxBytes((*arena)->reserved_bytes());
  return status;
}

// Whether an older generation may stand in: the file itself is bad, and not merely out of reach (too many
// open files, no permission, a newer version), where opening must fail instead of losing what is in it.
// A file that is gone is one that the manifest names.
bool MayFallBack(const Status& status) {
  return status.code() == Code::kCorrupt ||
         (status.code() == Code::kIo && (status.system_errno() == EIO || status.system_errno() == ENOENT));
}

}  // namespace

Status LoadGeneration(uint64_t generation, const StoreId* known_id, const ArenaOptions& options,
                      OpenedStore* store) {
  std::unique_ptr<ImageFile> file;
  const std::string name = Directory::ImageName(generation);
  if (Status status = ImageFile::Open(store->directory->fd(), name, &file); !status.ok()) return status;
  std::unique_ptr<Arena> arena;
  if (Status status = CreateRoomyArena(options, &arena); !status.ok()) return status;
  ImageInfo info;
  if (Status status = ReadImage(file.get(), arena.get(), &info); !status.ok()) return status;
  if (info.generation != generation)
    return Status(Code::kCorrupt, "the file's name is not that of its generation");
  if (known_id != nullptr && info.store_id != *known_id) {
    return Status(Code::kCorrupt, "the file belongs to another store");
  }
  if (Status status = Engine::Load(std::move(arena), info.table, info.entries, info.writes, &store->engine);
      !status.ok()) {
    return status;
  }
  store->store_id = info.store_id;
  store->generation = generation;
  store->file_bytes = info.file_bytes;
  return Status::Ok();
}

Status LoadNewest(const std::vector<uint64_t>& generations, const StoreId* known_id,
                  const ArenaOptions& options, OpenedStore* store) {
  for (const uint64_t generation : generations) {
    const Status status = LoadGeneration(generation, known_id, options, store);
    if (status.ok()) return status;
    if (!MayFallBack(status)) return status;
    store->skipped.push_back({generation, status.message(), status.code() == Code::kCorrupt});
  }
  std::string reasons = "no snapshot in the directory can be used:";
  for (const SkippedGeneration& skipped : store->skipped) {
    reasons += " generation " + std::to_string(skipped.generation) + ": " + skipped.reason + ";";
  }
  reasons.pop_back();
  return Status(Code::kCorrupt, reasons);
}

}  // namespace forkstore
