// The manifest: which segment follows which generation; docs/format.md, section 7.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "image/image_format.h"
#include "log/log_file_system.h"

namespace forkstore {

// A generation, and the segment whose first record is the first change after it. Segment 0: no log follows.
struct LogBase {
  uint64_t generation = 0;
  uint64_t segment = 0;
  uint64_t identity = 0;
  uint64_t first_sequence = 0;
  friend bool operator==(const LogBase&, const LogBase&) = default;
};

struct Manifest {
  StoreId store_id{};
  std::vector<LogBase> bases;  // generations rising
};

inline constexpr char kManifestName[] = "manifest";
inline constexpr char kManifestTemporaryName[] = "manifest.tmp";

// *found is false, and the status good, when there is none. Errors: kCorrupt, kVersion, kIo.
Status ReadManifest(LogFileSystem* files, Manifest* manifest, bool* found);
// On disk when it returns kOk; else either the old one or the new one is there, and may change with a
// crash. *may_be_there (when given): whether it may be the new one; false only where that is sure. Errors:
// kIo.
Status WriteManifest(LogFileSystem* files, const Manifest& manifest, bool* may_be_there = nullptr);

}  // namespace forkstore
