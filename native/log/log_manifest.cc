#include "log/log_manifest.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/crc32c.h"
#include "files/file_descriptor.h"
#include "log/log_format.h"

namespace forkstore {

namespace {

struct ManifestHead {
  char magic[8];
  uint32_t version;
  uint32_t crc;
  StoreId store_id;
  uint32_t entries;
  uint32_t zero_word;
  uint64_t zero[3];
};
static_assert(sizeof(ManifestHead) == 64);
static_assert(sizeof(LogBase) == 32);

// More than anybody keeps; so that a hostile length asks for no memory.
constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;

Status Corrupt(const std::string& what) {
  return Status(Code::kCorrupt, std::string(kManifestName) + ": " + what);
}

Status Failure(const std::string& what, int error) {
  return Status(Code::kIo, what + ": " + ErrorText(error), error);
}

// Of the whole file, whose checksum field is taken for 0.
uint32_t CrcOf(std::vector<uint8_t> bytes) {
  memset(bytes.data() + offsetof(ManifestHead, crc), 0, sizeof(uint32_t));
  return Crc32c(bytes.data(), bytes.size());
}

Status CheckBases(const std::vector<LogBase>& bases) {
  uint64_t generation = 0;
  uint64_t segment = 0;
  uint64_t sequence = 0;
  for (const LogBase& base : bases) {
    if (base.generation <= generation || base.generation > kMaxGeneration) {
      return Corrupt("its generations do not rise");
    }
    generation = base.generation;
    if (base.segment == 0) {
      if (bases.size() != 1 || base.identity != 0 || base.first_sequence != 0) {
        return Corrupt("an entry without a segment");
      }
      continue;
    }
    if (base.segment <= segment || base.segment > kMaxSegmentNumber || base.identity == 0 ||
        base.first_sequence == 0 || base.first_sequence < sequence) {
      return Corrupt("its segments do not rise");
    }
    segment = base.segment;
    sequence = base.first_sequence;
  }
  return Status::Ok();
}

Status ParseManifest(const std::vector<uint8_t>& bytes, Manifest* manifest) {
  if (bytes.size() < sizeof(ManifestHead)) return Corrupt("its length is not that of a manifest");
  ManifestHead head;
  memcpy(&head, bytes.data(), sizeof(head));
  if (memcmp(head.magic, kManifestMagic, sizeof(kManifestMagic)) != 0) {
    return Corrupt("not a file of this kind");
  }
  if (head.crc != CrcOf(bytes)) return Corrupt("its checksum is wrong");
  if (head.version != kManifestVersion) {
    return Status(Code::kVersion,
                  std::string(kManifestName) + ": format version " + std::to_string(head.version));
  }
  if (head.entries == 0 || bytes.size() != sizeof(head) + uint64_t{head.entries} * sizeof(LogBase)) {
    return Corrupt("its length is not that of a manifest");
  }
  if (head.zero_word != 0 || head.zero[0] != 0 || head.zero[1] != 0 || head.zero[2] != 0) {
    return Corrupt("reserved bytes are not 0");
  }
  manifest->store_id = head.store_id;
  manifest->bases.resize(head.entries);
  memcpy(manifest->bases.data(), bytes.data() + sizeof(head), head.entries * sizeof(LogBase));
  return CheckBases(manifest->bases);
}

// Of a rename's result. Any other failure (a disk's EIO; a network file system's ETIMEDOUT, ESTALE, EINTR)
// may come after the rename was done. So may ENOENT there: when the answer is lost and the request is sent
// again.
bool SurelyNotRenamed(int error) {
  return error == ENOSPC || error == EDQUOT || error == EACCES || error == EPERM || error == EROFS;
}

}  // namespace

Status ReadManifest(LogFileSystem* files, Manifest* manifest, bool* found) {
  *found = false;
  std::unique_ptr<LogFile> file;
  int error = OpenFile(files, kManifestName, &file);
  if (error == ENOENT) return Status::Ok();
  if (error != 0) return Failure("cannot open the manifest", error);
  *found = true;
  uint64_t size = 0;
  error = file->Size(&size);
  if (error != 0) return Failure("cannot read the manifest", error);
  if (size > kMaxManifestBytes) return Corrupt("its length is not that of a manifest");
  std::vector<uint8_t> bytes(size);
  size_t got = 0;
  error = ReadAllAt(file.get(), 0, bytes.data(), size, &got);
  if (error != 0) return Failure("cannot read the manifest", error);
  if (got != size) return Corrupt("its length is not that of a manifest");
  return ParseManifest(bytes, manifest);
}

Status WriteManifest(LogFileSystem* files, const Manifest& manifest, bool* may_be_there) {
  bool unused = false;
  bool& there = may_be_there == nullptr ? unused : *may_be_there;
  there = false;
  ManifestHead head{};
  memcpy(head.magic, kManifestMagic, sizeof(kManifestMagic));
  head.version = kManifestVersion;
  head.store_id = manifest.store_id;
  head.entries = static_cast<uint32_t>(manifest.bases.size());
  std::vector<uint8_t> bytes(sizeof(head) + manifest.bases.size() * sizeof(LogBase));
  memcpy(bytes.data(), &head, sizeof(head));
  memcpy(bytes.data() + sizeof(head), manifest.bases.data(), manifest.bases.size() * sizeof(LogBase));
  head.crc = CrcOf(bytes);
  memcpy(bytes.data(), &head, sizeof(head));

  files->Remove(kManifestTemporaryName);
  std::unique_ptr<LogFile> file;
  int error = CreateFile(files, kManifestTemporaryName, &file);
  if (error != 0) return Failure("cannot create the manifest", error);
  error = WriteAllAt(file.get(), 0, bytes.data(), bytes.size());
  if (error == 0) error = DataSync(file.get());
  if (error == 0) {
    error = files->Rename(kManifestTemporaryName, kManifestName);
    there = !SurelyNotRenamed(error);
  }
  if (error != 0) {
    files->Remove(kManifestTemporaryName);
    return Failure("cannot write the manifest", error);
  }
  error = SyncDirectory(files);
  return error == 0 ? Status::Ok() : Failure("cannot sync the directory of the manifest", error);
}

}  // namespace forkstore
