// A store whose log is on a simulated disk, random turns to run on it, and what it must then hold. Images
// live on the simulated disk too, and are laid into a real directory for each opening.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "data/map/ordered_map.h"
#include "data/map/record.h"
#include "data/value/value.h"
#include "files/file_descriptor.h"
#include "image/image_writer.h"
#include "store/recovery.h"
#include "testing/log_disk.h"
#include "testing/small_log.h"
#include "testing/temporary_directory.h"

namespace forkstore {

inline std::vector<uint64_t> MakeOperation(OperationCode code, uint32_t collection, const std::string& value,
                                           const std::string& key, uint64_t* bytes) {
  *bytes = kOperationHeadBytes + value.size() + key.size();
  std::vector<uint64_t> words(*bytes / 8 + 1);
  auto* out = reinterpret_cast<uint8_t*>(words.data());
  const uint32_t head[3] = {collection, static_cast<uint32_t>(value.size()),
                            static_cast<uint32_t>(key.size())};
  out[0] = static_cast<uint8_t>(code);
  memcpy(out + 4, head, sizeof(head));
  memcpy(out + kOperationHeadBytes, value.data(), value.size());
  memcpy(out + kOperationHeadBytes + value.size(), key.data(), key.size());
  return words;
}

// As value bytes: an int32 below six characters, else a Latin-1 string.
inline std::string StringValueBytes(const std::string& text) {
  const auto slot = [](uint32_t low, uint32_t high) {
    std::string bytes(8, '\0');
    memcpy(bytes.data(), &low, 4);
    memcpy(bytes.data() + 4, &high, 4);
    return bytes;
  };
  if (text.size() <= 5) return slot(static_cast<uint32_t>(text.size()), kInt << 16);
  std::string bytes;
  if (text.size() < 0xFFFF) {
    bytes = slot(8, kLatin1 << 16 | static_cast<uint32_t>(text.size())) + text;
  } else {
    const auto length = static_cast<uint32_t>(text.size());
    bytes = slot(8, kExtended << 16 | kLatin1Long) + std::string(reinterpret_cast<const char*>(&length), 4) +
            text;
  }
  bytes.resize(RoundUp(bytes.size(), 8));
  return bytes;
}

// Everything in the engine, as text to compare.
inline std::string Dump(Engine* engine) {
  std::string all;
  const Heap heap{*engine->arena(), *engine->allocator()};
  uint32_t id = 0;
  for (uint64_t next = 1; engine->ScanMaps(next, 1, &id) == 1; next = uint64_t{id} + 1) {
    all += "map " + std::to_string(id) + "\n";
    Offset records[64];
    uint64_t from = 1;
    for (uint32_t got; (got = engine->map(id)->Scan(from, 64, records)) > 0;) {
      for (uint32_t i = 0; i < got; ++i) {
        const RecordView view = ReadRecord(heap, records[i]);
        const uint8_t* value = heap.At(records[i] + view.value_distance);
        all.append(reinterpret_cast<const char*>(view.key.data), view.key.bytes);
        all += '=';
        all.append(reinterpret_cast<const char*>(value), CheckedValueBytes(value, engine->shapes()));
        all += '\n';
        from = view.sequence + 1;
      }
    }
  }
  return all;
}

class LogWorld {
 public:
  // Without `owner_writes`, the writer writes what many turns have ended, at once.
  explicit LogWorld(uint64_t seed, bool owner_writes = true) : random(seed) {
    log_options.owner_writes = owner_writes;
  }

  OpenOptions Options(SimulatedDisk* disk, bool log = true) {
    OpenOptions options;
    options.arena = {kMinArenaBytes, false};
    options.log = log;
    options.log_options = log_options;
    options.file_system = [](void* context, int) -> std::unique_ptr<LogFileSystem> {
      return std::make_unique<SimulatedFileSystem>(static_cast<SimulatedDisk*>(context));
    };
    options.file_system_context = disk;
    return options;
  }

  // Opens what is on `disk`, which may be a new one. The images are laid into a real directory for it, and
  // what opening does to them there is done to `disk` before its next change of the log's files: an image
  // that opening has written is on disk then, as Directory::Publish() has synced it; that one is gone is not.
  Status Open(SimulatedDisk* disk, const OpenOptions& options, OpenedStore* store) {
    LayImages(disk);
    disk->before_change = [this, disk] { TakeOverImages(disk); };
    Status status = OpenStore(path, options, store);
    disk->before_change = nullptr;
    TakeOverImages(disk);
    return status;
  }
  Status Open(SimulatedDisk* disk, OpenedStore* store) { return Open(disk, Options(disk), store); }

