#include "persist/recovery.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "persist/image_reader.h"
#include "persist/image_writer.h"

namespace forkstore {

namespace {

Status RandomStoreId(StoreId* id) {
  if (getrandom(id->data(), id->size(), 0) != static_cast<ssize_t>(id->size())) {
    return Status(Code::kIo, "getrandom failed", errno);
  }
  return Status::Ok();
}

// Generation 1 of a new store, written without a fork: it is empty, and nobody is waiting for the loop.
Status WriteFirstGeneration(OpenedStore* store) {
  constexpr uint64_t kFirst = 1;
  int fd = -1;
  if (Status status = store->directory->CreateTemporary(kFirst, &fd); !status.ok()) return status;
  Allocator* allocator = store->engine->allocator();
  ImageSource source{};
  source.arena_base = store->engine->arena()->base();
  source.table = allocator->table();
  source.units = allocator->units();
  source.store_id = store->store_id;
  source.generation = kFirst;
  source.created_ms =
      std::chrono::duration<double, std::milli>(std::chrono::system_clock::now().time_since_epoch()).count();
  source.entries = store->engine->entries();
  source.writes = store->engine->writes();
  std::unique_ptr<ImageWriterSpace> space;
  Status status = ImageWriterSpace::Create(source, &space);
  if (status.ok()) {
    const ImageWriteResult result = WriteImage(
        source, fd, space.get(), [](void*, uint64_t) { return true; }, nullptr);
    if (result.error != 0) {
      status =
          Status(Code::kIo, std::string("cannot write the first snapshot: ") + result.call, result.error);
    }
    store->file_bytes = result.file_bytes;
  }
  close(fd);
  if (status.ok()) status = store->directory->Publish(kFirst);
  if (!status.ok()) {
    store->directory->RemoveTemporaries();
    return status;
  }
  store->generation = kFirst;
  store->next_generation = kFirst + 1;
  return Status::Ok();
}

Status CreateStore(const ArenaOptions& options, OpenedStore* store) {
  store->created = true;
  if (Status status = Engine::CreateEmpty(options, &store->engine); !status.ok()) return status;
  if (!store->directory) return Status::Ok();
  if (Status status = RandomStoreId(&store->store_id); !status.ok()) return status;
  if (Status status = WriteFirstGeneration(store); !status.ok()) return status;
  return store->directory->WriteIdentity(store->store_id);
}

// One generation: file, identity, structure. `known_id`: the directory's, or nullptr.
Status LoadGeneration(const std::string& path, uint64_t generation, const StoreId* known_id,
                      const ArenaOptions& options, OpenedStore* store) {
  std::unique_ptr<ImageFile> file;
  if (Status status = ImageFile::Open(path, &file); !status.ok()) return status;
  std::unique_ptr<Arena> arena;
  if (Status status = Arena::Create(options, &arena); !status.ok()) return status;
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

// Whether an older generation may stand in: the file itself is bad, and not merely out of reach (too many
// open files, no permission, a newer version), where opening must fail instead of losing what is in it.
bool MayFallBack(const Status& status) {
  return status.code() == Code::kCorrupt || (status.code() == Code::kIo && status.system_errno() == EIO);
}

Status LoadNewest(const std::vector<uint64_t>& generations, const StoreId* known_id,
                  const ArenaOptions& options, OpenedStore* store) {
  for (const uint64_t generation : generations) {
    const Status status =
        LoadGeneration(store->directory->ImagePath(generation), generation, known_id, options, store);
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

}  // namespace

Status OpenStore(const std::string& path, const ArenaOptions& options, OpenedStore* store) {
  if (path.empty()) return CreateStore(options, store);
  if (Status status = Directory::Open(path, &store->directory); !status.ok()) return status;
  Directory& directory = *store->directory;
  directory.RemoveTemporaries();

  StoreId known_id{};
  bool has_identity = false;
  const Status identity = directory.ReadIdentity(&known_id, &has_identity);
  const bool damaged_identity = identity.code() == Code::kCorrupt;
  if (!identity.ok() && !damaged_identity) return identity;

  std::vector<uint64_t> generations;
  if (Status status = directory.ListGenerations(&generations); !status.ok()) return status;
  if (generations.empty()) {
    if (has_identity || damaged_identity) {
      return Status(Code::kCorrupt, "the directory has held a store, but its snapshots are gone");
    }
    if (directory.HoldsOtherEngine()) {
      return Status(Code::kVersion, "the directory belongs to the JavaScript engine");
    }
    return CreateStore(options, store);
  }
  const bool trusted = has_identity && !damaged_identity;
  if (Status status = LoadNewest(generations, trusted ? &known_id : nullptr, options, store); !status.ok()) {
    return status;
  }
  uint64_t highest = 0;
  if (Status status = directory.HighestNumber(&highest); !status.ok()) return status;
  store->next_generation = highest + 1;
  for (const SkippedGeneration& skipped : store->skipped) {
    // What the disk did not give may be whole, and readable next time.
    if (skipped.damaged) directory.SetAside(skipped.generation);
  }
  if (!trusted) {
    if (Status status = directory.WriteIdentity(store->store_id); !status.ok()) return status;
    store->identity_restored = true;
  }
  return Status::Ok();
}

}  // namespace forkstore
