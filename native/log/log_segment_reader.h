// LogSegmentReader: the records of one segment, one after the other; and what stands behind the last good
// one. docs/format.md, section 7.
//
// Any bytes whatever are a legal file. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/hole.h"
#include "base/status.h"
#include "log/log_file_system.h"
#include "log/log_format.h"

namespace forkstore {

struct LogRecord {
  LogRecordHeader header;
  const uint8_t* payload;  // 8-aligned; valid until the reader is asked for anything else
  uint64_t offset;         // of the record in its file
  uint64_t end;
};

class LogSegmentReader {
 public:
  // What a look at one place of the file has given.
  enum class Find {
    kGood,
    kNothing,    // no record: another identity, a wrong checksum, beyond the file, ...
    kMalformed,  // a right checksum over what no writer writes
  };

  LogSegmentReader(std::unique_ptr<LogFile> file, std::string name);
  ~LogSegmentReader();
  LogSegmentReader(const LogSegmentReader&) = delete;
  LogSegmentReader& operator=(const LogSegmentReader&) = delete;

  // kCorrupt: no good header; kVersion; kIo.
  Status ReadHeader(uint64_t segment, const StoreId& store_id);
  const LogSegmentHeader& header() const { return header_; }  // as it stands in the file, 0 beyond its end
  // Whether the records say what the engine has counted after them. REQUIRES: a good header.
  bool has_counts() const { return header_.version > 1; }
  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }
  LogFile* file() { return file_.get(); }

  // The record at `offset` (a multiple of 8) with this segment's identity. Its place in the log is not
  // judged.
  Status Read(uint64_t offset, LogRecord* record, Find* find);

  // Whether a record at or behind `offset` bears witness that batch `missing` was on disk. `any_identity`:
  // whether a record of any identity has a sequence from `missing` on (for a segment without a good header).
  Status FindWitness(uint64_t offset, uint64_t missing, bool any_identity, bool* found, uint64_t* at);

  // The place behind the last byte from `offset` on that is not 0; `offset` when there is none.
  Status EndOfContent(uint64_t offset, uint64_t* end);

 private:
  // Bytes [offset, offset + bytes) in memory, with their offset's alignment to 8; nullptr in *at beyond the
  // file.
  Status Window(uint64_t offset, uint64_t bytes, const uint8_t** at);
  // 0, an errno, or ENODATA where the file has become shorter.
  int ReadAll(uint64_t begin, uint64_t bytes, uint8_t* out);
  // Into buffer_, which is 0: only what is in no hole. Holes go to holes_.
  int ReadData(uint64_t begin, uint64_t bytes);
  // LogRecordCrc() of the record at `offset`, without a look at holes. REQUIRES: the record is in the window.
  uint32_t RecordCrc(const LogRecordHeader& header, uint64_t offset, uint64_t header_bytes) const;
  // So that what is read a little at a time does not go over a large window's holes.
  void DropLargeWindow();
  Status Failure(const char* what, int error) const;

  std::unique_ptr<LogFile> file_;
  std::string name_;
  uint64_t size_ = 0;
  uint64_t data_end_ = 0;  // behind it every byte is 0
  LogSegmentHeader header_{};
  struct Free {
    void operator()(uint8_t* memory) const { free(memory); }
  };
  std::unique_ptr<uint8_t, Free> buffer_;
  uint64_t capacity_ = 0;
  uint64_t window_begin_ = 0;  // a multiple of 8
  uint64_t window_bytes_ = 0;
  std::vector<Hole> holes_;  // of the file, in the window, rising; of a large one only
};

// Calls visit(operation, bytes), which returns whether to go on, for each operation. REQUIRES: a good record.
template <typename Visit>
bool ForEachOperation(const LogRecord& record, Visit visit) {
  uint64_t at = 0;
  while (at < record.header.length) {
    LogOperationHead head;
    __builtin_memcpy(&head, record.payload + at, sizeof(head));
    if (!visit(record.payload + at + sizeof(head), uint64_t{head.length})) return false;
    at += sizeof(head) + RoundUp(head.length, 8);
  }
  return true;
}

}  // namespace forkstore
