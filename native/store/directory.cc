#include "store/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/crc32c.h"
#include "files/file_descriptor.h"
#include "files/lock.h"
#include "files/ownership.h"

namespace forkstore {

namespace {

constexpr std::string_view kPrefix = "snapshot-";
constexpr std::string_view kImageSuffix = ".image";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kDamagedSuffix = ".damaged";
constexpr size_t kGenerationDigits = 20;
constexpr char kIdentityName[] = "identity";
constexpr char kIdentityTemporaryName[] = "identity.tmp";
constexpr std::string_view kOtherEngineIdentityName = "identity.json";
constexpr std::string_view kOtherEngineSuffix = ".json";
constexpr uint32_t kIdentityVersion = 1;
constexpr char kIdentityMagic[8] = {'F', 'O', 'R', 'K', 'S', 'T', 'I', 'D'};

struct Identity {
  char magic[8];
  uint32_t version;
  uint32_t crc;
  StoreId store_id;
  uint8_t zero[32];
};
static_assert(sizeof(Identity) == 64);

std::string FileName(uint64_t generation, std::string_view suffix) {
  const std::string digits = std::to_string(generation);
  return std::string(kPrefix) + std::string(kGenerationDigits - digits.size(), '0') + digits +
         std::string(suffix);
}

// The generation in a name of exactly that form. A number that no store counts up to is no generation:
// one more than it would not be a name that is found again.
bool ParseFileName(std::string_view name, std::string_view suffix, uint64_t* generation) {
  if (name.size() != kPrefix.size() + kGenerationDigits + suffix.size()) return false;
  if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) return false;
  uint64_t value = 0;
  for (const char digit : name.substr(kPrefix.size(), kGenerationDigits)) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
    if (value > kMaxGeneration) return false;
  }
  *generation = value;
  return value > 0;
}

Status Failure(const std::string& what, int error) {
  return Status(Code::kIo, what + ": " + ErrorText(error), error);
}

