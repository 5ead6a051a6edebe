#include "log/log_segment_writer.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/crc32c.h"
#include "files/file_descriptor.h"

namespace forkstore {

namespace {

constexpr uint64_t kGroupBytes = uint64_t{256} << 10;
constexpr int kTriesForAName = 16;
constexpr uint64_t kShareOfFree = 8;
constexpr uint64_t kRetryBytes = uint64_t{256} << 10;

Status Failure(const std::string& what, uint64_t number, int error) {
  return Status(Code::kIo, what + " " + LogSegmentName(number) + ": " + ErrorText(error), error);
}

// What of `bytes` is little enough beside what is free.
uint64_t Affordable(LogFileSystem* files, uint64_t bytes) {
  uint64_t free_bytes = 0;
  if (files->FreeBytes(&free_bytes) != 0) return bytes;
  return std::min(bytes, free_bytes / kShareOfFree);
}

}  // namespace

Status CreateSegment(LogFileSystem* files, uint64_t number, uint64_t segment_bytes, LogSegment* segment) {
  std::unique_ptr<LogFile> file;
  int error = EEXIST;
  for (int i = 0; error == EEXIST && i < kTriesForAName; ++i) {
    if (i > 0) ++number;
    error = CreateFile(files, LogSegmentName(number), &file);
  }
  // No other way for a new file to be missing.
  const char* what = error == ENOENT ? "the directory has been removed: cannot create" : "cannot create";
  if (error != 0) return Failure(what, number, error);
  segment->reserved = Affordable(files, std::min(segment_bytes, kFirstReserveBytes));
  if (segment->reserved > 0 && file->Allocate(segment->reserved) != 0) {
    // Not supported, or not that much space: it does without, until there is really none. What was allocated
    // before it failed is given back.
    file->Truncate(0);
    segment->reserved = 0;
  }
  error = SyncDirectory(files);
  if (error != 0) {
    file.reset();
    files->Remove(LogSegmentName(number));
    return Failure("cannot sync the directory of", number, error);
  }
  segment->file = std::move(file);
  segment->number = number;
  segment->identity = 0;
  return Status::Ok();
}

Status BeginSegment(LogSegment* segment, LogSegmentHeader header) {
  while (segment->identity == 0) {
    const ssize_t got = getrandom(&segment->identity, sizeof(segment->identity), 0);
    if (got < 0 && errno != EINTR) return Status(Code::kIo, "getrandom failed", errno);
    if (got != sizeof(segment->identity)) segment->identity = 0;
  }
  header.segment = segment->number;
  header.identity = segment->identity;
  SealSegmentHeader(&header);
  int error = WriteAllAt(segment->file.get(), 0, &header, sizeof(header));
  if (error == 0) error = DataSync(segment->file.get());
  return error == 0 ? Status::Ok() : Failure("cannot write the header of", segment->number, error);
}

void LogSegmentWriter::Take(LogSegment segment) {
  segment_ = std::move(segment);
  end_ = kLogHeaderBytes;
  may_reserve_ = segment_.reserved > 0;
  reserve_from_ = 0;
  group_.clear();
  group_.reserve(kGroupBytes);
}

void LogSegmentWriter::Abandon() {
  segment_.file.reset();
  group_.clear();
}

int LogSegmentWriter::Write(const void* data, uint64_t bytes) {
  const int error = WriteAllAt(segment_.file.get(), end_, data, bytes);
  if (error == 0) end_ += bytes;
  return error;
}

int LogSegmentWriter::Flush() {
  if (group_.empty()) return 0;
  const int error = Write(group_.data(), group_.size());
  group_.clear();
  return error;
}

int LogSegmentWriter::Append(LogRecordHeader header, const LogBuffer& buffer, uint64_t begin, uint64_t end) {
  header.length = static_cast<uint32_t>(end - begin);
  header.identity = segment_.identity;
  header.crc = 0;
  uint32_t crc = Crc32c(&header, sizeof(header));
  buffer.ForEachPiece(begin, end,
                      [&crc](const uint8_t* data, uint64_t bytes) { crc = Crc32c(data, bytes, crc); });
  header.crc = crc;
  const auto* head = reinterpret_cast<const uint8_t*>(&header);
  const uint64_t bytes = sizeof(header) + header.length;
  if (group_.size() + bytes > kGroupBytes) {
    if (int error = Flush(); error != 0) return error;
  }
  group_.insert(group_.end(), head, head + sizeof(header));
  if (bytes <= kGroupBytes) {
    buffer.ForEachPiece(begin, end, [this](const uint8_t* data, uint64_t part) {
      group_.insert(group_.end(), data, data + part);
    });
    return 0;
  }
  int error = Flush();
  buffer.ForEachPiece(begin, end, [this, &error](const uint8_t* data, uint64_t part) {
    if (error == 0) error = Write(data, part);
  });
  return error;
}

int LogSegmentWriter::Sync() {
  const int error = Flush();
  return error != 0 ? error : DataSync(segment_.file.get());
}

uint64_t LogSegmentWriter::ReserveStep() const {
  return std::clamp(end(), kFirstReserveBytes, kMostReserveBytes);
}

bool LogSegmentWriter::WantsReserve(uint64_t segment_bytes) const {
  return may_reserve_ && end() >= reserve_from_ && segment_.reserved < segment_bytes &&
         segment_.reserved < end() + ReserveStep() / 2;
}

bool LogSegmentWriter::Reserve(LogFileSystem* files, uint64_t segment_bytes) {
  if (!WantsReserve(segment_bytes)) return false;
  const uint64_t step = ReserveStep();
  const uint64_t more =
      Affordable(files, std::min(end() + step, segment_bytes) - std::min(end(), segment_bytes));
  if (more > 0 && end() + more <= segment_.reserved) {
    // The disk is nearly full: what it can spare has been reserved.
    reserve_from_ = end() + kRetryBytes;
    return false;
  }
  may_reserve_ = more > 0 && segment_.file->Allocate(end() + more) == 0;
  if (may_reserve_) segment_.reserved = end() + more;
  return may_reserve_;
}

void LogSegmentWriter::Trim() {
  segment_.file->Truncate(end_);
}

}  // namespace forkstore
