#include "log/log_recovery.h"

#include <algorithm>
#include <cerrno>

#include "engine/operation.h"
#include "files/file_descriptor.h"
#include "log/log_segment_reader.h"

namespace forkstore {

namespace {

constexpr uint64_t kProgressBytes = uint64_t{4} << 20;

Status OpenReader(LogFileSystem* files, uint64_t segment, std::unique_ptr<LogSegmentReader>* reader) {
  const std::string name = LogSegmentName(segment);
  std::unique_ptr<LogFile> file;
  if (int error = OpenFile(files, name, &file); error != 0) {
    return Status(Code::kIo, "cannot open " + name + ": " + ErrorText(error), error);
  }
  *reader = std::make_unique<LogSegmentReader>(std::move(file), name);
  return Status::Ok();
}

std::string Place(const std::string& file, uint64_t offset) {
  return file + " at offset " + std::to_string(offset) + ": ";
}

// One pass over the segments; docs/format.md, section 7, "Reading".
class Scanner {
 public:
  Scanner(LogFileSystem* files, const StoreId& store_id, const LogBase& base, LogScan* scan)
      : files_(files), store_id_(store_id), base_(base), scan_(*scan) {}

  Status Run();

 private:
  Status List();
  Status Load(size_t index, std::unique_ptr<LogSegmentReader>* reader, Status* header) const;
  bool Continues(const LogSegmentHeader& header) const;
  Status TakeFirst();
  Status TakeRecords();
  void WholeUpTo(uint64_t offset);
  void DropFragments();
  Status FindWitness();
  Status JudgeBehind();
  Status ReportTail(LogSegmentReader* reader, uint64_t offset);
  Status ReportTails();
  void Damage(size_t index, uint64_t offset, const std::string& what);