// Makes `path` with its parents. What was made is synced into the directory above it: a store whose own
// directory vanishes in a crash has lost all it promised to keep.
Status MakeDirectories(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) {
    // Made: fall through to sync it.
  } else if (errno == EEXIST) {
    return Status::Ok();  // opening it as a directory tells whether it is one
  } else if (errno == ENOENT) {
    const size_t end = path.find_last_not_of('/');
    const size_t slash = end == std::string::npos ? end : path.rfind('/', end);
    if (slash == std::string::npos || slash == 0)
      return Failure("cannot create the directory " + path, errno);
    if (Status status = MakeDirectories(path.substr(0, slash)); !status.ok()) return status;
    if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return Failure("cannot create the directory " + path, errno);
    }
  } else {
    return Failure("cannot create the directory " + path, errno);
  }
  // By way of what was made: the longest path that can be opened leaves no room for "/..".
  FileDescriptor made(OpenRetrying(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  FileDescriptor fd;
  if (made.valid()) fd.Reset(OpenRetrying(made.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    // A parent that may be written and entered, but not listed, cannot be synced; that is the owner's choice.
    return errno == EACCES ? Status::Ok() : Failure("cannot open the directory above " + path, errno);
  }
  if (!SyncRetrying(fd.get())) return Failure("cannot sync the directory above " + path, errno);
  return Status::Ok();
}

}  // namespace

struct Directory::State {
  std::string path;
  FileDescriptor fd;
  std::unique_ptr<DirectoryLock> lock;

  // Calls visit(name) for each file.
  template <typename Visit>
  Status ForEachName(Visit visit) const {
    // Not a duplicate of fd, which would share its position with other threads.
    FileDescriptor own(OpenRetrying(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR* stream = own.valid() ? fdopendir(own.get()) : nullptr;
    if (stream == nullptr) return Failure("cannot list " + path, errno);
    own.Release();
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      visit(std::string_view(entry->d_name));
    }
    const int error = errno;
    closedir(stream);
    return error == 0 ? Status::Ok() : Failure("cannot list " + path, error);
  }
};

Status Directory::Open(const std::string& path, std::unique_ptr<Directory>* directory) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Status(Code::kIo, "not a usable path of a directory", EINVAL);
  }
  if (Status status = MakeDirectories(path); !status.ok()) return status;
  std::unique_ptr<Directory> opened(new Directory);
  opened->state_ = std::make_unique<State>();
  State& state = *opened->state_;
  state.path = path;
  while (state.path.size() > 1 && state.path.back() == '/') state.path.pop_back();
  state.fd.Reset(OpenRetrying(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!state.fd.valid()) {
    const int error = errno;
    return Status(Code::kIo,
                  "cannot open the directory " + path + ": " + ErrorText(error) +
                      OtherOwner(AT_FDCWD, path.c_str(), state.path, error),
                  error);
  }
  if (Status status = DirectoryLock::Take(state.fd.get(), state.path, &state.lock); !status.ok())
    return status;
  *directory = std::move(opened);
  return Status::Ok();
}

Directory::~Directory() = default;

const std::string& Directory::path() const {
  return state_->path;
}
int Directory::fd() const {
  return state_->fd.get();
}
const DirectoryLock& Directory::lock() const {
  return *state_->lock;
}

Status Directory::Check() const {
  if (IsRemoved(fd())) return Status(Code::kIo, "the directory " + path() + " has been removed", ENOENT);
  return lock().Check();
}

Status Directory::ListGenerations(std::vector<uint64_t>* generations) const {
  generations->clear();
  Status status = state_->ForEachName([generations](std::string_view name) {
    uint64_t generation;
    if (ParseFileName(name, kImageSuffix, &generation)) generations->push_back(generation);
  });
  std::sort(generations->rbegin(), generations->rend());
  return status;
}

Status Directory::HighestNumber(uint64_t* highest) const {
  *highest = 0;
  return state_->ForEachName([highest](std::string_view name) {
    uint64_t generation;
    if (ParseFileName(name, kImageSuffix, &generation) || ParseFileName(name, kDamagedSuffix, &generation)) {
      *highest = std::max(*highest, generation);
    }
  });
}

std::string Directory::ImagePath(uint64_t generation) const {
  return state_->path + "/" + ImageName(generation);
}

std::string Directory::TemporaryPath(uint64_t generation) const {
  return state_->path + "/" + TemporaryName(generation);
}

std::string Directory::ImageName(uint64_t generation) {
  return FileName(generation, kImageSuffix);
}

std::string Directory::TemporaryName(uint64_t generation) {
  return FileName(generation, kTemporarySuffix);
}

Status Directory::ReadIdentity(StoreId* id, bool* found) const {
  *found = false;
  FileDescriptor file(OpenRegular(fd(), kIdentityName, O_RDONLY));
  if (!file.valid()) {
    return errno == ENOENT ? Status::Ok() : Failure("cannot open identity in " + path(), errno);
  }
  *found = true;
  uint8_t bytes[sizeof(Identity) + 1];  // one more, to notice a file that is longer
  const int64_t got = ReadFully(file.get(), bytes, sizeof(bytes));
  if (got < 0) return Failure("cannot read identity in " + path(), errno);
  Identity identity;
  memcpy(&identity, bytes, sizeof(identity));
  if (got != sizeof(Identity)) return Status(Code::kCorrupt, "identity: its length is not 64");
  if (memcmp(identity.magic, kIdentityMagic, sizeof(kIdentityMagic)) != 0) {
    return Status(Code::kCorrupt, "identity: not a file of this kind");
  }
  const uint32_t crc = identity.crc;
  identity.crc = 0;
  if (Crc32c(&identity, sizeof(identity)) != crc) return Status(Code::kCorrupt, "identity: bad checksum");
  if (identity.version != kIdentityVersion) {
    return Status(Code::kVersion, "identity: format version " + std::to_string(identity.version));
  }
  *id = identity.store_id;
  return Status::Ok();
}

Status Directory::WriteIdentity(const StoreId& id) {
  Identity identity{};
  memcpy(identity.magic, kIdentityMagic, sizeof(kIdentityMagic));
  identity.version = kIdentityVersion;
  identity.store_id = id;
  identity.crc = Crc32c(&identity, sizeof(identity));
  unlinkat(fd(), kIdentityTemporaryName, 0);
  FileDescriptor file(
      OpenRetrying(fd(), kIdentityTemporaryName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
  const bool written = file.valid() && WriteFully(file.get(), &identity, sizeof(identity)) &&
                       SyncRetrying(file.get()) &&
                       renameat(fd(), kIdentityTemporaryName, fd(), kIdentityName) == 0 && SyncRetrying(fd());
  if (written) return Status::Ok();
  const int error = errno;
  unlinkat(fd(), kIdentityTemporaryName, 0);
  return Failure("cannot write identity in " + path(), error);
}

bool Directory::HoldsOtherEngine() const {
  bool found = false;
  const Status listed = state_->ForEachName([&found](std::string_view name) {
    uint64_t generation;
    found = found || name == kOtherEngineIdentityName || ParseFileName(name, kOtherEngineSuffix, &generation);
  });
  return listed.ok() && found;
}

Status Directory::CreateTemporary(uint64_t generation, int* fd_out) {
  *fd_out = -1;
  if (generation == 0 || generation > kMaxGeneration) {
    return Failure("there is no generation " + std::to_string(generation), EOVERFLOW);
  }
  if (Status status = Check(); !status.ok()) return status;
  const std::string name = TemporaryName(generation);
  unlinkat(fd(), name.c_str(), 0);
  *fd_out = OpenRetrying(fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  return *fd_out >= 0 ? Status::Ok() : Failure("cannot create " + TemporaryPath(generation), errno);
}

void Directory::RemoveTemporary(uint64_t generation) {
  unlinkat(fd(), TemporaryName(generation).c_str(), 0);
}

void Directory::RemoveTemporaries() {
  std::vector<uint64_t> generations;
  [[maybe_unused]] const Status listed = state_->ForEachName([&generations](std::string_view name) {
    uint64_t generation;
    if (ParseFileName(name, kTemporarySuffix, &generation)) generations.push_back(generation);
  });
  for (const uint64_t generation : generations) RemoveTemporary(generation);
  unlinkat(fd(), kIdentityTemporaryName, 0);
}

Status Directory::Publish(uint64_t generation) {
  if (Status status = Check(); !status.ok()) return status;
  const std::string image = ImageName(generation);
  Status status;
  if (renameat(fd(), TemporaryName(generation).c_str(), fd(), image.c_str()) != 0) {
    status = Failure("cannot rename the new snapshot to " + ImagePath(generation), errno);
  } else if (!SyncRetrying(fd())) {
    status = Failure("cannot sync the directory " + path(), errno);
  }
  // Also after a rename that failed: a network file system may say so of one that it has done.
  if (!status.ok()) unlinkat(fd(), image.c_str(), 0);
  return status;
}

void Directory::SetAside(uint64_t generation) {
  const std::string damaged = FileName(generation, kDamagedSuffix);
  if (faccessat(fd(), damaged.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return;
  renameat(fd(), ImageName(generation).c_str(), fd(), damaged.c_str());
}

void Directory::RemoveGenerationsAbove(uint64_t newest) {
  std::vector<uint64_t> generations;
  if (!ListGenerations(&generations).ok()) return;
  for (const uint64_t generation : generations) {
    if (generation > newest) unlinkat(fd(), ImageName(generation).c_str(), 0);
  }
}

void Directory::RemoveOldGenerations(uint64_t newest, uint32_t keep, const std::vector<uint64_t>& named) {
  std::vector<uint64_t> generations;
  if (!ListGenerations(&generations).ok()) return;
  uint32_t kept = 0;
  for (const uint64_t generation : generations) {
    if (generation > newest || kept++ < keep) continue;
    if (std::find(named.begin(), named.end(), generation) != named.end()) continue;
    unlinkat(fd(), ImageName(generation).c_str(), 0);
  }
}

}  // namespace forkstore
