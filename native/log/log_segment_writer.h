// Making segments and appending records to them; docs/format.md, section 7.
//
// Thread safety: one thread. After a failure nothing may be written to the segment or synced any more.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "log/log_buffer.h"
#include "log/log_file_system.h"
#include "log/log_format.h"

namespace forkstore {

struct LogSegment {
  std::unique_ptr<LogFile> file;
  uint64_t number = 0;
  uint64_t identity = 0;
  uint64_t reserved = 0;  // so many bytes of the file have room on disk, as far as is known
};

// Room that is made ahead of need: it spares each sync the new length of the file. It is a favour, and little
// of it is held, so that it never takes the room of something that is needed: in small steps, never more than
// an eighth of what is free, and while a snapshot is under way no more than the first step.
inline constexpr uint64_t kFirstReserveBytes = uint64_t{1} << 20;
inline constexpr uint64_t kMostReserveBytes = uint64_t{16} << 20;

// A new file with this number (or one above it, when the name is taken), with room for the first of
// `segment_bytes` where the file system makes room; its name is on disk, no header yet. Errors: kIo; no file
// is left then, if it can be helped.
Status CreateSegment(LogFileSystem* files, uint64_t number, uint64_t segment_bytes, LogSegment* segment);

// Draws an identity; the header is on disk when it returns kOk. `header`: what is not the segment's own or
// fixed: flags, store, position, base. Errors: kIo.
Status BeginSegment(LogSegment* segment, LogSegmentHeader header);

class LogSegmentWriter {
 public:
  // `segment` has its header and nothing else.
  void Take(LogSegment segment);
  bool active() const { return segment_.file != nullptr; }
  // Closes the file without another word.
  void Abandon();
  const LogSegment& segment() const { return segment_; }

  uint64_t end() const { return end_ + group_.size(); }  // with what is yet to be flushed
  // Adds a record, whose payload is [begin, end) of `buffer` (copied, or written at once, when this returns).
  // Fills in length, identity and checksum. 0 or an errno.
  int Append(LogRecordHeader header, const LogBuffer& buffer, uint64_t begin, uint64_t end);
  int Flush();  // everything to the file system
  int Sync();   // everything to the disk
  // Little of the room made ahead is left, of `segment_bytes` in all.
  bool WantsReserve(uint64_t segment_bytes) const;
  // Makes more; false when none is wanted, or none can be had.
  bool Reserve(LogFileSystem* files, uint64_t segment_bytes);
  // Gives back the space behind the last record. Failure is no failure.
  void Trim();

 private:
  int Write(const void* data, uint64_t bytes);
  uint64_t ReserveStep() const;

  LogSegment segment_;
  uint64_t end_ = 0;
  bool may_reserve_ = true;
  uint64_t reserve_from_ = 0;   // end() at which it is worth while to ask again
  std::vector<uint8_t> group_;  // small records, to be written by one call
};

}  // namespace forkstore
