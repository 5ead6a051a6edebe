#include "store/recovery.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "image/image_writer.h"
#include "log/log_opening.h"
#include "store/load_generation.h"

namespace forkstore {

namespace {

Status RandomStoreId(StoreId* id) {
  if (getrandom(id->data(), id->size(), 0) != static_cast<ssize_t>(id->size())) {
    return Status(Code::kIo, "getrandom failed", errno);
  }
  return Status::Ok();
}

// The engine as it is, as generation `next_generation`; without a fork, as nobody changes it yet.
Status WriteGeneration(OpenedStore* store) {
  const uint64_t generation = store->next_generation;
  int fd = -1;
  if (Status status = store->directory->CreateTemporary(generation, &fd); !status.ok()) return status;
  Allocator* allocator = store->engine->allocator();
  ImageSource source{};
  source.arena_base = store->engine->arena()->base();
  source.table = allocator->table();
  source.units = allocator->units();
  source.store_id = store->store_id;
  source.generation = generation;
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
      status = Status(Code::kIo, std::string("cannot write a snapshot: ") + result.call, result.error);
    }
    store->file_bytes = result.file_bytes;
  }
  close(fd);
  if (status.ok()) status = store->directory->Publish(generation);
  if (!status.ok()) {
    store->directory->RemoveTemporaries();
    return status;
  }
  store->generation = generation;
  store->next_generation = generation + 1;
  return Status::Ok();
}

Status CreateStore(const ArenaOptions& options, OpenedStore* store) {
  store->created = true;
  if (Status status = Engine::CreateEmpty(options, &store->engine); !status.ok()) return status;
  if (!store->directory) return Status::Ok();
  if (Status status = RandomStoreId(&store->store_id); !status.ok()) return status;
  if (Status status = WriteGeneration(store); !status.ok()) return status;
  return store->directory->WriteIdentity(store->store_id);
}

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Opening a directory that has held a store, or will.
class Opening {
 public:
  Opening(const OpenOptions& options, OpenedStore* store, std::unique_ptr<LogFileSystem> files)
      : options_(options), store_(*store), directory_(*store->directory), files_(std::move(files)) {}

  Status Run();

 private:
  Status ReadNames();
  Status Create();
  Status ReadTheManifest();
  Status Load();
  Status LoadBase();
  Status Replay();
  Status ReplayTo(uint64_t end, ReplayResult* result);
  Status Judge(const std::string& damage);
  Status CopyUntaken();
  Status Finish();
  Status FinishWithLog();
  Status FinishWithoutLog();
  bool CanStandIn(uint64_t generation) const;
  Status StartLog(const LogPosition& position, uint64_t base_generation);

  const OpenOptions& options_;
  OpenedStore& store_;
  Directory& directory_;
  std::unique_ptr<LogFileSystem> files_;

  StoreId known_id_{};
  bool has_identity_ = false;
  bool damaged_identity_ = false;
  std::vector<uint64_t> generations_;  // newest first
  bool has_manifest_ = false;          // a good one
  bool holds_records_ = false;         // without one
  Manifest manifest_;
  LogBase base_;  // of the generation that was loaded
  LogScan scan_;
  bool misled_ = false;   // by a manifest that is there: it has not led to what was loaded
  uint64_t refused_ = 0;  // the segment that was not taken to its end, as the engine refused an operation
};

Status Opening::ReadNames() {
  const Status identity = directory_.ReadIdentity(&known_id_, &has_identity_);
  damaged_identity_ = identity.code() == Code::kCorrupt;
  if (!identity.ok() && !damaged_identity_) return identity;
  return directory_.ListGenerations(&generations_);
}

// Damage to the log: refused, unless it is to be salvaged.
Status Opening::Judge(const std::string& damage) {
  if (!options_.salvage) return Status(Code::kCorrupt, damage);
  std::string& salvaged = store_.recovered_log.salvaged;
  salvaged += (salvaged.empty() ? "" : "; ") + damage;
  return Status::Ok();
}

Status Opening::Create() {
  if (Status status = LogHoldsRecords(files_.get(), known_id_, &holds_records_); !status.ok()) return status;
  if (has_identity_ || damaged_identity_ || has_manifest_ || holds_records_) {
    return Status(Code::kCorrupt, "the directory has held a store, but its snapshots are gone");
  }
  if (directory_.HoldsOtherEngine()) {
    return Status(Code::kVersion, "the directory belongs to the JavaScript engine");
  }
  if (Status status = CreateStore(options_.arena, &store_); !status.ok()) return status;
  base_ = {store_.generation, 0, 0, 0};
  return Finish();
}

