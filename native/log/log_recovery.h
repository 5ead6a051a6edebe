// Reading the log back: which records count, what is a torn tail, what is damage; docs/format.md, section 7,
// "Reading".
//
// Thread safety: one thread; blocks on disk. Hostile bytes give kCorrupt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "log/log_file_system.h"
#include "log/log_format.h"
#include "log/log_manifest.h"

namespace forkstore {

// A torn tail.
struct LogTail {
  std::string file;     // name in the directory
  uint64_t offset = 0;  // of the first byte that does not count
  uint64_t bytes = 0;   // up to the last one that is not 0
};

// The part of a segment whose records belong to whole batches.
struct LogRange {
  uint64_t segment = 0;
  uint64_t end = kLogHeaderBytes;  // from the header's end to here
};

// What a pass over all segments from a base on has found. Nothing was changed or applied.
struct LogScan {
  LogPosition next;              // of the first batch that is missing; fragment 0
  uint64_t batches = 0;          // whole ones
  uint64_t bytes = 0;            // of records in `ranges`, for progress
  uint64_t highest_segment = 0;  // of all files there are, also those before `base`; 0: none
  std::vector<LogRange> ranges;  // rising; the log is in these segments, empty ones among them
  std::vector<uint64_t>
      void_segments;           // behind the end of the log: empty, torn as a whole, or never acknowledged
  std::vector<LogTail> tails;  // torn
  bool damaged = false;
  std::string damage;  // file, offset and what is wrong there
};

// `base.segment` may be 0: no log. Syncs what it reads, and reads it from the disk: what it finds is durable.
// Errors: kIo, kVersion. Damage is not an error here: the scan tells.
Status ScanLog(LogFileSystem* files, const StoreId& store_id, const LogBase& base, LogScan* scan);

// Called now and then, and once with done == total.
using ReplayProgress = void (*)(void* context, uint64_t bytes_done, uint64_t bytes_total);

struct ReplayResult {
  uint64_t operations = 0;
  uint64_t writes = 0;  // of these, those that changed what is stored
  // The engine refused an operation, or counts otherwise than a record says: in batch `sequence`, of which a
  // part has been applied.
  bool refused = false;
  uint64_t sequence = 0;
  uint64_t batches = 0;  // applied whole
  std::string damage;    // file, offset and why
  uint64_t segment = 0;  // where
};

// Applies the batches before `end`, which is at most scan.next.sequence. Errors: kIo; kFull (the engine's);
// kVersion (an operation that this version does not know); kCorrupt when the files are no longer what was
// scanned.
Status ReplayLog(LogFileSystem* files, const StoreId& store_id, const LogScan& scan, uint64_t end,
                 Engine* engine, ReplayProgress progress, void* context, ReplayResult* result);

}  // namespace forkstore