  // The same for a disk after a crash, while the store that it was a copy of is still open.
  Status OpenSurvivor(SimulatedDisk* disk, OpenedStore* survivor) {
    const std::string own = std::exchange(path, temporary.path() + "/survivor");
    Status status = Open(disk, survivor);
    path = own;
    return status;
  }

  // Applies, and appends to the log when it was not refused.
  static Status Apply(OpenedStore* store, OperationCode code, uint32_t collection, const std::string& value,
                      const std::string& key) {
    uint64_t bytes = 0;
    const std::vector<uint64_t> words = MakeOperation(code, collection, value, key, &bytes);
    const auto* operation = reinterpret_cast<const uint8_t*>(words.data());
    ApplyResult result;
    Status status = store->engine->Apply(operation, bytes, &result);
    if (status.ok() && store->log) store->log->Append(operation, bytes, store->engine->counts());
    return status;
  }

  // One random change; `most` bounds the size of a value.
  void Change(OpenedStore* store, size_t most) {
    if (store->engine->map_count() < 2) {
      const uint32_t id = store->engine->map_count() + 1;
      ASSERT_TRUE(Apply(store, OperationCode::kCreateMap, id, "", "map" + std::to_string(id)).ok());
      return;
    }
    const auto id = static_cast<uint32_t>(1 + random() % 2);
    const std::string key = "key" + std::to_string(random() % 12);
    const uint64_t kind = random() % 20;
    if (kind == 0) {
      ASSERT_TRUE(Apply(store, OperationCode::kClear, id, "", "").ok());
    } else if (kind < 5) {
      ASSERT_TRUE(Apply(store, OperationCode::kDelete, id, "", key).ok());
    } else {
      const std::string text(random() % (most + 1), static_cast<char>('a' + random() % 26));
      ASSERT_TRUE(Apply(store, OperationCode::kSet, id, StringValueBytes(text), key).ok());
    }
  }

  // What a turn of the event loop may do, up to EndBatch.
  void Turn(OpenedStore* store, bool sync) {
    const uint64_t changes = random() % 5;
    for (uint64_t i = 0; i < changes; ++i) {
      if (random() % 6 == 0) {  // a transaction that is rolled back leaves no trace
        const uint64_t mark = store->log->Mark();
        uint64_t bytes = 0;
        for (uint64_t wrong = random() % 40; wrong > 0; --wrong) {
          const auto words = MakeOperation(
              OperationCode::kSet, 1, StringValueBytes(std::string(random() % 300, 'x')), "wrong", &bytes);
          store->log->Append(reinterpret_cast<const uint8_t*>(words.data()), bytes, {9, 9, 9});
        }
        store->log->RollbackTo(mark);
      }
      const bool transaction = random() % 6 == 0;
      const uint64_t mark = transaction ? store->log->Mark() : 0;
      for (uint64_t many = transaction ? random() % 8 : 1; many > 0; --many) {
        Change(store, random() % 30 == 0 ? 6000 : 300);
      }
      if (transaction) store->log->Release(mark);
    }
    EndTurn(store, sync);
  }
  void EndTurn(OpenedStore* store, bool sync) {
    store->log->EndBatch(sync);
    states[store->log->stats().sealed_sequence] = Dump(store->engine.get());
  }

  // The image of the state as it is now, which a child would write.
  SimulatedDisk::Bytes Image(OpenedStore* store, uint64_t generation) {
    const ImageSource source = Source(store, generation);
    std::unique_ptr<ImageWriterSpace> space;
    EXPECT_TRUE(ImageWriterSpace::Create(source, &space).ok());
    const std::string name = temporary.path() + "/image";
    FileDescriptor file(OpenRetrying(AT_FDCWD, name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0666));
    EXPECT_EQ(WriteImage(
                  source, file.get(), space.get(), [](void*, uint64_t) { return true; }, nullptr)
                  .error,
              0);
    return ReadBytes(name);
  }
  static ImageSource Source(OpenedStore* store, uint64_t generation) {
    ImageSource source{};
    source.arena_base = store->engine->arena()->base();
    source.table = store->engine->allocator()->table();
    source.units = store->engine->allocator()->units();
    source.store_id = store->store_id;
    source.generation = generation;
    source.entries = store->engine->entries();
    source.writes = store->engine->writes();
    return source;
  }

