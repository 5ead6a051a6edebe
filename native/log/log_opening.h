// What opening a store does with its log besides reading it; docs/format.md, section 7.
//
// Thread safety: one thread; blocks on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "log/log_recovery.h"

namespace forkstore {

// Whether any segment holds a record: then a manifest must be there.
Status LogHoldsRecords(LogFileSystem* files, const StoreId& store_id, bool* holds);

// For salvaging without a manifest: the segment whose header says that it follows `generation`. base->segment
// is 0 when there is none.
Status FindBase(LogFileSystem* files, const StoreId& store_id, uint64_t generation, LogBase* base);

// The segments that hold more than what replaying `scan` has taken over: anything behind the last record that
// counts, or, where segment `refused` was not taken to its end (0: none), that one and those behind it.
// Those before the base are taken over, as its generation holds what they do; when there is no base, nothing
// is. Errors: kIo.
Status ListUntaken(LogFileSystem* files, const StoreId& store_id, const LogBase& base, const LogScan& scan,
                   uint64_t refused, std::vector<std::string>* names);

// Copies each file to `<name>.damaged`, with a number where that is taken; on disk when it returns kOk. Files
// that are not there are passed over. A copy is as long as its file; what is empty there takes no space in
// it. Errors: kIo.
Status CopyAside(LogFileSystem* files, const std::vector<std::string>& names,
                 std::vector<std::string>* copies);

// A new segment that begins at `position`, numbered above `highest`. `base_generation`: the snapshot it
// follows, or 0. Fills in `start` except for its bases. Errors: kIo.
Status StartSegment(LogFileSystem* files, const StoreId& store_id, const LogPosition& position,
                    uint64_t base_generation, uint64_t highest, uint64_t segment_bytes, LogStart* start);

// `segments` rise. All gone when it returns kOk. The highest goes first, and is gone from the disk before the
// next one goes: that a segment is void may be known from one before it alone. Errors: kIo.
Status RemoveSegments(LogFileSystem* files, const std::vector<uint64_t>& segments);
// Those that are not `kept`; failure is not an error.
void RemoveOtherSegments(LogFileSystem* files, uint64_t kept);

// Empty segments that no base is, and the unused space of the last one. Failure is not an error.
void TidySegments(LogFileSystem* files, const LogScan& scan, const std::vector<LogBase>& bases);

// From here on `generation` is all there is. REQUIRES: its image is on disk and holds everything. Errors:
// kIo.
Status GiveUpLog(LogFileSystem* files, const StoreId& store_id, uint64_t generation);

}  // namespace forkstore