Status Opening::ReadTheManifest() {
  bool found = false;
  const Status status = ReadManifest(files_.get(), &manifest_, &found);
  if (status.code() == Code::kCorrupt) {
    misled_ = true;
    return Judge(status.message());
  }
  has_manifest_ = found && status.ok();
  return status;
}

// The newest generation that verifies among those that the manifest names; without one, of all there are.
Status Opening::Load() {
  const bool trusted = has_identity_ && !damaged_identity_;
  std::vector<uint64_t> candidates;
  if (has_manifest_) {
    for (const LogBase& base : manifest_.bases) candidates.insert(candidates.begin(), base.generation);
  }
  if (!has_manifest_ || options_.salvage) {
    // Those that the manifest names have been tried then, and one more look at them tells the same.
    for (const uint64_t generation : generations_) {
      if (std::find(candidates.begin(), candidates.end(), generation) == candidates.end()) {
        candidates.push_back(generation);
      }
    }
  }
  if (Status status = LoadNewest(candidates, trusted ? &known_id_ : nullptr, options_.arena, &store_);
      !status.ok()) {
    return status;
  }
  uint64_t highest = 0;
  if (Status status = directory_.HighestNumber(&highest); !status.ok()) return status;
  store_.next_generation = highest + 1;
  if (has_manifest_ && manifest_.store_id != store_.store_id) {
    has_manifest_ = false;
    misled_ = true;
    if (Status status = Judge("manifest: it belongs to another store"); !status.ok()) return status;
  }
  return LoadBase();
}

// Which segment follows what was loaded.
Status Opening::LoadBase() {
  base_ = {store_.generation, 0, 0, 0};
  if (has_manifest_) {
    for (const LogBase& base : manifest_.bases) {
      if (base.generation != store_.generation) continue;
      base_ = base;
      return Status::Ok();
    }
    misled_ = true;
    if (Status status = Judge("manifest: no snapshot that it names can be used"); !status.ok()) return status;
  } else {
    if (Status status = LogHoldsRecords(files_.get(), store_.store_id, &holds_records_); !status.ok())
      return status;
    if (!holds_records_) return Status::Ok();
    if (misled_) return FindBase(files_.get(), store_.store_id, store_.generation, &base_);
    if (Status status = Judge("manifest: it is missing, though there is a log"); !status.ok()) return status;
  }
  return FindBase(files_.get(), store_.store_id, store_.generation, &base_);
}

Status Opening::ReplayTo(uint64_t end, ReplayResult* result) {
  *result = {};
  return ReplayLog(files_.get(), store_.store_id, scan_, end, store_.engine.get(), options_.progress,
                   options_.progress_context, result);
}

Status Opening::Replay() {
  const auto start = std::chrono::steady_clock::now();
  if (Status status = ScanLog(files_.get(), store_.store_id, base_, &scan_); !status.ok()) return status;
  if (scan_.damaged) {
    if (Status status = Judge(scan_.damage); !status.ok()) return status;
  }
  ReplayResult result;
  if (Status status = ReplayTo(scan_.next.sequence, &result); !status.ok()) return status;
  if (result.refused) {
    refused_ = result.segment;
    if (Status status = Judge(result.damage); !status.ok()) return status;
    // A part of the batch has been applied: once more, up to the one before.
    const uint64_t end = result.sequence;
    store_.engine.reset();
    if (Status status = LoadGeneration(store_.generation, &store_.store_id, options_.arena, &store_);
        !status.ok()) {
      return status;
    }
    if (Status status = ReplayTo(end, &result); !status.ok()) return status;
    if (result.refused) return Status(Code::kCorrupt, result.damage);
    scan_.next = {end, 0};
  }
  RecoveredLog& recovered = store_.recovered_log;
  recovered.found = has_manifest_ || base_.segment != 0;
  recovered.batches = result.batches;
  recovered.operations = result.operations;
  recovered.writes = result.writes;
  recovered.bytes = scan_.bytes;
  recovered.tails = scan_.tails;
  recovered.replay_ms = MillisecondsSince(start);
  return Status::Ok();
}

// Whether the image is there and, as far as anybody has looked, whole.
bool Opening::CanStandIn(uint64_t generation) const {
  const auto damaged = [generation](const SkippedGeneration& skipped) {
    return skipped.generation == generation && skipped.damaged;
  };
  return std::find(generations_.begin(), generations_.end(), generation) != generations_.end() &&
         std::none_of(store_.skipped.begin(), store_.skipped.end(), damaged);
}