  // What child and watcher do once the child has the image; 0 or an errno.
  static int PublishImage(SimulatedDisk* disk, const std::string& name, const SimulatedDisk::Bytes& image) {
    SimulatedFileSystem files(disk);
    std::unique_ptr<LogFile> file;
    const std::string temporary_name = name + ".tmp";
    files.Remove(temporary_name);
    int error = CreateFile(&files, temporary_name, &file);
    if (error == 0) error = WriteAllAt(file.get(), 0, image.data(), image.size());
    if (error == 0) error = DataSync(file.get());
    if (error == 0) error = files.Rename(temporary_name, name);
    if (error == 0) error = SyncDirectory(&files);
    if (error != 0) files.Remove(name);
    return error;
  }
  static std::string ImageName(uint64_t generation) {
    const std::string digits = std::to_string(generation);
    return "snapshot-" + std::string(20 - digits.size(), '0') + digits + ".image";
  }
  // After Cut(): image, manifest, removal of what is older than `keep` generations.
  static Status Publish(SimulatedDisk* disk, OpenedStore* store, uint64_t generation,
                        const SimulatedDisk::Bytes& image, uint32_t keep) {
    if (const int error = PublishImage(disk, ImageName(generation), image); error != 0) {
      store->log->SnapshotFailed(generation);
      return Status(Code::kSnapshotFailed, "the image", error);
    }
    std::vector<uint64_t> named;
    const Status status = Log::PublishedHook(store->log.get(), generation, keep, &named);
    if (!status.ok()) {
      store->log->SnapshotFailed(generation);
      return status;
    }
    SimulatedFileSystem files(disk);
    std::vector<std::string> images;
    for (const std::string& name : disk->List()) {
      if (name.ends_with(".image") && name <= ImageName(generation)) images.push_back(name);
    }
    images.resize(images.size() > keep ? images.size() - keep : 0);
    for (const uint64_t kept : named) std::erase(images, ImageName(kept));
    for (const std::string& name : images) files.Remove(name);
    return status;
  }
  Status Snapshot(SimulatedDisk* disk, OpenedStore* store, uint32_t keep = 2) {
    const uint64_t generation = store->next_generation++;
    store->log->Cut(generation);
    states[store->log->stats().sealed_sequence] = Dump(store->engine.get());
    return Publish(disk, store, generation, Image(store, generation), keep);
  }

  std::mt19937_64 random;
  LogOptions log_options = SmallLog();
  std::map<uint64_t, std::string> states = {{0, ""}};  // by sequence
  TemporaryDirectory temporary;
  std::string path = temporary.path() + "/store";

 private:
  std::vector<std::string> ImagesInPath() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".image")) names.push_back(name);
    }
    return names;
  }
  // An image that is there already stays as it is: it is read around the page cache, so that one just written
  // would have to get to the real disk first.
  void LayImages(SimulatedDisk* disk) {
    std::filesystem::create_directories(path);
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      const auto found = laid_.find(entry.path().string());
      const bool same = name.ends_with(".image") && disk->Has(name) && found != laid_.end() &&
                        found->second == *disk->Contents(name);
      if (name.starts_with("snapshot-") && !same) std::filesystem::remove(entry.path());
    }
    bool images = false;
    for (const std::string& name : disk->List()) {
      if (!name.ends_with(".image")) continue;
      images = true;
      const std::string file = path + "/" + name;
      if (std::filesystem::exists(file)) continue;
      WriteFileBytes(file, *disk->Contents(name));
      laid_[file] = *disk->Contents(name);
    }
    if (!images) std::filesystem::remove(path + "/identity");
  }
  void TakeOverImages(SimulatedDisk* disk) {
    const std::vector<std::string> there = ImagesInPath();
    for (const std::string& name : there) {
      if (disk->Has(name)) continue;
      disk->PutSynced(name, ReadBytes(path + "/" + name));
      laid_[path + "/" + name] = *disk->Contents(name);
    }
    for (const std::string& name : disk->List()) {
      if (name.ends_with(".image") && std::find(there.begin(), there.end(), name) == there.end()) {
        disk->Forget(name);
      }
    }
  }

  std::map<std::string, SimulatedDisk::Bytes> laid_;  // what the files in the real directory hold
};

}  // namespace forkstore