  LogFileSystem* files_;
  const StoreId& store_id_;
  const LogBase& base_;
  LogScan& scan_;
  std::vector<uint64_t> segments_;            // from the base on
  size_t taken_ = 0;                          // of them, those that are part of the log: scan_.ranges
  std::unique_ptr<LogSegmentReader> reader_;  // of the last one taken
  uint64_t stopped_ = kLogHeaderBytes;        // where it has no good record any more
  LogPosition expected_;
  // The place behind the last whole batch: index of the segment, offset.
  size_t whole_index_ = 0;
  uint64_t whole_offset_ = kLogHeaderBytes;
};

Status Scanner::List() {
  std::vector<std::string> names;
  if (int error = files_->List(&names); error != 0) {
    return Status(Code::kIo, "cannot list the log: " + ErrorText(error), error);
  }
  for (const std::string& name : names) {
    uint64_t segment;
    if (!ParseLogSegmentName(name, &segment)) continue;
    scan_.highest_segment = std::max(scan_.highest_segment, segment);
    if (segment >= base_.segment) segments_.push_back(segment);
  }
  std::sort(segments_.begin(), segments_.end());
  return Status::Ok();
}

Status Scanner::Load(size_t index, std::unique_ptr<LogSegmentReader>* reader, Status* header) const {
  if (Status status = OpenReader(files_, segments_[index], reader); !status.ok()) return status;
  LogSegmentReader& opened = **reader;
  // What a killed process has written may be in the page cache alone; and what is in the page cache after a
  // failed sync may never come to the disk. What is found from here on is on the disk.
  if (int error = DataSync(opened.file()); error != 0) {
    return Status(Code::kIo, "cannot sync " + opened.name() + ": " + ErrorText(error), error);
  }
  opened.file()->DropCache();
  *header = opened.ReadHeader(segments_[index], store_id_);
  return header->ok() || header->code() == Code::kCorrupt ? Status::Ok() : *header;
}

bool Scanner::Continues(const LogSegmentHeader& header) const {
  if ((header.flags & kLogAfterFailure) != 0 || header.first_sequence != expected_.sequence) return false;
  return header.first_fragment == expected_.fragment || header.first_fragment == 0;
}

void Scanner::Damage(size_t index, uint64_t offset, const std::string& what) {
  scan_.damaged = true;
  scan_.damage = Place(LogSegmentName(segments_[index]), offset) + what;
}

void Scanner::WholeUpTo(uint64_t offset) {
  whole_index_ = taken_ - 1;
  whole_offset_ = offset;
}

// The fragments of a batch that has not come to its end do not count.
void Scanner::DropFragments() {
  for (size_t i = whole_index_; i < scan_.ranges.size(); ++i) {
    scan_.ranges[i].end = i == whole_index_ ? whole_offset_ : kLogHeaderBytes;
  }
  expected_ = scan_.next;
}

Status Scanner::Run() {
  if (Status status = List(); !status.ok()) return status;
  if (base_.segment == 0) {
    scan_.void_segments = segments_;
    return Status::Ok();
  }
  scan_.next = expected_ = {base_.first_sequence, 0};
  if (Status status = TakeFirst(); !status.ok()) return status;
  while (!scan_.damaged && taken_ < segments_.size()) {
    std::unique_ptr<LogSegmentReader> next;
    Status header;
    if (Status status = Load(taken_, &next, &header); !status.ok()) return status;
    if (!header.ok() || !Continues(next->header())) break;
    if (next->header().first_fragment == 0) DropFragments();
    reader_ = std::move(next);
    if (Status status = TakeRecords(); !status.ok()) return status;
  }
  if (!scan_.damaged) {
    if (Status status = FindWitness(); !status.ok()) return status;
  }
  if (!scan_.damaged) {
    if (Status status = JudgeBehind(); !status.ok()) return status;
  }
  if (!scan_.damaged) {
    if (Status status = ReportTails(); !status.ok()) return status;
  }
  DropFragments();
  for (const LogRange& range : scan_.ranges) scan_.bytes += range.end - kLogHeaderBytes;
  return Status::Ok();
}

Status Scanner::TakeFirst() {
  if (segments_.empty() || segments_[0] != base_.segment) {
    scan_.damaged = true;
    scan_.damage =
        Place(LogSegmentName(base_.segment), 0) + "the manifest names this segment, and it is missing";
    return Status::Ok();
  }
  Status header;
  if (Status status = Load(0, &reader_, &header); !status.ok()) return status;
  const LogSegmentHeader& is = reader_->header();
  if (!header.ok()) {
    Damage(0, 0, header.message());
  } else if (is.identity != base_.identity || is.first_sequence != base_.first_sequence ||
             is.first_fragment != 0) {
    Damage(0, 0, "the segment is not the one that the manifest names");
  } else {
    return TakeRecords();
  }
  return Status::Ok();
}

// All good records of `reader_`, which becomes the last segment taken.
Status Scanner::TakeRecords() {
  scan_.ranges.push_back({segments_[taken_], kLogHeaderBytes});
  ++taken_;
  stopped_ = kLogHeaderBytes;
  if (expected_.fragment == 0) WholeUpTo(stopped_);
  for (;;) {
    LogRecord record;
    LogSegmentReader::Find find;
    if (Status status = reader_->Read(stopped_, &record, &find); !status.ok()) return status;
    if (find == LogSegmentReader::Find::kMalformed) {
      Damage(taken_ - 1, stopped_, "a record whose checksum is right, but that no writer writes");
      return Status::Ok();
    }
    if (find == LogSegmentReader::Find::kNothing) return Status::Ok();
    const LogRecordHeader& header = record.header;
    const bool mark = header.flags == kLogMark;
    const LogPosition position{header.sequence + (mark ? 1 : 0), header.fragment};
    if (position != expected_) return Status::Ok();
    stopped_ = record.end;
    scan_.ranges.back().end = stopped_;
    if (!mark) {
      const bool last = (header.flags & kLogLast) != 0;
      expected_ =
          last ? LogPosition{header.sequence + 1, 0} : LogPosition{header.sequence, header.fragment + 1};
      if (last) {
        scan_.next = expected_;
        scan_.batches += 1;
      }
    }
    if (expected_.fragment == 0) WholeUpTo(stopped_);
  }
}

// Whether the last segment taken goes on behind the place where it stopped, and must not have.
Status Scanner::FindWitness() {
  bool witness = false;
  uint64_t at = 0;
  Status status = reader_->FindWitness(stopped_, scan_.next.sequence, /*any_identity=*/false, &witness, &at);
  if (status.ok() && witness) {
    Damage(taken_ - 1, stopped_,
           "batch " + std::to_string(scan_.next.sequence) + " is damaged: the record at offset " +
               std::to_string(at) + " says that it was on disk");
  }
  return status;
}

// The segments behind the end of the log.
Status Scanner::JudgeBehind() {
  for (size_t index = taken_; index < segments_.size(); ++index) {
    std::unique_ptr<LogSegmentReader> reader;
    Status header;
    if (Status status = Load(index, &reader, &header); !status.ok()) return status;
    if (header.ok() && (reader->header().flags & kLogAfterFailure) != 0) break;
    if (header.ok()) {
      Damage(taken_ - 1, stopped_,
             "batch " + std::to_string(scan_.next.sequence) + " is missing: " + reader->name() +
                 " says that all batches below " + std::to_string(reader->header().first_sequence) +
                 " were on disk");
      return Status::Ok();
    }
    bool witness = false;
    uint64_t at = 0;
    if (Status status =
            reader->FindWitness(kLogHeaderBytes, scan_.next.sequence, /*any_identity=*/true, &witness, &at);
        !status.ok()) {
      return status;
    }
    if (witness) {
      Damage(index, 0, header.message() + ", but there is a record at offset " + std::to_string(at));
      return Status::Ok();
    }
  }
  scan_.void_segments.assign(segments_.begin() + static_cast<std::ptrdiff_t>(taken_), segments_.end());
  return Status::Ok();
}

Status Scanner::ReportTail(LogSegmentReader* reader, uint64_t offset) {
  uint64_t end = 0;
  Status status = reader->EndOfContent(offset, &end);
  if (status.ok() && end > offset) scan_.tails.push_back({reader->name(), offset, end - offset});
  return status;
}

Status Scanner::ReportTails() {
  for (size_t index = whole_index_; index < segments_.size(); ++index) {
    std::unique_ptr<LogSegmentReader> reader;
    if (Status status = OpenReader(files_, segments_[index], &reader); !status.ok()) return status;
    const Status header = reader->ReadHeader(segments_[index], store_id_);
    if (header.code() == Code::kIo) return header;
    const uint64_t offset = !header.ok() ? 0 : index == whole_index_ ? whole_offset_ : kLogHeaderBytes;
    if (Status status = ReportTail(reader.get(), offset); !status.ok()) return status;
  }
  return Status::Ok();
}

// Whether an operation changes what is stored; the others number what later ones refer to.
bool IsWrite(OperationCode code) {
  return code != OperationCode::kDefineShape && code != OperationCode::kAdopt &&
         code != OperationCode::kSkipNodes;
}

// Applies one record. Errors: what the engine refuses with; kCorrupt when the engine then counts otherwise
// than the writer's did: operations behind it would mean other things.
Status ApplyRecord(const LogRecord& record, bool has_counts, Engine* engine, ReplayResult* result) {
  Status refusal;
  ForEachOperation(record, [&](const uint8_t* operation, uint64_t bytes) {
    ApplyResult applied;
    refusal = engine->Apply(operation, bytes, &applied);
    result->operations += refusal.ok();
    result->writes += refusal.ok() && IsWrite(OperationCode{operation[0]});
    return refusal.ok();
  });
  if (!refusal.ok()) {
    return Status(refusal.code(), "an operation is refused: " + refusal.message(), refusal.system_errno());
  }
  const LogRecordHeader& header = record.header;
  if (!has_counts || engine->counts() == EngineCounts{header.shapes, header.maps, header.next_node}) {
    return Status::Ok();
  }
  const EngineCounts is = engine->counts();
  const auto counts = [](uint64_t shapes, uint64_t maps, uint64_t next_node) {
    return std::to_string(shapes) + " shapes, " + std::to_string(maps) + " maps and next node " +
           std::to_string(next_node);
  };
  return Status(Code::kCorrupt, "replaying has come to another state than the one that was logged: " +
                                    counts(is.shapes, is.maps, is.next_node) + " in place of " +
                                    counts(header.shapes, header.maps, header.next_node));
}

// What a later version has written is no damage.
bool IsDamage(const Status& refusal) {
  return refusal.code() != Code::kFull && refusal.code() != Code::kIo && refusal.code() != Code::kVersion;
}

}  // namespace

Status ScanLog(LogFileSystem* files, const StoreId& store_id, const LogBase& base, LogScan* scan) {
  return Scanner(files, store_id, base, scan).Run();
}

Status ReplayLog(LogFileSystem* files, const StoreId& store_id, const LogScan& scan, uint64_t end,
                 Engine* engine, ReplayProgress progress, void* context, ReplayResult* result) {
  uint64_t done = 0;
  uint64_t told = 0;
  for (const LogRange& range : scan.ranges) {
    if (range.end == kLogHeaderBytes) continue;
    std::unique_ptr<LogSegmentReader> reader;
    if (Status status = OpenReader(files, range.segment, &reader); !status.ok()) return status;
    if (Status status = reader->ReadHeader(range.segment, store_id); !status.ok()) return status;
    for (uint64_t offset = kLogHeaderBytes; offset < range.end;) {
      LogRecord record;
      LogSegmentReader::Find find;
      if (Status status = reader->Read(offset, &record, &find); !status.ok()) return status;
      if (find != LogSegmentReader::Find::kGood) {
        return Status(Code::kCorrupt, Place(reader->name(), offset) + "read twice, with different bytes");
      }
      if (record.header.flags != kLogMark) {
        if (record.header.sequence >= end) return Status::Ok();
        const Status status = ApplyRecord(record, reader->has_counts(), engine, result);
        if (!status.ok()) {
          const std::string what = Place(reader->name(), offset) + status.message();
          if (!IsDamage(status)) return Status(status.code(), what, status.system_errno());
          result->refused = true;
          result->sequence = record.header.sequence;
          result->damage = what;
          result->segment = range.segment;
          return Status::Ok();
        }
        result->batches += record.header.flags & kLogLast;
      }
      done += record.end - offset;
      offset = record.end;
      if (progress != nullptr && done - told >= kProgressBytes && done < scan.bytes) {
        told = done;
        progress(context, done, scan.bytes);
      }
    }
  }
  if (progress != nullptr) progress(context, scan.bytes, scan.bytes);
  return Status::Ok();
}

}  // namespace forkstore