Status Opening::StartLog(const LogPosition& position, uint64_t base_generation) {
  LogStart start;
  if (Status status = StartSegment(files_.get(), store_.store_id, position, base_generation,
                                   scan_.highest_segment, options_.log_options.segment_bytes, &start);
      !status.ok()) {
    return status;
  }
  if (base_generation != 0) {
    manifest_ = {store_.store_id,
                 {{base_generation, start.segment.number, start.segment.identity, position.sequence}}};
    if (Status status = WriteManifest(files_.get(), manifest_); !status.ok()) return status;
    RemoveOtherSegments(files_.get(), start.segment.number);
  } else {
    TidySegments(files_.get(), scan_, manifest_.bases);
    start.segments = scan_.ranges.size() + 1;
  }
  for (const LogBase& base : manifest_.bases) {
    if (base.generation == store_.generation || CanStandIn(base.generation)) start.bases.push_back(base);
  }
  store_.log = std::make_unique<Log>(std::move(files_), std::move(start), options_.log_options);
  return Status::Ok();
}

Status Opening::FinishWithLog() {
  if (!store_.recovered_log.salvaged.empty()) {
    if (Status status = WriteGeneration(&store_); !status.ok()) return status;
    return StartLog(scan_.next, store_.generation);
  }
  if (base_.segment == 0) return StartLog({1, 0}, store_.generation);
  if (Status status = RemoveSegments(files_.get(), scan_.void_segments); !status.ok()) return status;
  directory_.RemoveGenerationsAbove(manifest_.bases.back().generation);
  return StartLog(scan_.next, 0);
}

Status Opening::FinishWithoutLog() {
  const bool salvaged = !store_.recovered_log.salvaged.empty();
  if (!has_manifest_ && !salvaged) {
    RemoveOtherSegments(files_.get(), 0);
    return Status::Ok();
  }
  if (!salvaged) directory_.RemoveGenerationsAbove(manifest_.bases.back().generation);
  if (scan_.batches > 0 || salvaged) {
    if (Status status = WriteGeneration(&store_); !status.ok()) return status;
  }
  return GiveUpLog(files_.get(), store_.store_id, store_.generation);
}

// A salvage begins the log anew, and removes what there was: what is not in the state that was loaded must
// not go with it, whatever it was that stood in the way.
Status Opening::CopyUntaken() {
  std::vector<std::string> names;
  if (misled_) names.push_back(kManifestName);
  if (Status status = ListUntaken(files_.get(), store_.store_id, base_, scan_, refused_, &names);
      !status.ok()) {
    return status;
  }
  return CopyAside(files_.get(), names, &store_.recovered_log.copied_aside);
}

Status Opening::Finish() {
  if (!store_.recovered_log.salvaged.empty()) {
    if (Status status = CopyUntaken(); !status.ok()) return status;
  }
  return options_.log ? FinishWithLog() : FinishWithoutLog();
}

Status Opening::Run() {
  files_->Remove(kManifestTemporaryName);
  if (Status status = ReadNames(); !status.ok()) return status;
  if (Status status = ReadTheManifest(); !status.ok()) return status;
  if (generations_.empty()) return Create();
  if (Status status = Load(); !status.ok()) return status;
  if (Status status = Replay(); !status.ok()) return status;
  for (const SkippedGeneration& skipped : store_.skipped) {
    // What the disk did not give may be whole, and readable next time.
    if (skipped.damaged) directory_.SetAside(skipped.generation);
  }
  if (!has_identity_ || damaged_identity_) {
    if (Status status = directory_.WriteIdentity(store_.store_id); !status.ok()) return status;
    // A missing one is no damage: a crash came before it was first written, or a backup is of the images
    // alone.
    store_.identity_restored = damaged_identity_;
  }
  return Finish();
}

}  // namespace

Status OpenStore(const std::string& path, const OpenOptions& options, OpenedStore* store) {
  if (path.empty()) return CreateStore(options.arena, store);
  if (Status status = Directory::Open(path, &store->directory); !status.ok()) return status;
  store->directory->RemoveTemporaries();
  const int fd = store->directory->fd();
  Status status =
      Opening(options, store,
              options.file_system == nullptr ? LogFileSystem::Posix(fd, &store->directory->lock())
                                             : options.file_system(options.file_system_context, fd))
          .Run();
  if (status.ok()) {
    Arena* arena = store->engine->arena();
    arena->SetMaxBytes(std::min(arena->wanted_bytes(), arena->reserved_bytes()));
  }
  return status;
}

Status OpenStore(const std::string& path, const ArenaOptions& options, OpenedStore* store) {
  OpenOptions without_log;
  without_log.arena = options;
  return OpenStore(path, without_log, store);
}

}  // namespace forkstore
