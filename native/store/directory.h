// The store's directory: which files there are and how they are named; docs/format.md, section 6.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "files/lock.h"
#include "image/image_format.h"

namespace forkstore {

// Thread safety: const functions, Publish, RemoveTemporary and RemoveOldGenerations may be called from
// any thread; they share nothing but the descriptor.
class Directory {
 public:
  // Makes the directory when it is not there (and its parents), opens it, and takes the lock. Everything
  // later goes by that one opening: it may be moved, or the links that led to it switched. Errors: kLocked
  // (message names the holder's pid), kIo.
  static Status Open(const std::string& path, std::unique_ptr<Directory>* directory);
  ~Directory();  // releases the lock

  const std::string& path() const;
  int fd() const;
  const DirectoryLock& lock() const;
  // Whether what is written here will be found: not once the directory has been removed, or somebody else may
  // have come to lock it. Errors: kIo.
  Status Check() const;

  // Generations that have an image, newest first. Names that do not parse exactly are ignored.
  Status ListGenerations(std::vector<uint64_t>* generations) const;
  // The highest number among generations and images set aside; 0 when there are none. A number above it has
  // never been used for what is still there.
  Status HighestNumber(uint64_t* highest) const;
  // For people: what is done to a file is done to its name, relative to fd().
  std::string ImagePath(uint64_t generation) const;
  std::string TemporaryPath(uint64_t generation) const;
  static std::string ImageName(uint64_t generation);
  static std::string TemporaryName(uint64_t generation);

  // kOk with *found = false when there is no identity file; kCorrupt when it is damaged; kVersion.
  Status ReadIdentity(StoreId* id, bool* found) const;
  Status WriteIdentity(const StoreId& id);

  // The directory is that of a store of the pure JavaScript engine, which keeps its identity and
  // its snapshots in `.json` files.
  bool HoldsOtherEngine() const;

  // Opens a new, empty temporary file for writing (an older one is removed first). Errors: kIo, also for a
  // number that is no generation (1 to kMaxGeneration): an image of that name would not be found again.
  Status CreateTemporary(uint64_t generation, int* fd);
  // Failure to remove is not an error.
  void RemoveTemporary(uint64_t generation);
  // Removes what interrupted snapshots have left. Failure to remove is not an error.
  void RemoveTemporaries();
  // Renames the temporary file to the image and syncs the directory. Errors: kIo; no image is left then, if
  // it can be helped: it need not be on disk, and must not count.
  Status Publish(uint64_t generation);
  // Renames an image that did not verify to end in `.damaged`: no longer a generation, and not lost.
  // Never replaces another that was set aside. Failure is not an error: the image stays what it was, and
  // opening judges it again next time.
  void SetAside(uint64_t generation);
  // For those that no manifest has come to name; docs/format.md, section 7. Failure is not an error.
  void RemoveGenerationsAbove(uint64_t newest);
  // Removes all but the newest `keep` (>= 1) generations, never one above `newest`, nor one of `named`: those
  // that the manifest relies on, however many others are there.
  void RemoveOldGenerations(uint64_t newest, uint32_t keep, const std::vector<uint64_t>& named);

 private:
  Directory() = default;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
